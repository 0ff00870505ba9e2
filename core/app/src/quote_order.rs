//! Says what an order would cost, and stands by it for a while.

use crate::price_sheets::Age;
use crate::{AppError, Caller, Tools};
use souk_domain::pricing::{QUOTE_TTL_S, QuoteKeys, Totals, seal_quote};
use souk_domain::{OrderRequest, Timestamp};

/// Seconds after which kept prices are too old to quote from.
pub const QUOTED_PRICES_AGE_MAX_S: i64 = 10;

/// What an order would cost, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The numbers of the order.
    pub totals: Totals,
    /// To be sent with the order: it then has these numbers.
    pub token: String,
    /// Until, but not including, this instant.
    pub expires_at: Timestamp,
}

/// Quotes what `request` costs now. Nothing is written, reserved or looked up in stock.
///
/// # Errors
/// [`AppError::Order`] with the reason why it cannot be priced, [`AppError::Database`].
pub async fn quote_order(
    tools: &Tools,
    caller: &Caller,
    keys: &QuoteKeys,
    request: &OrderRequest,
) -> Result<Quote, AppError> {
    let now = tools.clock.now();
    let age = Age::AtMostS(QUOTED_PRICES_AGE_MAX_S);
    let pricing = tools
        .prices
        .price(&tools.db, caller.tenant, request, (now, age));
    let totals = pricing.await?.totals;
    let expires_at = now.plus(time::Duration::seconds(QUOTE_TTL_S))?;
    let token = seal_quote(keys, caller.tenant, request, &totals, expires_at)?;
    Ok(Quote {
        totals,
        token,
        expires_at,
    })
}
