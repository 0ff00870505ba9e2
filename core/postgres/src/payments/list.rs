//! Lists of payments and of what belongs to them.

use super::rows::{AttemptRow, IntentRow, RefundRow};
use crate::{DatabaseError, TenantTx};
use souk_domain::PaymentIntentId;
use souk_domain::payment::{
    IntentStatus, PaymentAttempt, PaymentIntent, PaymentIntentFilter, Refund,
};
use sqlx::types::Json;
use uuid::Uuid;

/// One statement for each set of filters: a plan that is made once for all of them would walk through
/// all intents to find the few of one order.
macro_rules! list {
    ($condition:literal, $tx:expr, $before:expr, $limit:expr $(, $argument:expr)*) => {
        sqlx::query_scalar!(
            r#"SELECT to_jsonb(i) AS "intent!: Json<IntentRow>" FROM souk.payment_intents i
               WHERE i.tenant_id = $1 AND i.payment_intent_id < $2 "#
                + $condition
                + r#" ORDER BY i.payment_intent_id DESC LIMIT $3"#,
            $tx.tenant().as_uuid(),
            $before,
            $limit,
            $($argument),*
        )
        .fetch_all($tx.connection())
        .await?
    };
}

/// The newest `limit` intents that match `filter` and are older than `after`. Keyset: each page is one
/// range of an index.
pub async fn list(
    tx: &mut TenantTx,
    filter: &PaymentIntentFilter,
    after: Option<PaymentIntentId>,
    limit: u16,
) -> Result<Vec<PaymentIntent>, DatabaseError> {
    let before = after.map_or(Uuid::max(), |after| after.as_uuid());
    let limit = i64::from(limit);
    let order = filter.order.map(|order| order.as_uuid());
    let status = filter.status.as_ref().map(IntentStatus::as_str);
    let rows = match (order, status) {
        (None, None) => list!("", tx, before, limit),
        (Some(order), None) => list!("AND i.order_id = $4", tx, before, limit, order),
        (None, Some(status)) => list!("AND i.status = $4", tx, before, limit, status),
        (Some(order), Some(status)) => list!(
            "AND i.order_id = $4 AND i.status = $5",
            tx,
            before,
            limit,
            order,
            status
        ),
    };
    rows.into_iter().map(|row| row.0.try_into()).collect()
}

/// All attempts of the intent, the first first. There are at most
/// [`souk_domain::payment::ATTEMPTS_MAX`].
pub async fn attempts(
    tx: &mut TenantTx,
    intent: PaymentIntentId,
) -> Result<Vec<PaymentAttempt>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        r#"SELECT to_jsonb(a) AS "attempt!: Json<AttemptRow>" FROM souk.payment_attempts a
           WHERE a.tenant_id = $1 AND a.payment_intent_id = $2 ORDER BY a.number"#,
        tenant,
        intent.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| row.0.try_into()).collect()
}

/// All refunds of the intent, the first first.
pub async fn refunds_of(
    tx: &mut TenantTx,
    intent: PaymentIntentId,
) -> Result<Vec<Refund>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        r#"SELECT to_jsonb(r) AS "refund!: Json<RefundRow>" FROM souk.refunds r
           WHERE r.tenant_id = $1 AND r.payment_intent_id = $2 ORDER BY r.refund_id"#,
        tenant,
        intent.as_uuid(),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(|row| row.0.try_into()).collect()
}
