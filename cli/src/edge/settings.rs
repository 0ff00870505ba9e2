//! What counts for all tenants.

use super::Changed;
use super::limit::limit;
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use souk_app::edge::{
    LimitRow, PlanRow, PublishScope, SettingsChange, change_settings, list_plans, put_plan,
    remove_plan, show_edge,
};
use souk_app::tenants::TenantTools;

#[derive(Debug, Subcommand)]
pub(crate) enum Plans {
    /// Enters a plan, or changes it for all tenants that have it.
    Put {
        name: String,
        /// All callers of a tenant together, such as 100/s:200.
        #[arg(long, value_parser = limit)]
        tenant: Option<LimitRow>,
        /// Each of them.
        #[arg(long, value_parser = limit)]
        key: Option<LimitRow>,
        /// Refuse nobody, only say in the log who would have been.
        #[arg(long)]
        shadow: bool,
    },
    /// Removes a plan that no tenant has.
    Remove { name: String },
    /// Prints all plans as JSON, one a line.
    List,
}

pub(crate) async fn plans(tools: &TenantTools, command: Plans) -> Result<Changed> {
    match command {
        Plans::Put {
            name,
            tenant,
            key,
            shadow,
        } => {
            let plan = PlanRow {
                plan: name,
                tenant,
                key,
                shadow,
            };
            put_plan(tools, &plan).await?;
            Ok(Some(PublishScope::All))
        }
        Plans::Remove { name } => {
            remove_plan(tools, &name).await?;
            Ok(None)
        }
        Plans::List => {
            for plan in list_plans(tools).await? {
                println!("{}", super::shown::plan(&plan));
            }
            Ok(None)
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum IssuerHosts {
    /// Lets keys of issuers be fetched from a host, with its port where it has one.
    Allow { host: String },
    /// Lets them not be.
    Remove { host: String },
    /// Prints them.
    List,
}

pub(crate) async fn issuer_hosts(tools: &TenantTools, command: IssuerHosts) -> Result<Changed> {
    let change = match command {
        IssuerHosts::Allow { host } => SettingsChange::AllowIssuerHost(host),
        IssuerHosts::Remove { host } => SettingsChange::RemoveIssuerHost(host),
        IssuerHosts::List => {
            for host in show_edge(tools, None).await?.settings.issuer_hosts {
                println!("{host}");
            }
            return Ok(None);
        }
    };
    changed(tools, &change).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Denied {
    /// Does not serve an address, or a range like 192.0.2.0/24.
    Add {
        range: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Serves it again.
    Remove { range: String },
    /// Prints them as JSON, one a line.
    List,
}

pub(crate) async fn denied(tools: &TenantTools, command: Denied) -> Result<Changed> {
    let change = match command {
        Denied::Add { range, reason } => SettingsChange::Deny { range, reason },
        Denied::Remove { range } => SettingsChange::Allow(range),
        Denied::List => {
            for denied in show_edge(tools, None).await?.denied {
                let (range, reason, since) = (denied.range, denied.reason, denied.created_at);
                println!(
                    "{}",
                    json!({ "range": range, "reason": reason, "since": since })
                );
            }
            return Ok(None);
        }
    };
    changed(tools, &change).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum AddressLimit {
    /// How often one address may come to one isolate, such as 50/s:100.
    Set {
        #[arg(value_parser = limit)]
        limit: LimitRow,
    },
    /// As often as it likes.
    Clear,
}

pub(crate) async fn address_limit(tools: &TenantTools, command: &AddressLimit) -> Result<Changed> {
    let limit = match command {
        AddressLimit::Set { limit } => Some(*limit),
        AddressLimit::Clear => None,
    };
    changed(tools, &SettingsChange::AddressLimit(limit)).await
}

pub(super) async fn changed(tools: &TenantTools, change: &SettingsChange) -> Result<Changed> {
    change_settings(tools, change).await?;
    Ok(Some(PublishScope::Settings))
}
