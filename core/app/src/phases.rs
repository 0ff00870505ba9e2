//! At most one effect for each idempotency key, for commands that call other systems on the way.
//!
//! Such a command is cut into phases. Each phase is a transaction that ends in a recovery point: a
//! name and what the next phase needs to know. Between two phases, while no transaction is open, the
//! command calls out, with a key of its own that is derived from what the recovery point keeps, so that
//! the other system has its effect once as well. When a process dies, the client's next try takes over
//! from the last recovery point. The one that was thought dead may still be running: its fencing token
//! is then too old, and nothing that it writes is committed.
//!
//! This module knows nothing of what the phases do.

use crate::once::{expiry, turned_away};
use crate::{Answer, AppError, Caller, Once, Tools};
use core::time::Duration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_postgres::TenantTx;
use souk_postgres::idempotency::{self, Claim, ClaimedKey, Progress, STARTED, StoredResponse};

/// A try at a command in phases: the right to go on, for as long as nobody has taken over.
#[derive(Debug)]
pub struct Attempt {
    claimed: Box<ClaimedKey>,
    lease: Duration,
}

/// What to do with a command in phases, while its transaction is still open where that saves one.
#[derive(Debug)]
pub enum Opening {
    /// Nothing was reached yet: the first phase can be written in the transaction of the claim, which is
    /// not there until that phase is committed.
    First(Attempt, TenantTx),
    /// Go on from the attempt's recovery point.
    GoOn(Attempt),
    /// It was answered.
    Replay(Answer),
}

/// What to do with a command in phases.
#[derive(Debug)]
pub enum Begin {
    /// Go on from the attempt's recovery point.
    GoOn(Attempt),
    /// It was answered.
    Replay(Answer),
}

/// Claims the key for `lease`, which is longer than any one phase with the calls after it may take.
///
/// # Errors
/// [`AppError::KeyInFlight`] while an earlier try has its lease, [`AppError::KeyReused`],
/// [`AppError::Database`].
pub async fn begin_attempt(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    lease: Duration,
) -> Result<Begin, AppError> {
    match open_attempt(tools, caller, once, lease).await? {
        Opening::First(attempt, tx) => {
            tx.commit().await?;
            Ok(Begin::GoOn(attempt))
        }
        Opening::GoOn(attempt) => Ok(Begin::GoOn(attempt)),
        Opening::Replay(answer) => Ok(Begin::Replay(answer)),
    }
}

/// As [`begin_attempt`], for a command whose first phase calls nobody before its end: that phase is then
/// written in the transaction of the claim. Another request with the key waits for that transaction, as
/// long as the database lets it, and is then told that the key is in flight.
///
/// # Errors
/// As [`begin_attempt`].
pub async fn open_attempt(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    lease: Duration,
) -> Result<Opening, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let request = once.request(caller);
    match idempotency::claim(&mut tx, &request, now, expiry(now)?, lease).await? {
        Claim::Begun(claimed) => {
            let attempt = Attempt { claimed, lease };
            if attempt.recovery_point().is_none() {
                return Ok(Opening::First(attempt, tx));
            }
            tx.commit().await?;
            Ok(Opening::GoOn(attempt))
        }
        other @ (Claim::InFlight { .. } | Claim::Reused(_) | Claim::Finished(_)) => {
            tx.rollback().await?;
            turned_away(other).map(Opening::Replay)
        }
    }
}

impl Attempt {
    /// The last recovery point, of this or an earlier try; none at the very beginning.
    pub fn recovery_point(&self) -> Option<&str> {
        let point = self.claimed.recovery_point.as_str();
        (point != STARTED).then_some(point)
    }

    /// What was kept with it.
    ///
    /// # Errors
    /// [`AppError::RecoveryState`] when it is not of this form.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, AppError> {
        let state = self.claimed.state.clone().unwrap_or_default();
        serde_json::from_value(state).map_err(AppError::RecoveryState)
    }

    /// The number of this try, from 1.
    pub const fn fencing_token(&self) -> i64 {
        self.claimed.fencing_token()
    }

    /// Ends a phase: commits `tx` with the recovery point, and renews the lease.
    ///
    /// # Errors
    /// [`AppError::KeyInFlight`] when another try has taken over: nothing of `tx` is kept, and this try
    /// must stop. [`AppError::Database`]; after [`souk_postgres::DatabaseError::Unavailable`] it is not
    /// known whether the phase has ended, and this try must stop as well.
    pub async fn reach<T: Serialize + Sync>(
        &mut self,
        mut tx: TenantTx,
        recovery_point: &'static str,
        state: &T,
        resource_id: Option<&str>,
    ) -> Result<(), AppError> {
        let state = serde_json::to_value(state).map_err(AppError::RecoveryState)?;
        let progress = Progress {
            recovery_point,
            state: &state,
            resource_id,
        };
        let kept = idempotency::advance(&mut tx, &self.claimed, &progress, self.lease).await?;
        if !kept {
            tx.rollback().await?;
            return Err(AppError::KeyInFlight { retry_after_s: 1 });
        }
        tx.commit().await?;
        recovery_point.clone_into(&mut self.claimed.recovery_point);
        self.claimed.state = Some(state);
        Ok(())
    }

    /// Ends the last phase: commits `tx` with the answer.
    ///
    /// # Errors
    /// As [`Attempt::reach`].
    pub async fn finish(
        self,
        tools: &Tools,
        mut tx: TenantTx,
        resource_id: Option<&str>,
        response: StoredResponse,
    ) -> Result<Answer, AppError> {
        let now = tools.clock.now();
        if !idempotency::finish(&mut tx, &self.claimed, resource_id, &response, now).await? {
            tx.rollback().await?;
            return Err(AppError::KeyInFlight { retry_after_s: 1 });
        }
        let token = tx.commit_for_token().await?;
        Ok(Answer {
            response,
            replayed: false,
            expires_at: self.claimed.expires_at,
            consistency: Some(token),
        })
    }

    /// Lets the next try begin at once, when this one stops for a reason that may pass. What was
    /// reached stays. Best effort: else the lease ends by itself.
    pub async fn stop(self, tools: &Tools, caller: &Caller) {
        let released = async {
            let mut tx = tools.db.begin(caller.tenant).await?;
            idempotency::release(&mut tx, &self.claimed).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            tracing::warn!(%error, "the lease of an idempotency key ends by itself");
        }
    }
}
