//! Lists orders.

use crate::{AppError, Caller, Tools};
use souk_domain::{Order, OrderFilter};
use souk_postgres::orders;

/// Orders on a page at most.
pub const ORDERS_PER_PAGE_MAX: u8 = 100;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPage {
    /// The orders, the newest first.
    pub orders: Vec<Order>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// The orders of the caller's tenant that match `filter`, the newest first, from `cursor` on: at most
/// `limit`, which is 1 to [`ORDERS_PER_PAGE_MAX`]. Who follows the cursors to the end sees every order
/// that was there at the beginning exactly once.
///
/// # Errors
/// [`AppError::Order`] with [`souk_domain::OrderError::InvalidCursor`]; [`AppError::Database`].
pub async fn list_orders(
    tools: &Tools,
    caller: &Caller,
    filter: &OrderFilter,
    cursor: Option<&str>,
    limit: u8,
) -> Result<OrderPage, AppError> {
    let after = cursor.map(|cursor| filter.resume(cursor)).transpose()?;
    let limit = limit.clamp(1, ORDERS_PER_PAGE_MAX);
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    // One more than is shown tells whether there is a next page.
    let with_next = u16::from(limit).saturating_add(1);
    let mut orders = orders::list(&mut tx, filter, after, with_next).await?;
    tx.commit().await?;
    let more = orders.len() > usize::from(limit);
    orders.truncate(usize::from(limit));
    let next_cursor = orders
        .last()
        .filter(|_| more)
        .map(|last| filter.cursor_after(last.id()));
    Ok(OrderPage {
        orders,
        next_cursor,
    })
}
