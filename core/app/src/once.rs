//! At most one effect for each idempotency key. Knows nothing of what the effect is.

use crate::{AppError, KeyReuse};
use souk_domain::{
    IDEMPOTENCY_KEY_TTL_HOURS, IdempotencyKey, Principal, RequestFingerprint, Timestamp,
};
use souk_postgres::idempotency::{self, Claim, ClaimedKey, KeyedRequest, StoredResponse};
use souk_postgres::{DatabaseError, TenantTx};

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
}

/// A key claimed in an open transaction.
#[derive(Debug)]
pub(crate) struct Claimed {
    key: ClaimedKey,
    expires_at: Timestamp,
}

/// What to do with a keyed command.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Have the effect.
    Act(Claimed),
    /// It was had; this was the answer.
    Replay(Answer),
}

/// Claims the key in `tx`, or finds the answer that it stands for.
pub(crate) async fn claim(
    tx: &mut TenantTx,
    principal: &Principal,
    once: &Once,
    now: Timestamp,
) -> Result<Turn, AppError> {
    let expires_at = now.plus(time::Duration::hours(IDEMPOTENCY_KEY_TTL_HOURS))?;
    let request = KeyedRequest {
        principal: principal.clone(),
        key: once.key.clone(),
        operation: once.operation,
        fingerprint: once.fingerprint,
    };
    match idempotency::claim(tx, &request, now, expires_at).await {
        Ok(Claim::Fresh(key)) => Ok(Turn::Act(Claimed { key, expires_at })),
        Ok(Claim::Finished(first)) if first.fingerprint == once.fingerprint => {
            let expires_at = first.expires_at;
            Ok(Turn::Replay(Answer {
                response: first.response,
                replayed: true,
                expires_at,
            }))
        }
        Ok(Claim::Finished(first)) => Err(AppError::KeyReused(Box::new(KeyReuse {
            operation: first.operation,
            resource_id: first.resource_id,
            first_used_at: first.created_at,
        }))),
        // The only lock that a claim waits for is the key's own row.
        Err(DatabaseError::Contended(_)) => Err(AppError::KeyInFlight),
        Err(error) => Err(error.into()),
    }
}

/// Writes the answer beside the effect; the caller commits both.
pub(crate) async fn finish(
    tx: &mut TenantTx,
    claimed: Claimed,
    resource_id: &str,
    response: StoredResponse,
) -> Result<Answer, AppError> {
    idempotency::finish(tx, claimed.key, Some(resource_id), &response).await?;
    Ok(Answer {
        response,
        replayed: false,
        expires_at: claimed.expires_at,
    })
}

/// Ends the transaction of a keyed command at once: commits a new effect, undoes everything else. A
/// transaction that is merely dropped would keep the key's row locked until its connection is used
/// again, which a frozen function may not do for long.
pub(crate) async fn settle(
    tx: TenantTx,
    outcome: Result<Answer, AppError>,
) -> Result<Answer, AppError> {
    match outcome {
        Ok(answer) if !answer.replayed => {
            tx.commit().await?;
            Ok(answer)
        }
        other => {
            if let Err(error) = tx.rollback().await {
                tracing::warn!(%error, "rollback failed; the server ends the transaction itself");
            }
            other
        }
    }
}
