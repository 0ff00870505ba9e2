//! `souk tenants domains`

use super::publish::Publishing;
use anyhow::Result;
use clap::Subcommand;
use souk_app::tenants::{TenantTools, add_domain, remove_domain};
use souk_domain::TenantId;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lets a host lead to a tenant; or all hosts one label below a name, `*.shops.example`.
    Add { tenant: TenantId, host: String },
    /// Lets a host lead nowhere.
    Remove { tenant: TenantId, host: String },
}

pub(crate) async fn run(
    tools: &TenantTools,
    publishing: &Publishing,
    command: Command,
) -> Result<()> {
    match command {
        Command::Add { tenant, host } => {
            println!("{}", add_domain(tools, tenant, &host).await?);
            publishing.publish(tools, tenant).await
        }
        Command::Remove { tenant, host } => {
            remove_domain(tools, tenant, &host).await?;
            publishing.publish(tools, tenant).await
        }
    }
}
