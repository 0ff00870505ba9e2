//! `souk edge`: what the edge is told, and telling it.

mod cloudflare;
mod limit;
mod local;
mod publishing;
mod settings;
mod shown;
mod store;
mod tenants;

pub(crate) use publishing::publish_tenant;
pub(crate) use store::StoreArguments;

use crate::operator::Operator;
use anyhow::Result;
use clap::{Args, Subcommand};
use souk_app::edge::PublishScope;
use souk_domain::TenantId;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    store: StoreArguments,
    /// Publishes the change at once, and nothing else that has changed.
    #[arg(long, global = true)]
    publish: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints what the edge is to know of a tenant, or of all together, as JSON.
    Show { tenant: Option<TenantId> },
    /// Plans: how often callers of their tenants may call.
    #[command(subcommand)]
    Plans(settings::Plans),
    /// A tenant's plan.
    #[command(subcommand)]
    Plan(tenants::Plan),
    /// A tenant's own limits, instead of its plan's.
    #[command(subcommand)]
    Limits(tenants::Limits),
    /// The pages that may read a tenant's answers.
    #[command(subcommand)]
    Cors(tenants::Cors),
    /// Who may issue tokens for a tenant's callers.
    #[command(subcommand)]
    Issuers(tenants::Issuers),
    /// The hosts that keys of issuers may be fetched from.
    #[command(subcommand)]
    IssuerHosts(settings::IssuerHosts),
    /// Kill switches: operations that are not served.
    #[command(subcommand)]
    Operations(tenants::Operations),
    /// How many of a hundred of a tenant's callers go to the canary.
    #[command(subcommand)]
    Canary(tenants::Canary),
    /// What is tried with a tenant first.
    #[command(subcommand)]
    Features(tenants::Features),
    /// Where a tenant's requests are processed.
    #[command(subcommand)]
    Region(tenants::Region),
    /// Where a tenant's requests may be processed at all.
    #[command(subcommand)]
    Residency(tenants::Residency),
    /// Addresses that are not served.
    #[command(subcommand)]
    Denied(settings::Denied),
    /// How often one address may call.
    #[command(subcommand)]
    AddressLimit(settings::AddressLimit),
    /// Publishes to the edge's store what differs. What was interrupted is finished.
    Publish(publishing::Publish),
    /// Shows what a publication would change.
    Diff(publishing::Diff),
    /// Publishes an earlier publication again. The directory stays as it is.
    Rollback(publishing::Rollback),
    /// Prints the last publications: version, when, who, entries, digest, whether all of it is there.
    History,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let tools = arguments.operator.of_directory()?;
    let store = &arguments.store;
    let changed = match arguments.command {
        Command::Publish(publish) => return publishing::publish(&tools, store, &publish).await,
        Command::Diff(diff) => return publishing::diff(&tools, store, &diff).await,
        Command::Rollback(rollback) => {
            return publishing::rollback(&tools, store, &rollback).await;
        }
        Command::History => return publishing::history(&tools).await,
        Command::Show { tenant } => return shown::show(&tools, tenant).await,
        Command::Plans(command) => settings::plans(&tools, command).await?,
        Command::IssuerHosts(command) => settings::issuer_hosts(&tools, command).await?,
        Command::Denied(command) => settings::denied(&tools, command).await?,
        Command::AddressLimit(command) => settings::address_limit(&tools, &command).await?,
        Command::Plan(command) => tenants::plan(&tools, command).await?,
        Command::Limits(command) => tenants::limits(&tools, command).await?,
        Command::Cors(command) => tenants::cors(&tools, command).await?,
        Command::Issuers(command) => tenants::issuers(&tools, command).await?,
        Command::Operations(command) => tenants::operations(&tools, command).await?,
        Command::Canary(command) => tenants::canary(&tools, &command).await?,
        Command::Features(command) => tenants::features(&tools, command).await?,
        Command::Region(command) => tenants::region(&tools, command).await?,
        Command::Residency(command) => tenants::residency(&tools, command).await?,
    };
    match changed {
        None => Ok(()),
        Some(scope) if arguments.publish => publishing::publish_scope(&tools, store, scope).await,
        Some(_) => {
            eprintln!("The edge does not know yet: souk edge diff, souk edge publish.");
            Ok(())
        }
    }
}

/// What has to be published after a command; nothing where it has only shown something.
type Changed = Option<PublishScope>;
