//! What a process wants to know of an order's payments.

use crate::orders::timestamp;
use crate::{DatabaseError, TenantTx};
use souk_domain::process::{OperationFailures, PaymentFacts};
use souk_domain::{Currency, Money, OrderId, PaymentIntentId};

/// All payments of an order whose row this transaction has locked, and with it its payments, oldest
/// first.
pub async fn payments(
    tx: &mut TenantTx,
    order: OrderId,
) -> Result<Vec<PaymentFacts>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        r#"SELECT i.payment_intent_id, i.status, i.currency, i.capturable_minor, i.captured_minor,
               i.refunded_minor, i.refund_reserved_minor, i.disputed_minor,
               i.authorization_expires_at,
               EXISTS (SELECT FROM souk.provider_operations p
                       WHERE p.tenant_id = $1 AND p.payment_intent_id = i.payment_intent_id
                         AND p.status = 'pending' AND p.kind <> 'refund')
                   AS "operation_pending!",
               f.captures AS "failed_captures!", f.voids AS "failed_voids!",
               r.refunds AS "failed_refunds!",
               greatest(f.last_at, r.last_at) AS "last_failure_at?"
           FROM souk.payment_intents i
           CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE o.kind = 'capture') AS captures,
                      count(*) FILTER (WHERE o.kind = 'void') AS voids,
                      max(o.settled_at) AS last_at
               FROM souk.provider_operations o
               WHERE o.tenant_id = $1 AND o.payment_intent_id = i.payment_intent_id
                 AND o.status = 'failed' AND o.kind IN ('capture', 'void')
           ) f
           CROSS JOIN LATERAL (
               SELECT count(*) AS refunds, max(s.updated_at) AS last_at
               FROM souk.refunds s
               WHERE s.tenant_id = $1 AND s.payment_intent_id = i.payment_intent_id
                 AND s.status IN ('failed', 'canceled') AND s.origin = 'souk'
           ) r
           WHERE i.tenant_id = $1 AND i.order_id = $2
           ORDER BY i.payment_intent_id"#,
        tenant,
        order.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let currency: Currency = row
                .currency
                .parse()
                .map_err(|e| DatabaseError::corrupt("currency", e))?;
            let status = row.status.parse();
            let money = |minor| Money::new(minor, currency);
            let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
            Ok(PaymentFacts {
                intent: PaymentIntentId::from_uuid(row.payment_intent_id),
                status: status.map_err(|e| DatabaseError::corrupt("payment status", e))?,
                capturable: money(row.capturable_minor),
                captured: money(row.captured_minor),
                refunded: money(row.refunded_minor),
                refund_pending: money(row.refund_reserved_minor),
                disputed: money(row.disputed_minor),
                operation_pending: row.operation_pending,
                authorization_expires_at: row
                    .authorization_expires_at
                    .map(timestamp)
                    .transpose()?,
                failures: OperationFailures {
                    captures: count(row.failed_captures),
                    voids: count(row.failed_voids),
                    refunds: count(row.failed_refunds),
                    last_at: row.last_failure_at.map(timestamp).transpose()?,
                },
            })
        })
        .collect()
}
