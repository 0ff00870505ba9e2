//! Writes payments.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::Timestamp;
use souk_domain::payment::{
    Payment, PaymentAttempt, PaymentIntent, PaymentMethodToken, ProviderFailure, ProviderOperation,
    ProviderPaymentId, Reason, Refund,
};
use time::OffsetDateTime;

/// How long an operation that has just been decided is left to the one who decided it: longer than
/// any call of the PSP takes, with its retries.
const FIRST_TRY_S: f64 = 60.0;
/// The first wait after a try with an unknown outcome; it doubles with each.
const RETRY_BASE_S: f64 = 5.0;
/// The longest wait between two tries.
const RETRY_MAX_S: f64 = 3_600.0;

/// Writes a payment that is new. The caller has locked the order's row.
///
/// # Errors
/// [`DatabaseError::Constraint`] with `payment_intents_one_alive_idx` where the order has an intent that
/// is not canceled.
pub async fn insert(tx: &mut TenantTx, payment: &Payment) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let intent = &payment.intent;
    sqlx::query!(
        "INSERT INTO souk.payment_intents (tenant_id, payment_intent_id, order_id, status, \
             capture_method, currency, amount_minor, payment_method, version, created_at, \
             updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        tenant,
        intent.id.as_uuid(),
        intent.order.as_uuid(),
        intent.status.as_str(),
        intent.capture_method.as_str(),
        intent.amount.currency().code(),
        intent.amount.amount_minor(),
        intent
            .payment_method
            .as_ref()
            .map(PaymentMethodToken::as_str),
        to_column::<i64>(intent.version, "a version")?,
        intent.created_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    write_parts(tx, None, payment, intent.created_at).await
}

/// Writes what differs between `before` and `after`. The caller has called [`super::lock`].
pub async fn update(
    tx: &mut TenantTx,
    before: &Payment,
    after: &Payment,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    if before.intent != after.intent {
        update_intent(tx, &after.intent).await?;
    }
    write_parts(tx, Some(before), after, now).await
}

async fn write_parts(
    tx: &mut TenantTx,
    before: Option<&Payment>,
    after: &Payment,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    if let Some(attempt) = &after.attempt
        && before.is_none_or(|before| before.attempt != after.attempt)
    {
        write_attempt(tx, &after.intent, attempt).await?;
    }
    for operation in &after.operations {
        let was = before.and_then(|b| b.operations.iter().find(|o| o.id == operation.id));
        if was != Some(operation) {
            write_operation(tx, operation, now).await?;
        }
    }
    for refund in &after.refunds {
        let was = before.and_then(|b| b.refunds.iter().find(|r| r.id == refund.id));
        if was != Some(refund) {
            write_refund(tx, refund).await?;
        }
    }
    Ok(())
}

async fn update_intent(tx: &mut TenantTx, intent: &PaymentIntent) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.payment_intents \
         SET status = $3, capturable_minor = $4, captured_minor = $5, refunded_minor = $6, \
             refund_reserved_minor = $7, disputed_minor = $8, captures = $9, payment_method = $10, \
             provider_payment_id = $11, next_action = $12, failure = $13, reason = $14, \
             cancel_reason = $15, version = $16, updated_at = $17, authorized_at = $18, \
             authorization_expires_at = $19, paid_at = $20, canceled_at = $21, due_at = $22 \
         WHERE tenant_id = $1 AND payment_intent_id = $2",
        tenant,
        intent.id.as_uuid(),
        intent.status.as_str(),
        intent.capturable.amount_minor(),
        intent.captured.amount_minor(),
        intent.refunded.amount_minor(),
        intent.refund_reserved.amount_minor(),
        intent.disputed.amount_minor(),
        to_column::<i16>(intent.captures, "a number of captures")?,
        intent
            .payment_method
            .as_ref()
            .map(PaymentMethodToken::as_str),
        intent
            .provider_payment
            .as_ref()
            .map(ProviderPaymentId::as_str),
        intent.next_action.as_ref().map(json).transpose()?,
        failure(intent.failure.as_ref())?,
        intent.reason,
        intent.cancel_reason.as_ref().map(Reason::as_str),
        to_column::<i64>(intent.version, "a version")?,
        intent.updated_at.as_offset_date_time(),
        column(intent.authorized_at),
        column(intent.authorization_expires_at),
        column(intent.paid_at),
        column(intent.canceled_at),
        column(intent.due_at),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn write_attempt(
    tx: &mut TenantTx,
    intent: &PaymentIntent,
    attempt: &PaymentAttempt,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.payment_attempts AS a (tenant_id, payment_attempt_id, \
             payment_intent_id, number, status, payment_method, operation_id, failure, created_at, \
             updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT ON CONSTRAINT payment_attempts_pkey DO UPDATE \
         SET status = excluded.status, failure = excluded.failure, \
             updated_at = excluded.updated_at",
        tenant,
        attempt.id.as_uuid(),
        intent.id.as_uuid(),
        to_column::<i16>(attempt.number, "a number of attempts")?,
        attempt.status.as_str(),
        attempt.payment_method.as_str(),
        attempt.operation.as_uuid(),
        failure(attempt.failure.as_ref())?,
        attempt.created_at.as_offset_date_time(),
        attempt.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// When a pending operation is sent again is decided here: ever later, and not all at once.
async fn write_operation(
    tx: &mut TenantTx,
    operation: &ProviderOperation,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let data = json(&operation.kind)?;
    sqlx::query!(
        "INSERT INTO souk.provider_operations AS o (tenant_id, operation_id, payment_intent_id, \
             kind, data, status, tries, last_error, created_at, settled_at, next_try_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
             CASE WHEN $6 = 'pending' THEN $11::timestamptz + make_interval(secs => \
                 CASE WHEN $7::smallint = 0 THEN $12 \
                      ELSE least($14, $13 * power(2, $7::smallint - 1)) * (0.75 + random() / 4) END) END) \
         ON CONFLICT ON CONSTRAINT provider_operations_pkey DO UPDATE \
         SET status = excluded.status, tries = excluded.tries, last_error = excluded.last_error, \
             settled_at = excluded.settled_at, next_try_at = excluded.next_try_at",
        tenant,
        operation.id.as_uuid(),
        operation.intent.as_uuid(),
        operation.kind.as_str(),
        data,
        operation.status.as_str(),
        to_column::<i16>(operation.tries, "a number of tries")?,
        operation.last_error,
        operation.created_at.as_offset_date_time(),
        column(operation.settled_at),
        now.as_offset_date_time(),
        FIRST_TRY_S,
        RETRY_BASE_S,
        RETRY_MAX_S,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn write_refund(tx: &mut TenantTx, refund: &Refund) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.refunds AS r (tenant_id, refund_id, payment_intent_id, order_id, status, \
             currency, amount_minor, origin, reason, provider_refund_id, failure, created_at, \
             updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT ON CONSTRAINT refunds_pkey DO UPDATE \
         SET status = excluded.status, provider_refund_id = excluded.provider_refund_id, \
             failure = excluded.failure, updated_at = excluded.updated_at",
        tenant,
        refund.id.as_uuid(),
        refund.intent.as_uuid(),
        refund.order.as_uuid(),
        refund.status.as_str(),
        refund.amount.currency().code(),
        refund.amount.amount_minor(),
        refund.origin.as_str(),
        refund.reason.as_ref().map(Reason::as_str),
        refund.provider_refund,
        failure(refund.failure.as_ref())?,
        refund.created_at.as_offset_date_time(),
        refund.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

fn json<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, DatabaseError> {
    serde_json::to_value(value).map_err(|e| DatabaseError::corrupt("payment", e))
}

fn failure(failure: Option<&ProviderFailure>) -> Result<Option<serde_json::Value>, DatabaseError> {
    failure.map(json).transpose()
}

fn column(at: Option<Timestamp>) -> Option<OffsetDateTime> {
    at.map(|at| at.as_offset_date_time())
}
