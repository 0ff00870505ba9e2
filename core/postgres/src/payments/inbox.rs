//! The inbox of what the PSP tells.

use crate::{DatabaseError, TenantTx};
use souk_domain::Timestamp;

/// Notes that the PSP's event `id` has its effect in this transaction. False when it had it before; a
/// concurrent first delivery is waited for.
pub async fn accept(
    tx: &mut TenantTx,
    id: &str,
    kind: &str,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let inserted = sqlx::query!(
        "INSERT INTO souk.provider_events (tenant_id, provider_event_id, kind, received_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT provider_events_pkey DO NOTHING",
        tenant,
        id,
        kind,
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Whether the PSP's event `id` had its effect.
pub async fn is_accepted(tx: &mut TenantTx, id: &str) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM souk.provider_events
                          WHERE tenant_id = $1 AND provider_event_id = $2) AS "found!""#,
        tenant,
        id,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}
