//! Disputes.

use super::rows::DisputeRow;
use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::payment::Dispute;
use souk_domain::{DisputeId, PaymentIntentId};
use sqlx::types::Json;
use uuid::Uuid;

/// The dispute, if this tenant has it.
pub async fn dispute(tx: &mut TenantTx, id: DisputeId) -> Result<Option<Dispute>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT to_jsonb(d) AS "dispute!: Json<DisputeRow>" FROM souk.disputes d
           WHERE d.tenant_id = $1 AND d.dispute_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}

/// The dispute by the PSP's id of it, if it is known.
pub async fn find_dispute(tx: &mut TenantTx, id: &str) -> Result<Option<Dispute>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT to_jsonb(d) AS "dispute!: Json<DisputeRow>" FROM souk.disputes d
           WHERE d.tenant_id = $1 AND d.provider_dispute_id = $2"#,
        tenant,
        id,
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}

/// All disputes of a payment.
pub async fn disputes_of(
    tx: &mut TenantTx,
    intent: PaymentIntentId,
) -> Result<Vec<Dispute>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        r#"SELECT to_jsonb(d) AS "dispute!: Json<DisputeRow>" FROM souk.disputes d
           WHERE d.tenant_id = $1 AND d.payment_intent_id = $2 ORDER BY d.dispute_id"#,
        tenant,
        intent.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| row.0.try_into()).collect()
}

/// The newest `limit` disputes that are older than `after`.
pub async fn disputes(
    tx: &mut TenantTx,
    after: Option<DisputeId>,
    limit: u16,
) -> Result<Vec<Dispute>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let before = after.map_or(Uuid::max(), |after| after.as_uuid());
    let rows = sqlx::query_scalar!(
        r#"SELECT to_jsonb(d) AS "dispute!: Json<DisputeRow>" FROM souk.disputes d
           WHERE d.tenant_id = $1 AND d.dispute_id < $2 ORDER BY d.dispute_id DESC LIMIT $3"#,
        tenant,
        before,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| row.0.try_into()).collect()
}

/// Writes a dispute. The caller has called [`super::lock`].
pub async fn save_dispute(tx: &mut TenantTx, dispute: &Dispute) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.disputes AS d (tenant_id, dispute_id, payment_intent_id, order_id, \
             provider_dispute_id, status, currency, amount_minor, withdrawn_minor, reinstated, \
             reason, version, opened_at, closed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT ON CONSTRAINT disputes_pkey DO UPDATE \
         SET status = excluded.status, withdrawn_minor = excluded.withdrawn_minor, \
             reinstated = excluded.reinstated, version = excluded.version, \
             closed_at = excluded.closed_at",
        tenant,
        dispute.id.as_uuid(),
        dispute.intent.as_uuid(),
        dispute.order.as_uuid(),
        dispute.provider_dispute,
        dispute.status.as_str(),
        dispute.amount.currency().code(),
        dispute.amount.amount_minor(),
        dispute.withdrawn.amount_minor(),
        dispute.reinstated,
        dispute.reason,
        to_column::<i64>(dispute.version, "a version")?,
        dispute.opened_at.as_offset_date_time(),
        dispute.closed_at.map(|at| at.as_offset_date_time()),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
