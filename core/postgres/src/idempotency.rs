//! Idempotency records: who works on a request with a key, how far it has come, and what was answered.
//!
//! This module knows nothing of what the requests do. A record is finished in the transaction of its
//! effect, so the two cannot part. An operation that must leave its transaction, to call another
//! system, commits recovery points on the way; whoever holds the record's lease goes on from the last
//! one. The lease is by the database's clock; its fencing token rises with each change of hands, and
//! what is written under an older token changes nothing.

use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use core::time::Duration;
use souk_domain::{IdempotencyKey, Principal, RequestFingerprint, Timestamp};
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;
use std::collections::BTreeMap;
use time::Date;

/// The recovery point of an operation that has just been claimed.
pub const STARTED: &str = "started";

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

/// When and for what a key was first used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// The operation that used the key first.
    pub operation: String,
    /// The resource it made or changed, once that is known.
    pub resource_id: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// Until when the record is kept.
    pub expires_at: Timestamp,
}

/// What a finished record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedKey {
    /// Its first use.
    pub first_use: FirstUse,
    /// What it was answered.
    pub response: StoredResponse,
}

/// The right to go on with an operation, for as long as nobody has taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedKey {
    principal: Principal,
    key: IdempotencyKey,
    created_on: Date,
    fencing_token: i64,
    /// How far earlier tries have come; [`STARTED`] at first.
    pub recovery_point: String,
    /// What they have left for the next one.
    pub state: Option<serde_json::Value>,
    /// Until when the record is kept.
    pub expires_at: Timestamp,
}

impl ClaimedKey {
    /// The number of this try: raised by each takeover.
    pub const fn fencing_token(&self) -> i64 {
        self.fencing_token
    }
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The caller is the one to go on.
    Begun(Box<ClaimedKey>),
    /// An earlier try is still running. Its lease ends by then, at the latest.
    InFlight {
        /// Seconds, at least 1.
        retry_after_s: u32,
    },
    /// The key belongs to another request.
    Reused(Box<FirstUse>),
    /// The request has been answered.
    Finished(Box<FinishedKey>),
}

/// Claims the key until `expires_at`, with a lease of `lease`, or finds who has it.
///
/// While another transaction is just claiming it, this waits up to [`crate::LOCK_TIMEOUT_MS`] before
/// it says that the first try is running. A record past its expiry counts as absent.
pub async fn claim(
    tx: &mut TenantTx,
    request: &KeyedRequest,
    now: Timestamp,
    expires_at: Timestamp,
    lease: Duration,
) -> Result<Claim, DatabaseError> {
    claim_with(tx, request, now, expires_at, lease, None).await
}

/// Claims the key and finishes it at once with `response`, unless it is somebody else's. Afterwards a
/// [`Claim::Begun`] has nothing left to do.
pub async fn record(
    tx: &mut TenantTx,
    request: &KeyedRequest,
    now: Timestamp,
    expires_at: Timestamp,
    response: &StoredResponse,
) -> Result<Claim, DatabaseError> {
    claim_with(tx, request, now, expires_at, Duration::ZERO, Some(response)).await
}

#[allow(
    clippy::too_many_arguments,
    reason = "two functions in one, each with five"
)]
async fn claim_with(
    tx: &mut TenantTx,
    request: &KeyedRequest,
    now: Timestamp,
    expires_at: Timestamp,
    lease: Duration,
    response: Option<&StoredResponse>,
) -> Result<Claim, DatabaseError> {
    let columns = response.map(ResponseColumns::new).transpose()?;
    let columns = columns.as_ref();
    let row = sqlx::query_as!(
        ClaimRow,
        r#"SELECT c.verdict AS "verdict!", (c.key_record).created_on,
               (c.key_record).fencing_token, (c.key_record).recovery_point, (c.key_record).state,
               (c.key_record).operation, (c.key_record).resource_id,
               (c.key_record).response_status,
               (c.key_record).response_headers AS "response_headers: Json<BTreeMap<String, String>>",
               (c.key_record).response_body, (c.key_record).created_at,
               (c.key_record).expires_at,
               ceil(extract(epoch FROM (c.key_record).lease_expires_at - clock_timestamp()))::int
                   AS lease_s
           FROM souk.claim_idempotency_key($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9, $10) AS c"#,
        request.principal.as_str(),
        request.key.as_str(),
        request.operation,
        request.fingerprint.as_bytes().as_slice(),
        now.as_offset_date_time(),
        expires_at.as_offset_date_time(),
        interval(lease)?,
        columns.map(|c| c.status),
        columns.map(|c| c.headers.clone()),
        columns.map(|c| c.body),
    )
    .fetch_one(tx.connection())
    .await?;
    row.into_claim(request)
}

/// A row of `souk.claim_idempotency_key`, or of a function that answers with its result.
#[derive(Debug)]
pub(crate) struct ClaimRow {
    pub(crate) verdict: String,
    pub(crate) created_on: Option<Date>,
    pub(crate) fencing_token: Option<i64>,
    pub(crate) recovery_point: Option<String>,
    pub(crate) state: Option<serde_json::Value>,
    pub(crate) operation: Option<String>,
    pub(crate) resource_id: Option<String>,
    pub(crate) response_status: Option<i16>,
    pub(crate) response_headers: Option<Json<BTreeMap<String, String>>>,
    pub(crate) response_body: Option<Vec<u8>>,
    pub(crate) created_at: Option<time::OffsetDateTime>,
    pub(crate) expires_at: Option<time::OffsetDateTime>,
    pub(crate) lease_s: Option<i32>,
}

impl ClaimRow {
    pub(crate) fn into_claim(self, request: &KeyedRequest) -> Result<Claim, DatabaseError> {
        match self.verdict.as_str() {
            "in_flight" => {
                let left_s = self.lease_s.unwrap_or(1).max(1);
                let retry_after_s = u32::try_from(left_s).unwrap_or(1);
                Ok(Claim::InFlight { retry_after_s })
            }
            "reused" => Ok(Claim::Reused(Box::new(self.first_use()?))),
            "finished" => {
                let first_use = self.first_use()?;
                let response = StoredResponse {
                    status: present(self.response_status)?
                        .try_into()
                        .map_err(|e| DatabaseError::corrupt("response status", e))?,
                    headers: present(self.response_headers)?.0,
                    body: present(self.response_body)?,
                };
                Ok(Claim::Finished(Box::new(FinishedKey {
                    first_use,
                    response,
                })))
            }
            _ => Ok(Claim::Begun(Box::new(ClaimedKey {
                principal: request.principal.clone(),
                key: request.key.clone(),
                created_on: present(self.created_on)?,
                fencing_token: present(self.fencing_token)?,
                recovery_point: present(self.recovery_point)?,
                state: self.state,
                expires_at: timestamp(present(self.expires_at)?)?,
            }))),
        }
    }

    fn first_use(&self) -> Result<FirstUse, DatabaseError> {
        Ok(FirstUse {
            operation: present(self.operation.clone())?,
            resource_id: self.resource_id.clone(),
            created_at: timestamp(present(self.created_at)?)?,
            expires_at: timestamp(present(self.expires_at)?)?,
        })
    }
}

/// A column that each record has.
fn present<T>(column: Option<T>) -> Result<T, DatabaseError> {
    column.ok_or(DatabaseError::OutOfRange {
        what: "an idempotency record without a value",
    })
}

/// A response as columns take it.
pub(crate) struct ResponseColumns<'a> {
    pub(crate) status: i16,
    pub(crate) headers: serde_json::Value,
    pub(crate) body: &'a [u8],
}

impl<'a> ResponseColumns<'a> {
    pub(crate) fn new(response: &'a StoredResponse) -> Result<Self, DatabaseError> {
        Ok(Self {
            status: to_column::<i16>(response.status, "a status")?,
            headers: serde_json::to_value(&response.headers)
                .map_err(|e| DatabaseError::corrupt("response header", e))?,
            body: &response.body,
        })
    }
}

fn interval(of: Duration) -> Result<PgInterval, DatabaseError> {
    PgInterval::try_from(of).map_err(|_| DatabaseError::OutOfRange { what: "a lease" })
}

/// How far an operation has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// The name of the point, in `snake_case`.
    pub recovery_point: &'a str,
    /// What is needed to go on from it.
    pub state: &'a serde_json::Value,
    /// The resource that the operation makes or changes, once that is known.
    pub resource_id: Option<&'a str>,
}

/// Writes down how far the operation has come, in the transaction of what it has done to get there,
/// and renews the lease. False when somebody else has taken over or finished: then nothing of this
/// transaction may be committed.
pub async fn advance(
    tx: &mut TenantTx,
    claimed: &ClaimedKey,
    progress: &Progress<'_>,
    lease: Duration,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let done = sqlx::query!(
        "UPDATE souk.idempotency_keys \
         SET recovery_point = $6, state = $7, resource_id = coalesce($8, resource_id), \
             lease_expires_at = clock_timestamp() + $9 \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND created_on = $4 \
           AND fencing_token = $5 AND finished_at IS NULL",
        tenant,
        claimed.principal.as_str(),
        claimed.key.as_str(),
        claimed.created_on,
        claimed.fencing_token,
        progress.recovery_point,
        progress.state,
        progress.resource_id,
        interval(lease)?,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes the answer beside the effect. False when somebody else has taken over or finished: then
/// nothing of this transaction may be committed.
pub async fn finish(
    tx: &mut TenantTx,
    claimed: &ClaimedKey,
    resource_id: Option<&str>,
    response: &StoredResponse,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let columns = ResponseColumns::new(response)?;
    let done = sqlx::query!(
        "UPDATE souk.idempotency_keys \
         SET recovery_point = 'finished', state = NULL, lease_expires_at = NULL, finished_at = $6, \
             resource_id = coalesce($7, resource_id), response_status = $8, \
             response_headers = $9, response_body = $10 \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND created_on = $4 \
           AND fencing_token = $5 AND finished_at IS NULL",
        tenant,
        claimed.principal.as_str(),
        claimed.key.as_str(),
        claimed.created_on,
        claimed.fencing_token,
        now.as_offset_date_time(),
        resource_id,
        columns.status,
        columns.headers,
        columns.body,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the lease, so that the next try need not wait for it. The recovery point stays.
pub async fn release(tx: &mut TenantTx, claimed: &ClaimedKey) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.idempotency_keys SET lease_expires_at = clock_timestamp() \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND created_on = $4 \
           AND fencing_token = $5 AND finished_at IS NULL",
        tenant,
        claimed.principal.as_str(),
        claimed.key.as_str(),
        claimed.created_on,
        claimed.fencing_token,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// Its first use.
    pub first_use: FirstUse,
    /// How far it has come; `finished` in the end.
    pub recovery_point: String,
    /// What was answered, if it was.
    pub response_status: Option<u16>,
    /// When it was finished, if it is.
    pub finished_at: Option<Timestamp>,
}

/// What became of the request that `principal` has sent with `key`, if it is known. A request that
/// has not committed anything yet is not.
pub async fn look_up(
    tx: &mut TenantTx,
    principal: &Principal,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<KeyReport>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        "SELECT operation, resource_id, recovery_point, response_status, created_at, expires_at, \
             finished_at \
         FROM souk.idempotency_keys \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND expires_at > $4 \
           AND created_on BETWEEN ($4 AT TIME ZONE 'UTC')::date - 1 \
               AND ($4 AT TIME ZONE 'UTC')::date + 1 \
         ORDER BY created_on DESC LIMIT 1",
        tenant,
        principal.as_str(),
        key.as_str(),
        now.as_offset_date_time(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| {
        Ok(KeyReport {
            first_use: FirstUse {
                operation: row.operation,
                resource_id: row.resource_id,
                created_at: timestamp(row.created_at)?,
                expires_at: timestamp(row.expires_at)?,
            },
            recovery_point: row.recovery_point,
            response_status: row
                .response_status
                .map(u16::try_from)
                .transpose()
                .map_err(|e| DatabaseError::corrupt("response status", e))?,
            finished_at: row.finished_at.map(timestamp).transpose()?,
        })
    })
    .transpose()
}
