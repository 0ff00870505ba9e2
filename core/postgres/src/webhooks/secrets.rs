//! Secrets, sealed: this crate cannot open them.

use crate::orders::timestamp;
use crate::{DatabaseError, TenantTx};
use souk_domain::{Timestamp, WebhookEndpointId};

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which of its endpoint: 1 for the first, one more with each rotation.
    pub generation: i32,
    /// The key of the configuration that opens it.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it signs; none while it is the newest.
    pub expires_at: Option<Timestamp>,
}

/// The endpoint's secrets that sign at `now`, the newest first.
pub async fn all(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    now: Timestamp,
) -> Result<Vec<SealedSecret>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        "SELECT generation, key_id, sealed, created_at, expires_at FROM souk.webhook_secrets \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3) \
         ORDER BY generation DESC",
        tenant,
        endpoint.as_uuid(),
        now.as_offset_date_time(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SealedSecret {
                generation: row.generation,
                key_id: row.key_id,
                sealed: row.sealed,
                created_at: timestamp(row.created_at)?,
                expires_at: row.expires_at.map(timestamp).transpose()?,
            })
        })
        .collect()
}

/// Writes the newest secret; the one that was the newest signs until `overlap_until`. The caller has the
/// endpoint's row locked, or has just made it.
pub async fn add(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    secret: &SealedSecret,
    overlap_until: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.webhook_secrets SET expires_at = $3 \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND expires_at IS NULL",
        tenant,
        endpoint.as_uuid(),
        overlap_until.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO souk.webhook_secrets \
             (tenant_id, endpoint_id, generation, key_id, sealed, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        endpoint.as_uuid(),
        secret.generation,
        secret.key_id,
        secret.sealed,
        secret.created_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets the endpoint's secrets that do not sign any more at `now`.
pub async fn remove_expired(
    tx: &mut TenantTx,
    endpoint: WebhookEndpointId,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "DELETE FROM souk.webhook_secrets \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND expires_at <= $3",
        tenant,
        endpoint.as_uuid(),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
