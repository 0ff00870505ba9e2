//! Fulfils an order, or a part of it.

use crate::change_order::change_order;
use crate::{Answer, AppError, Caller, OrderCommand, Tools};
use souk_domain::{Fulfilment, Order};
use souk_postgres::idempotency::StoredResponse;

/// Fulfils `what` of the order, once: these units leave its reservation and are sold.
///
/// # Errors
/// As [`crate::cancel_order`].
pub async fn fulfil_order(
    tools: &Tools,
    caller: &Caller,
    command: &OrderCommand,
    what: Fulfilment,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let decide = |order: Order, now| order.fulfil(&what, now);
    change_order(tools, caller, command, decide, respond).await
}
