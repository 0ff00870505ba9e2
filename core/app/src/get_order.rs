//! Reads an order.

use crate::{AppError, Caller, Tools};
use souk_domain::{Order, OrderId};
use souk_postgres::orders;

/// The order, if it is the caller's tenant's.
///
/// # Errors
/// [`AppError::OrderNotFound`], also for an order of another tenant; [`AppError::Database`].
pub async fn get_order(tools: &Tools, caller: &Caller, id: OrderId) -> Result<Order, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let order = orders::load(&mut tx, id).await?;
    tx.commit().await?;
    order.ok_or(AppError::OrderNotFound)
}
