//! Reads a payment and what belongs to it.

use crate::{AppError, Caller, Tools};
use souk_domain::payment::{Dispute, PaymentAttempt, PaymentIntent, Refund};
use souk_domain::{DisputeId, OrderId, PaymentIntentId, RefundId, TenantId};
use souk_postgres::{DatabaseError, TenantTx, payments};

/// The intent, if it is the caller's tenant's.
///
/// # Errors
/// [`AppError::PaymentIntentNotFound`], also for one of another tenant; [`AppError::Database`].
pub async fn get_payment_intent(
    tools: &Tools,
    caller: &Caller,
    id: PaymentIntentId,
) -> Result<PaymentIntent, AppError> {
    let mut tx = read(tools, caller).await?;
    let intent = payments::load_intent(&mut tx, id).await?;
    tx.commit().await?;
    intent.ok_or(AppError::PaymentIntentNotFound)
}

/// All intents of the order, the oldest first, as they stand on the primary: at most one of them is not
/// canceled.
///
/// # Errors
/// [`AppError::Database`].
pub async fn payment_intents_of_order(
    tools: &Tools,
    tenant: TenantId,
    order: OrderId,
) -> Result<Vec<PaymentIntent>, AppError> {
    let mut tx = tools.db.begin(tenant).await?;
    let intents = payments::of_order(&mut tx, order).await?;
    tx.commit().await?;
    Ok(intents)
}

/// All attempts of the intent, the first first.
///
/// # Errors
/// As [`get_payment_intent`].
pub async fn list_payment_attempts(
    tools: &Tools,
    caller: &Caller,
    intent: PaymentIntentId,
) -> Result<Vec<PaymentAttempt>, AppError> {
    let mut tx = read(tools, caller).await?;
    let found = payments::load_intent(&mut tx, intent).await?;
    let attempts = payments::attempts(&mut tx, intent).await?;
    tx.commit().await?;
    found.ok_or(AppError::PaymentIntentNotFound)?;
    Ok(attempts)
}

/// All refunds of the intent, the first first.
///
/// # Errors
/// As [`get_payment_intent`].
pub async fn list_refunds(
    tools: &Tools,
    caller: &Caller,
    intent: PaymentIntentId,
) -> Result<Vec<Refund>, AppError> {
    let mut tx = read(tools, caller).await?;
    let found = payments::load_intent(&mut tx, intent).await?;
    let refunds = payments::refunds_of(&mut tx, intent).await?;
    tx.commit().await?;
    found.ok_or(AppError::PaymentIntentNotFound)?;
    Ok(refunds)
}

/// The refund, if it is the caller's tenant's.
///
/// # Errors
/// [`AppError::RefundNotFound`], also for one of another tenant; [`AppError::Database`].
pub async fn get_refund(tools: &Tools, caller: &Caller, id: RefundId) -> Result<Refund, AppError> {
    let mut tx = read(tools, caller).await?;
    let refund = payments::load_refund(&mut tx, id).await?;
    tx.commit().await?;
    refund.ok_or(AppError::RefundNotFound)
}

/// The dispute, if it is the caller's tenant's.
///
/// # Errors
/// [`AppError::DisputeNotFound`], also for one of another tenant; [`AppError::Database`].
pub async fn get_dispute(
    tools: &Tools,
    caller: &Caller,
    id: DisputeId,
) -> Result<Dispute, AppError> {
    let mut tx = read(tools, caller).await?;
    let dispute = payments::dispute(&mut tx, id).await?;
    tx.commit().await?;
    dispute.ok_or(AppError::DisputeNotFound)
}

async fn read(tools: &Tools, caller: &Caller) -> Result<TenantTx, DatabaseError> {
    tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await
}
