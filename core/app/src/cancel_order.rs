//! Cancels an order.

use crate::change_order::change_order;
use crate::{Answer, AppError, Caller, OrderCommand, Tools};
use souk_domain::{CancelReason, Order};
use souk_postgres::idempotency::StoredResponse;

/// Cancels the order and releases its stock, once.
///
/// # Errors
/// [`AppError::Order`] when its state does not allow it; those of every command on an order:
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses the
/// key up; what is refused for good is an answer.
pub async fn cancel_order(
    tools: &Tools,
    caller: &Caller,
    command: &OrderCommand,
    reason: Option<CancelReason>,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let decide = |order: Order, now| order.cancel(reason, now);
    change_order(tools, caller, command, decide, respond).await
}
