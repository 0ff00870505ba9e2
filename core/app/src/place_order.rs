//! Places an order.

use crate::once::{self, Turn};
use crate::record_event::record_event;
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::{Order, OrderId, OrderRequest};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{catalog, orders, stock};

/// Prices the request from the catalog, reserves its stock, and writes order, lines, outbox event,
/// idempotency record and answer in one transaction: all of it happens once, or none of it.
///
/// `respond` turns the new order into the answer that this request and every repetition of it gets.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Order`] when a sku is not sold in
/// the currency or the total does not fit, [`AppError::InsufficientStock`], [`AppError::Database`].
/// None of them uses the key up.
pub async fn place_order(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    request: OrderRequest,
    respond: impl FnOnce(&Order) -> StoredResponse + Send,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let outcome = async {
        let claimed = match once::claim(&mut tx, &caller.principal, once, now).await? {
            Turn::Replay(answer) => return Ok(answer),
            Turn::Act(claimed) => claimed,
        };
        let units = request.units_by_sku();
        let prices = catalog::load_prices(&mut tx, units.keys(), request.currency()).await?;
        let id = OrderId::from_uuid(tools.ids.uuid_v7(now));
        let transition = Order::place(id, request, &prices, now)?;
        let short = stock::reserve(&mut tx, &units).await?;
        if !short.is_empty() {
            return Err(AppError::InsufficientStock { skus: short });
        }
        orders::insert(&mut tx, &transition.order).await?;
        record_event(tools, &mut tx, caller, &transition, now).await?;
        let response = respond(&transition.order);
        once::finish(&mut tx, claimed, &id.to_string(), response).await
    }
    .await;
    once::settle(tx, outcome).await
}
