//! Completes an order.

use crate::change_order::change_order;
use crate::{Answer, AppError, Caller, OrderCommand, Tools};
use souk_domain::Order;
use souk_postgres::idempotency::StoredResponse;

/// Completes a fulfilled order, once: nothing more is to be done about it.
///
/// # Errors
/// As [`crate::cancel_order`].
pub async fn complete_order(
    tools: &Tools,
    caller: &Caller,
    command: &OrderCommand,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    change_order(tools, caller, command, Order::complete, respond).await
}
