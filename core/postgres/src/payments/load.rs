//! One payment.

use super::rows::{IntentRow, OperationRow, PaymentRow, RefundRow};
use crate::{DatabaseError, TenantTx};
use souk_domain::payment::{Payment, PaymentIntent, ProviderOperation, ProviderPaymentId, Refund};
use souk_domain::{OrderId, PaymentIntentId, ProviderOperationId, RefundId};
use sqlx::types::Json;

/// Locks the payments of the order that the intent `id` pays, until the transaction ends: its row is
/// their lock. Returns the order, if this tenant has such an intent.
pub async fn lock(
    tx: &mut TenantTx,
    id: PaymentIntentId,
) -> Result<Option<OrderId>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let order = sqlx::query_scalar!(
        "SELECT o.order_id FROM souk.orders o \
         WHERE o.tenant_id = $1 AND o.order_id = \
             (SELECT i.order_id FROM souk.payment_intents i \
              WHERE i.tenant_id = $1 AND i.payment_intent_id = $2) \
         FOR UPDATE OF o",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(order.map(OrderId::from_uuid))
}

/// The payment, if this tenant has it, with its last attempt, its pending operations and its refunds.
/// One statement. Who wants to change it has called [`lock`] before, in a statement of its own: one
/// that waits for a lock still sees the rest as it was when it began to wait.
pub async fn load(
    tx: &mut TenantTx,
    id: PaymentIntentId,
) -> Result<Option<Payment>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT jsonb_build_object(
               'intent', to_jsonb(i),
               'attempt', (SELECT to_jsonb(a) FROM souk.payment_attempts a
                           WHERE a.tenant_id = $1 AND a.payment_intent_id = $2
                           ORDER BY a.number DESC LIMIT 1),
               'operations', (SELECT jsonb_agg(to_jsonb(o) ORDER BY o.position)
                              FROM souk.provider_operations o
                              WHERE o.tenant_id = $1 AND o.payment_intent_id = $2
                                AND o.status = 'pending'),
               'refunds', (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.refund_id)
                           FROM souk.refunds r
                           WHERE r.tenant_id = $1 AND r.payment_intent_id = $2)
           ) AS "payment!: Json<PaymentRow>"
           FROM souk.payment_intents i
           WHERE i.tenant_id = $1 AND i.payment_intent_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}

/// The intent alone, if this tenant has it.
pub async fn load_intent(
    tx: &mut TenantTx,
    id: PaymentIntentId,
) -> Result<Option<PaymentIntent>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT to_jsonb(i) AS "intent!: Json<IntentRow>" FROM souk.payment_intents i
           WHERE i.tenant_id = $1 AND i.payment_intent_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}

/// All intents of the order, the oldest first: at most one of them is not canceled.
pub async fn of_order(
    tx: &mut TenantTx,
    order: OrderId,
) -> Result<Vec<PaymentIntent>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        r#"SELECT to_jsonb(i) AS "intent!: Json<IntentRow>" FROM souk.payment_intents i
           WHERE i.tenant_id = $1 AND i.order_id = $2 ORDER BY i.payment_intent_id"#,
        tenant,
        order.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| row.0.try_into()).collect()
}

/// The intent that the PSP's payment `id` pays, if one is known to.
pub async fn by_provider_payment(
    tx: &mut TenantTx,
    id: &ProviderPaymentId,
) -> Result<Option<PaymentIntentId>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let intent = sqlx::query_scalar!(
        "SELECT payment_intent_id FROM souk.payment_intents \
         WHERE tenant_id = $1 AND provider_payment_id = $2",
        tenant,
        id.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(intent.map(PaymentIntentId::from_uuid))
}

/// The operation, if this tenant has it.
pub async fn load_operation(
    tx: &mut TenantTx,
    id: ProviderOperationId,
) -> Result<Option<ProviderOperation>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT to_jsonb(o) AS "operation!: Json<OperationRow>" FROM souk.provider_operations o
           WHERE o.tenant_id = $1 AND o.operation_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}

/// At which payment the operation is wanted, if this tenant has it.
pub async fn find_operation(
    tx: &mut TenantTx,
    id: ProviderOperationId,
) -> Result<Option<PaymentIntentId>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let intent = sqlx::query_scalar!(
        "SELECT payment_intent_id FROM souk.provider_operations \
         WHERE tenant_id = $1 AND operation_id = $2",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(intent.map(PaymentIntentId::from_uuid))
}

/// The refund, if this tenant has it.
pub async fn load_refund(tx: &mut TenantTx, id: RefundId) -> Result<Option<Refund>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_scalar!(
        r#"SELECT to_jsonb(r) AS "refund!: Json<RefundRow>" FROM souk.refunds r
           WHERE r.tenant_id = $1 AND r.refund_id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row.0.try_into()).transpose()
}
