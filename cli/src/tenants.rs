//! `souk tenants`: tenants, their hosts, keys and moves.

mod domains;
mod keys;
mod moves;
mod publish;

pub(crate) use keys::shown as shown_key;

use crate::operator::Operator;
use anyhow::Result;
use clap::{Args, Subcommand};
use publish::Publishing;
use serde_json::json;
use souk_app::tenants::{
    NewTenant, ShardName, TenantRow, TenantTools, create_tenant, list_tenants, resume_tenant,
    route_record, show_tenant, suspend_tenant,
};
use souk_domain::TenantId;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    publishing: Publishing,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enters a tenant.
    Create {
        /// Its name for people.
        name: String,
        /// A host that leads to it; may be given several times.
        #[arg(long = "domain", value_name = "HOST")]
        hosts: Vec<String>,
        /// The shard that is to have its rows.
        #[arg(long)]
        shard: ShardName,
        /// The region whose functions serve it.
        #[arg(long, default_value = "local")]
        region: String,
        /// Its id, where it must be a certain one.
        #[arg(long)]
        id: Option<TenantId>,
    },
    /// Lets the edge refuse all of a tenant's requests.
    Suspend {
        tenant: TenantId,
        /// Why, for the audit log.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Lets a suspended tenant be served again.
    Resume {
        tenant: TenantId,
        /// Why, for the audit log.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Prints what is known of a tenant, as JSON.
    Show { tenant: TenantId },
    /// Prints all tenants: id, status, shard, region and name, separated by tabs.
    List,
    /// Hosts that lead to a tenant.
    #[command(subcommand)]
    Domains(domains::Command),
    /// API keys of a tenant.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Prints the record that the edge is to have for a host, as JSON.
    RouteRecord { host: String },
    /// Moves a tenant to another shard while it is served, or goes on with a move that was interrupted.
    Move(moves::Move),
    /// Gives up a move that has not switched yet.
    AbortMove { tenant: TenantId },
    /// Removes the rows that a tenant has left behind on a shard.
    CleanUp {
        tenant: TenantId,
        #[arg(long)]
        shard: ShardName,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let (operator, publishing) = (arguments.operator, arguments.publishing);
    match arguments.command {
        Command::Create {
            name,
            hosts,
            shard,
            region,
            id,
        } => {
            let tools = operator.of_shards()?;
            let new = NewTenant {
                id,
                name,
                hosts,
                shard,
                region,
            };
            let tenant = create_tenant(&tools, new).await?;
            println!("{}", tenant.id);
            publishing.publish(&tools, tenant.id).await
        }
        Command::Suspend { tenant, reason } => {
            let tools = operator.of_directory()?;
            suspend_tenant(&tools, tenant, &reason).await?;
            publishing.publish(&tools, tenant).await
        }
        Command::Resume { tenant, reason } => {
            let tools = operator.of_directory()?;
            resume_tenant(&tools, tenant, &reason).await?;
            publishing.publish(&tools, tenant).await
        }
        Command::Show { tenant } => show(&operator.of_directory()?, tenant).await,
        Command::List => list(&operator.of_directory()?).await,
        Command::Domains(command) => {
            domains::run(&operator.of_directory()?, &publishing, command).await
        }
        Command::Keys(command) => keys::run(&operator.of_directory()?, &publishing, command).await,
        Command::RouteRecord { host } => {
            let record = route_record(&operator.of_directory()?, &host).await?;
            println!("{}", record.value);
            Ok(())
        }
        Command::Move(wish) => moves::run(&operator.of_shards()?, wish).await,
        Command::AbortMove { tenant } => moves::abort(&operator.of_shards()?, tenant).await,
        Command::CleanUp { tenant, shard } => {
            moves::clean(&operator.of_shards()?, tenant, &shard).await
        }
    }
}

async fn list(tools: &TenantTools) -> Result<()> {
    for tenant in list_tenants(tools).await? {
        let TenantRow {
            id,
            name,
            region,
            placement,
            ..
        } = tenant;
        let status = placement.status.as_str();
        println!("{id}\t{status}\t{}\t{region}\t{name}", placement.shard);
    }
    Ok(())
}

async fn show(tools: &TenantTools, tenant: TenantId) -> Result<()> {
    let view = show_tenant(tools, tenant).await?;
    let placement = &view.tenant.placement;
    let shown = json!({
        "id": view.tenant.id,
        "name": view.tenant.name,
        "status": placement.status,
        "region": view.tenant.region,
        "shard": placement.shard.as_str(),
        "placement_version": placement.version,
        "created_at": view.tenant.created_at,
        "domains": view.hosts,
        "keys": view.keys.iter().map(keys::shown).collect::<Vec<_>>(),
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}
