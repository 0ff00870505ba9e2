//! `souk tenants move`, `abort-move` and `clean-up`

use anyhow::Result;
use clap::Args;
use core::ops::ControlFlow;
use core::time::Duration;
use souk_app::tenants::{
    MovePoint, MoveSettings, ShardName, TenantTools, abort_move, clean_up, move_tenant,
};
use souk_domain::TenantId;

/// A move.
#[derive(Debug, Args)]
pub(crate) struct Move {
    tenant: TenantId,
    /// The shard that is to have its rows.
    #[arg(long)]
    to: ShardName,
    /// For how many seconds writes may be held at a time; then they go on, and it is tried again.
    #[arg(long, default_value_t = 10)]
    hold_at_most_s: u64,
    /// Removes the rows from where the tenant was, when it has been moved.
    #[arg(long)]
    clean_up: bool,
}

pub(crate) async fn run(tools: &TenantTools, wish: Move) -> Result<()> {
    let settings = MoveSettings {
        hold_at_most: Duration::from_secs(wish.hold_at_most_s),
        ..MoveSettings::default()
    };
    let watch = |point| {
        eprintln!("{}", in_words(point));
        ControlFlow::Continue(())
    };
    let report = move_tenant(tools, wish.tenant, &wish.to, settings, &watch).await?;
    println!(
        "{} is on {}: {} rows, writes held for {} ms",
        wish.tenant, wish.to, report.rows, report.held_ms
    );
    if wish.clean_up {
        clean(tools, wish.tenant, &report.from).await?;
    }
    Ok(())
}

pub(crate) async fn abort(tools: &TenantTools, tenant: TenantId) -> Result<()> {
    abort_move(tools, tenant).await?;
    println!("{tenant} stays where it is");
    Ok(())
}

pub(crate) async fn clean(tools: &TenantTools, tenant: TenantId, shard: &ShardName) -> Result<()> {
    let rows = clean_up(tools, tenant, shard).await?;
    println!("{rows} rows of {tenant} removed from {shard}");
    Ok(())
}

fn in_words(point: MovePoint) -> String {
    match point {
        MovePoint::Claimed => "the move is in the directory".to_owned(),
        MovePoint::SourceTaken => "the source knows the mover".to_owned(),
        MovePoint::Prepared => "the target has a place for the tenant".to_owned(),
        MovePoint::Copied { rows } => format!("{rows} rows copied"),
        MovePoint::Held => "writes are held".to_owned(),
        MovePoint::ChangesCopied { rows } => format!("{rows} rows copied while writes are held"),
        MovePoint::Verified { rows } => format!("{rows} rows are the same on both sides"),
        MovePoint::Sealed => "the hold stays until the switch".to_owned(),
        MovePoint::Switched => "the directory names the target".to_owned(),
        MovePoint::Activated => "the target serves the tenant".to_owned(),
        MovePoint::Retired => "the source sends everyone elsewhere".to_owned(),
    }
}
