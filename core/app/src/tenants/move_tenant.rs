//! Moves a tenant to another shard, while it is served.
//!
//! The directory is the one place that says how far the move is and, by its switch, where the tenant
//! is. What a mover does on a shard it does under its token; a mover that is replaced can do nothing
//! more. Until the switch the source serves the tenant whatever happens, and a hold that nobody ends
//! lapses by itself. After it there is only forward.

mod run;

use super::{ShardName, TenantError, TenantTools};
use core::ops::ControlFlow;
use core::time::Duration;
use run::Run;
use souk_domain::TenantId;
use souk_postgres::directory::MoveStep;

/// Bounds of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveSettings {
    /// For how long writes may be held; then the hold lapses, and is tried again.
    pub hold_at_most: Duration,
    /// How often it is tried.
    pub holds_max: u32,
    /// With no more changed rows than these, writes are held to copy them.
    pub rows_to_hold: u64,
    /// How often changes are copied before writes are held all the same.
    pub rounds_max: u32,
}

impl Default for MoveSettings {
    fn default() -> Self {
        Self {
            hold_at_most: Duration::from_secs(10),
            holds_max: 3,
            rows_to_hold: 1_000,
            rounds_max: 5,
        }
    }
}

/// What has just been done. Between any two of them a mover may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovePoint {
    /// The move is in the directory, under a new token.
    Claimed,
    /// The source knows the token.
    SourceTaken,
    /// The target has an empty place.
    Prepared,
    /// Rows were copied while the source served: all, or those that had changed.
    Copied {
        /// How many.
        rows: u64,
    },
    /// Writes are held.
    Held,
    /// What had changed last was copied.
    ChangesCopied {
        /// How many rows.
        rows: u64,
    },
    /// Both sides have the same rows.
    Verified {
        /// How many.
        rows: u64,
    },
    /// The hold does not lapse any more.
    Sealed,
    /// The directory names the target.
    Switched,
    /// The target serves the tenant.
    Activated,
    /// The source sends everyone elsewhere.
    Retired,
}

/// A move that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveReport {
    /// Where the tenant was: its rows lie there until they are cleaned up.
    pub from: ShardName,
    /// Rows that were copied, some of them more than once.
    pub rows_copied: u64,
    /// Rows that the tenant has.
    pub rows: u64,
    /// Milliseconds for which writes were held the last time, by the clock of the tools.
    pub held_ms: i64,
}

/// Moves `tenant` to the shard `to`, or goes on with a move there that was interrupted. `watch` is
/// told of each step, and may stop the mover where it stands.
///
/// # Errors
/// [`TenantError::AlreadyThere`], [`TenantError::MovingElsewhere`], [`TenantError::HoldLapsed`],
/// [`TenantError::CopyDiffers`], [`TenantError::Relocation`], [`TenantError::Database`]. After any of
/// them the same call goes on or begins anew.
pub async fn move_tenant(
    tools: &TenantTools,
    tenant: TenantId,
    to: &ShardName,
    settings: MoveSettings,
    watch: &(dyn Fn(MovePoint) -> ControlFlow<()> + Sync),
) -> Result<MoveReport, TenantError> {
    let mut run = Run::claim(tools, tenant, Some(to), watch).await?;
    run.pass(MovePoint::Claimed)?;
    if run.step() < MoveStep::Switched {
        run.prepare().await?;
        run.copy(settings).await?;
        run.hold_and_switch(settings).await?;
    }
    run.finish().await?;
    Ok(run.report())
}

/// Gives a move of `tenant` up that has not switched yet: the source serves it as before.
///
/// # Errors
/// [`TenantError::NotAbortable`], [`TenantError::Relocation`], [`TenantError::Database`].
pub async fn abort_move(tools: &TenantTools, tenant: TenantId) -> Result<(), TenantError> {
    let mut run = Run::claim(tools, tenant, None, &|_| ControlFlow::Continue(())).await?;
    if run.step() >= MoveStep::Switched {
        return Err(TenantError::NotAbortable);
    }
    run.take_source().await?;
    run.abort("by the operator").await
}
