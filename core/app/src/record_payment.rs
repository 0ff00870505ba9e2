//! Records on an order what happened to its payment.

use crate::change_order::write_transition;
use crate::{AppError, Caller, Tools};
use souk_domain::{Order, OrderId, PaymentChange, Timestamp};
use souk_postgres::{TenantTx, orders};

/// What happened to an order's payment at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedPayment {
    /// Whose payment.
    pub order: OrderId,
    /// What happened.
    pub change: PaymentChange,
    /// When it is recorded.
    pub at: Timestamp,
}

/// Records the change on the order, with its event, in a transaction of the caller's tenant that also
/// holds what tells the caller that it was recorded: this alone is not safe to repeat.
///
/// # Errors
/// [`AppError::OrderNotFound`], [`AppError::Order`] when the payment's state does not allow it,
/// [`AppError::Database`].
pub async fn record_payment(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    payment: RecordedPayment,
) -> Result<Order, AppError> {
    let order = orders::load_for_update(tx, payment.order)
        .await?
        .ok_or(AppError::OrderNotFound)?;
    let transition = order.record_payment(payment.change, payment.at)?;
    write_transition(tools, tx, caller, &transition, payment.at).await?;
    Ok(transition.order)
}
