//! Idempotency records: who claimed a key for which request, and what was answered.
//!
//! A record is written in the transaction of the effect that it guards, so the two cannot part. This
//! module knows nothing of what the effect is.

use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::{IdempotencyKey, Principal, RequestFingerprint, Timestamp};
use std::collections::BTreeMap;

/// A request that is to have its effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// Who asks. The scope of the key, with the tenant.
    pub principal: Principal,
    /// The client's name for the request.
    pub key: IdempotencyKey,
    /// Method and route, such as `POST /v1/orders`.
    pub operation: &'static str,
    /// What it asks for.
    pub fingerprint: RequestFingerprint,
}

/// An answer, as it is stored and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status code.
    pub status: u16,
    /// Header fields that belong to the answer itself, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// What a finished record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedKey {
    /// The operation that used the key first.
    pub operation: String,
    /// What that first request asked for.
    pub fingerprint: RequestFingerprint,
    /// The resource it made or changed.
    pub resource_id: Option<String>,
    /// What it was answered.
    pub response: StoredResponse,
    /// When it was first used.
    pub created_at: Timestamp,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// The right to have the effect: proof that this transaction holds the key's row.
#[derive(Debug)]
pub struct ClaimedKey {
    principal: Principal,
    key: IdempotencyKey,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// This transaction is the one to have the effect. Others with the key wait for its end.
    Fresh(ClaimedKey),
    /// An earlier request has finished under this key.
    Finished(Box<FinishedKey>),
}

/// Claims the key until `expires_at`, or finds who had it before.
///
/// While another transaction has claimed it and not ended, this waits up to
/// [`crate::LOCK_TIMEOUT_MS`] and fails with [`DatabaseError::Contended`]: the first try is still
/// running. A record past its expiry counts as absent.
pub async fn claim(
    tx: &mut TenantTx,
    request: &KeyedRequest,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Claim, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let fresh = sqlx::query_scalar!(
        "INSERT INTO souk.idempotency_keys AS k \
             (tenant_id, principal, key, operation, fingerprint, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO UPDATE \
         SET operation = excluded.operation, fingerprint = excluded.fingerprint, \
             resource_id = NULL, response_status = NULL, response_headers = NULL, \
             response_body = NULL, created_at = excluded.created_at, expires_at = excluded.expires_at \
         WHERE k.expires_at <= excluded.created_at \
         RETURNING true",
        tenant,
        request.principal.as_str(),
        request.key.as_str(),
        request.operation,
        request.fingerprint.as_bytes().as_slice(),
        now.as_offset_date_time(),
        expires_at.as_offset_date_time(),
    )
    .fetch_optional(tx.connection())
    .await?;
    if fresh.is_some() {
        let claimed = ClaimedKey {
            principal: request.principal.clone(),
            key: request.key.clone(),
        };
        return Ok(Claim::Fresh(claimed));
    }
    load(tx, request)
        .await
        .map(|finished| Claim::Finished(Box::new(finished)))
}

async fn load(tx: &mut TenantTx, request: &KeyedRequest) -> Result<FinishedKey, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        r#"SELECT operation, fingerprint, resource_id, response_status AS "status!",
               response_headers AS "headers!: sqlx::types::Json<BTreeMap<String, String>>",
               response_body AS "body!", created_at, expires_at
           FROM souk.idempotency_keys WHERE tenant_id = $1 AND principal = $2 AND key = $3"#,
        tenant,
        request.principal.as_str(),
        request.key.as_str(),
    )
    .fetch_one(tx.connection())
    .await?;
    let fingerprint = <[u8; 32]>::try_from(row.fingerprint.as_slice())
        .map_err(|e| DatabaseError::corrupt("fingerprint", e))?;
    Ok(FinishedKey {
        operation: row.operation,
        fingerprint: RequestFingerprint::from_bytes(fingerprint),
        resource_id: row.resource_id,
        response: StoredResponse {
            status: u16::try_from(row.status)
                .map_err(|e| DatabaseError::corrupt("response status", e))?,
            headers: row.headers.0,
            body: row.body,
        },
        created_at: timestamp(row.created_at)?,
        expires_at: timestamp(row.expires_at)?,
    })
}

/// Writes the answer beside the effect. Consumes the claim: a key is finished once.
pub async fn finish(
    tx: &mut TenantTx,
    claimed: ClaimedKey,
    resource_id: Option<&str>,
    response: &StoredResponse,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let headers = serde_json::to_value(&response.headers)
        .map_err(|e| DatabaseError::corrupt("response header", e))?;
    sqlx::query!(
        "UPDATE souk.idempotency_keys \
         SET resource_id = $4, response_status = $5, response_headers = $6, response_body = $7 \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3",
        tenant,
        claimed.principal.as_str(),
        claimed.key.as_str(),
        resource_id,
        to_column::<i16>(response.status, "a status")?,
        headers,
        response.body,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
