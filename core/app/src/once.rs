//! At most one effect for each idempotency key, for commands that are done in one transaction. Knows
//! nothing of what the effect is. For commands that call other systems there is [`crate::phases`].

use crate::{AppError, Caller, KeyReuse, Tools};
use core::time::Duration;
use souk_domain::{IDEMPOTENCY_KEY_TTL_HOURS, IdempotencyKey, RequestFingerprint, Timestamp};
use souk_postgres::idempotency::{
    self, Claim, ClaimedKey, FinishedKey, KeyReport, KeyedRequest, StoredResponse,
};
use souk_postgres::{ConsistencyToken, TenantTx};

/// Nobody sees the lease of a record that is finished in the transaction that makes it.
const LEASE_OF_ONE_TRANSACTION: Duration = Duration::from_secs(10);

/// What makes a command repeatable: its key, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The client's name for the request.
    pub key: IdempotencyKey,
    /// Method and route, such as `POST /v1/orders`.
    pub operation: &'static str,
    /// What it asks for.
    pub fingerprint: RequestFingerprint,
}

/// The answer to a command, the first time or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status, headers and body.
    pub response: StoredResponse,
    /// Whether an earlier request had the effect.
    pub replayed: bool,
    /// Until when the key gives this answer.
    pub expires_at: Timestamp,
    /// What a reader needs to see the effect; none where that could not be found out.
    pub consistency: Option<ConsistencyToken>,
}

/// What a command has come to: the id of what was made or changed, and the answer.
pub(crate) struct Changed {
    pub(crate) resource_id: String,
    pub(crate) response: StoredResponse,
}

/// A key claimed in an open transaction.
#[derive(Debug)]
struct Claimed {
    key: Box<ClaimedKey>,
    now: Timestamp,
}

/// What to do with a keyed command.
#[derive(Debug)]
enum Turn {
    /// Have the effect.
    Act(Claimed),
    /// It was had; this was the answer.
    Replay(Answer),
}

impl Once {
    pub(crate) fn request(&self, caller: &Caller) -> KeyedRequest {
        KeyedRequest {
            principal: caller.principal.clone(),
            key: self.key.clone(),
            operation: self.operation,
            fingerprint: self.fingerprint,
        }
    }
}

/// Until when a key that is first used now is kept.
pub(crate) fn expiry(now: Timestamp) -> Result<Timestamp, AppError> {
    Ok(now.plus(time::Duration::hours(IDEMPOTENCY_KEY_TTL_HOURS))?)
}

/// The answer of an earlier request.
pub(crate) fn replay(finished: FinishedKey) -> Answer {
    Answer {
        response: finished.response,
        replayed: true,
        expires_at: finished.first_use.expires_at,
        consistency: None,
    }
}

/// Claims the key in `tx`, or finds the answer that it stands for.
async fn claim(
    tx: &mut TenantTx,
    caller: &Caller,
    once: &Once,
    now: Timestamp,
) -> Result<Turn, AppError> {
    let request = once.request(caller);
    let lease = LEASE_OF_ONE_TRANSACTION;
    match idempotency::claim(tx, &request, now, expiry(now)?, lease).await? {
        Claim::Begun(key) => Ok(Turn::Act(Claimed { key, now })),
        other @ (Claim::InFlight { .. } | Claim::Reused(_) | Claim::Finished(_)) => {
            turned_away(other).map(Turn::Replay)
        }
    }
}

/// The answer, or the reason for having none, of a key that is somebody else's.
pub(crate) fn turned_away(claim: Claim) -> Result<Answer, AppError> {
    match claim {
        Claim::Finished(finished) => Ok(replay(*finished)),
        Claim::Reused(first) => Err(AppError::KeyReused(Box::new(KeyReuse {
            operation: first.operation,
            resource_id: first.resource_id,
            first_used_at: first.created_at,
        }))),
        Claim::InFlight { retry_after_s } => Err(AppError::KeyInFlight { retry_after_s }),
        // The caller acts on this one itself; whoever forgets must not act twice.
        Claim::Begun(_) => Err(AppError::KeyInFlight { retry_after_s: 1 }),
    }
}

/// Adds to a replay what a reader needs to see the effect: who asks again may not have heard of the
/// first answer, and its token.
pub(crate) async fn told_again(tools: &Tools, caller: &Caller, answer: Answer) -> Answer {
    let token = match tools.db.home(caller.tenant).await {
        Ok(home) => home.token_now().await,
        Err(error) => Err(error),
    };
    let consistency = token
        .inspect_err(|error| tracing::debug!(%error, "a replay without a consistency token"))
        .ok();
    Answer {
        consistency,
        ..answer
    }
}

/// Writes the answer beside the effect.
async fn finish(
    tx: &mut TenantTx,
    claimed: Claimed,
    resource_id: &str,
    response: StoredResponse,
) -> Result<Answer, AppError> {
    let now = claimed.now;
    if !idempotency::finish(tx, &claimed.key, Some(resource_id), &response, now).await? {
        return Err(AppError::KeyInFlight { retry_after_s: 1 });
    }
    Ok(Answer {
        response,
        replayed: false,
        expires_at: claimed.key.expires_at,
        consistency: None,
    })
}

/// Lets `act` have its effect in one transaction with the idempotency record and the answer. What is
/// not a new effect is undone; a refusal that will not change is stored as the answer, as `refuse` says
/// it.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`], and refusals of `act` that
/// may change ([`AppError::is_final`]). None of them uses the key up.
pub(crate) async fn run_once(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    act: impl AsyncFnOnce(&mut TenantTx, Timestamp) -> Result<Changed, AppError>,
    refuse: impl FnOnce(&AppError) -> StoredResponse + Send,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let outcome = async {
        let claimed = match claim(&mut tx, caller, once, now).await? {
            Turn::Replay(answer) => return Ok(answer),
            Turn::Act(claimed) => claimed,
        };
        let changed = act(&mut tx, now).await?;
        finish(&mut tx, claimed, &changed.resource_id, changed.response).await
    }
    .await;
    match outcome {
        Ok(answer) if !answer.replayed => {
            let token = tx.commit_for_token().await?;
            Ok(Answer {
                consistency: Some(token),
                ..answer
            })
        }
        other => {
            // A transaction that is merely dropped would keep the key locked until the server notices.
            if let Err(error) = tx.rollback().await {
                tracing::warn!(%error, "rollback failed; the server ends the transaction itself");
            }
            match other {
                Err(error) if error.is_final() => {
                    record_refusal(tools, caller, once, refuse(&error)).await
                }
                Ok(answer) => Ok(told_again(tools, caller, answer).await),
                Err(error) => Err(error),
            }
        }
    }
}

/// Stores a refusal as the answer of the key: a repetition gets the same, whatever has changed since.
pub(crate) async fn record_refusal(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    response: StoredResponse,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let expires_at = expiry(now)?;
    let mut tx = tools.db.begin(caller.tenant).await?;
    let request = once.request(caller);
    match idempotency::record(&mut tx, &request, now, expires_at, &response).await? {
        Claim::Begun(_) => {
            let token = tx.commit_for_token().await?;
            Ok(Answer {
                response,
                replayed: false,
                expires_at,
                consistency: Some(token),
            })
        }
        other @ (Claim::InFlight { .. } | Claim::Reused(_) | Claim::Finished(_)) => {
            tx.rollback().await?;
            Ok(told_again(tools, caller, turned_away(other)?).await)
        }
    }
}

/// What became of the request that the caller has sent with `key`.
///
/// # Errors
/// [`AppError::KeyUnknown`] when nothing is known of it: it never arrived, has not committed anything
/// yet, or has expired. [`AppError::Database`].
pub async fn look_up_key(
    tools: &Tools,
    caller: &Caller,
    key: &IdempotencyKey,
) -> Result<KeyReport, AppError> {
    // Never from a replica: the question is asked by one who does not know what was written.
    let mut tx = tools
        .db
        .at_home(caller.tenant, |home| async move {
            home.begin_to_read(caller.tenant).await
        })
        .await?;
    let report = idempotency::look_up(&mut tx, &caller.principal, key, tools.clock.now()).await?;
    tx.commit().await?;
    report.ok_or(AppError::KeyUnknown)
}
