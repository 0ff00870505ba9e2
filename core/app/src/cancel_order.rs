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
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Order`] when its state does not
/// allow it, [`AppError::Database`]. None of them uses the key up.
pub async fn cancel_order(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    id: OrderId,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let outcome = async {
        let claimed = match once::claim(&mut tx, caller, once, now).await? {
            Turn::Replay(answer) => return Ok(answer),
            Turn::Act(claimed) => claimed,
        };
        let order = orders::load_for_update(&mut tx, id)
            .await?
            .ok_or(AppError::OrderNotFound)?;
        let transition = order.cancel(now)?;
        stock::release_all(&mut tx, id).await?;
        orders::update(&mut tx, &transition.order).await?;
        record_event(tools, &mut tx, caller, &transition, now).await?;
        let response = respond(Ok(&transition.order));
        once::finish(&mut tx, claimed, &id.to_string(), response).await
    }
    .await;
    once::settle(tools, caller, once, tx, outcome, |e| respond(Err(e))).await
}
