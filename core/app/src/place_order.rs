//! Places an order.

use crate::once::{expiry, record_refusal, told_again, turned_away};
use crate::price_sheets::RevisedSheet;
use crate::record_event::new_event;
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::pricing::price;
use souk_domain::{Order, OrderError, OrderId, OrderRequest};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::orders::{self, Placed, Placement};

/// Seconds for which the stock of an order is held without a confirmation.
pub const RESERVATION_TTL_S: i64 = 15 * 60;
/// How often an order is priced anew because prices have changed under it.
const PRICINGS_MAX: u32 = 4;

/// Prices the request, and writes order, lines, reservation, outbox event, idempotency record and
/// answer in one transaction: all of it happens once, or none of it. One round trip to the database
/// where the prices are known already, two where they are not.
///
/// `respond` turns the new order, or the refusal that will not change, into the answer that this
/// request and every repetition of it gets.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::InsufficientStock`],
/// [`AppError::Database`]. None of them uses the key up.
pub async fn place_order(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    request: OrderRequest,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    for _ in 0..PRICINGS_MAX {
        let priced = tools.prices.at(&tools.db, caller.tenant, &request, now);
        let RevisedSheet { revision, sheet } = priced.await?;
        let totals = match price(&request, &sheet) {
            Ok(totals) => totals,
            Err(error) => {
                let error = AppError::Order(OrderError::Pricing(error));
                return record_refusal(tools, caller, once, respond(Err(&error))).await;
            }
        };
        let id = OrderId::from_uuid(tools.ids.uuid_v7(now));
        let held_until = now.plus(time::Duration::seconds(RESERVATION_TTL_S))?;
        let placed = Order::place(id, request.clone(), totals, held_until, now);
        let response = respond(Ok(&placed.order));
        let event = new_event(tools, caller, &placed, now);
        let event_text = event.to_json_text()?;
        let placement = Placement {
            request: &once.request(caller),
            now,
            key_expires_at: expiry(now)?,
            catalog_revision: Some(revision),
            order: &placed.order,
            event: (&event, &event_text),
            response: &response,
        };
        let home = tools.db.home(caller.tenant).await?;
        match orders::place(&home, placement).await? {
            Placed::Placed(token) => {
                return Ok(Answer {
                    response,
                    replayed: false,
                    expires_at: expiry(now)?,
                    consistency: Some(token),
                });
            }
            Placed::Key(claim) => {
                return Ok(told_again(tools, caller, turned_away(claim)?).await);
            }
            Placed::Short(skus) => return Err(AppError::InsufficientStock { skus }),
            Placed::PricesChanged => tools.prices.forget(caller.tenant),
        }
    }
    Err(AppError::PricesChanging)
}
