//! Cancels an order.

use crate::once::{self, Turn};
use crate::record_event::record_event;
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::{Order, OrderId};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{orders, stock};

/// Cancels the order and releases its stock, in one transaction with the outbox event, the
/// idempotency record and the answer.
///
/// # Errors
/// [`AppError::OrderNotFound`], [`AppError::Order`] when its state does not allow it,
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`]. None of them uses the
/// key up.
pub async fn cancel_order(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    id: OrderId,
    respond: impl FnOnce(&Order) -> StoredResponse + Send,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let outcome = async {
        let claimed = match once::claim(&mut tx, &caller.principal, once, now).await? {
            Turn::Replay(answer) => return Ok(answer),
            Turn::Act(claimed) => claimed,
        };
        let order = orders::load_for_update(&mut tx, id)
            .await?
            .ok_or(AppError::OrderNotFound)?;
        let transition = order.cancel(now)?;
        stock::release(&mut tx, &transition.order.units_by_sku()).await?;
        orders::update(&mut tx, &transition.order).await?;
        record_event(tools, &mut tx, caller, &transition, now).await?;
        let response = respond(&transition.order);
        once::finish(&mut tx, claimed, &id.to_string(), response).await
    }
    .await;
    once::settle(tx, outcome).await
}
