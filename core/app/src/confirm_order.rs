//! Confirms an order.

use crate::change_order::change_order;
use crate::{Answer, AppError, Caller, OrderCommand, Tools};
use souk_domain::Order;
use souk_postgres::idempotency::StoredResponse;

/// Confirms the order, once: its stock is held from now on until it is fulfilled or cancelled.
///
/// # Errors
/// As [`crate::cancel_order`].
pub async fn confirm_order(
    tools: &Tools,
    caller: &Caller,
    command: &OrderCommand,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    change_order(tools, caller, command, Order::confirm, respond).await
}
