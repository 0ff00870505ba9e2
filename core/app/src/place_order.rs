//! Places an order.

use crate::once::{expiry, record_refusal, turned_away};
use crate::price_sheets::Age;
use crate::record_event::new_event;
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::pricing::{QuoteKeys, Totals, open_quote};
use souk_domain::{Order, OrderId, OrderRequest, Timestamp};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::orders::{self, Placed, Placement};
use std::sync::Arc;

/// Seconds for which the stock of an order is held without a confirmation.
pub const RESERVATION_TTL_S: i64 = 15 * 60;
/// How often an order is priced anew because prices have changed under it.
const PRICINGS_MAX: u32 = 4;

/// What is wished for, and at which price: today's, or a quote's.
#[derive(Debug, Clone)]
pub struct OrderWish {
    request: OrderRequest,
    quote: Option<(String, Arc<QuoteKeys>)>,
}

impl From<OrderRequest> for OrderWish {
    fn from(request: OrderRequest) -> Self {
        Self {
            request,
            quote: None,
        }
    }
}

impl OrderWish {
    /// For `request`, at the price of `quote`, a text that [`crate::quote_order`] has given; at today's
    /// where there is none.
    pub fn new(request: OrderRequest, quote: Option<String>, keys: &Arc<QuoteKeys>) -> Self {
        Self {
            request,
            quote: quote.map(|quote| (quote, Arc::clone(keys))),
        }
    }
}

/// Prices the wish, and writes order, lines, reservation, outbox event, idempotency record and
/// answer in one transaction: all of it happens once, or none of it. One round trip to the database
/// where the prices are known already or quoted, two where they are not.
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
    wish: impl Into<OrderWish> + Send,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let wish = wish.into();
    for _ in 0..PRICINGS_MAX {
        let (totals, catalog_revision) = match totals(tools, caller, &wish, now).await {
            Ok(totals) => totals,
            Err(error) if error.is_final() => {
                return record_refusal(tools, caller, once, respond(Err(&error))).await;
            }
            Err(error) => return Err(error),
        };
        let id = OrderId::from_uuid(tools.ids.uuid_v7(now));
        let held_until = now.plus(time::Duration::seconds(RESERVATION_TTL_S))?;
        let placed = Order::place(id, wish.request.clone(), totals, held_until, now);
        let response = respond(Ok(&placed.order));
        let event = new_event(tools, caller, &placed, now);
        let event_text = event.to_json_text()?;
        let placement = Placement {
            request: &once.request(caller),
            now,
            key_expires_at: expiry(now)?,
            catalog_revision,
            order: &placed.order,
            event: (&event, &event_text),
            response: &response,
        };
        let placed = tools.db.at_home(caller.tenant, |home| async move {
            orders::place(&home, placement).await
        });
        match placed.await? {
            Placed::Placed(token) => {
                return Ok(Answer {
                    response,
                    replayed: false,
                    expires_at: expiry(now)?,
                    consistency: Some(token),
                });
            }
            Placed::Key(claim, consistency) => {
                let answer = turned_away(claim)?;
                return Ok(Answer {
                    consistency,
                    ..answer
                });
            }
            Placed::Short(skus) => return Err(AppError::InsufficientStock { skus }),
            Placed::PricesChanged => tools.prices.forget(caller.tenant),
        }
    }
    Err(AppError::PricesChanging)
}

/// What the wish costs, and the revision of the catalog that this depends on: none with a quote, which
/// holds whatever happens to prices.
async fn totals(
    tools: &Tools,
    caller: &Caller,
    wish: &OrderWish,
    now: Timestamp,
) -> Result<(Totals, Option<i64>), AppError> {
    let (tenant, request) = (caller.tenant, &wish.request);
    if let Some((quote, keys)) = &wish.quote {
        return Ok((open_quote(keys, tenant, request, quote, now)?, None));
    }
    let pricing = tools
        .prices
        .price(&tools.db, tenant, request, (now, Age::Checked));
    let priced = pricing.await?;
    Ok((priced.totals, Some(priced.revision)))
}
