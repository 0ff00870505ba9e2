//! The inbox: which events a consumer has applied.

use crate::{DatabaseError, TenantTx};
use souk_domain::EventId;

/// Notes that `consumer` applies the event in this transaction. Returns false when it has done so
/// before; a concurrent first delivery of the same event is waited for.
pub async fn accept(
    tx: &mut TenantTx,
    consumer: &'static str,
    event: EventId,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let inserted = sqlx::query!(
        "INSERT INTO souk.inbox_messages (tenant_id, consumer, event_id) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT inbox_messages_pkey DO NOTHING",
        tenant,
        consumer,
        event.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(inserted.rows_affected() == 1)
}
