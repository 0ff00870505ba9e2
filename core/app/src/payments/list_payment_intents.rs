//! Lists payments and disputes.

use crate::{AppError, Caller, Tools};
use souk_domain::DisputeId;
use souk_domain::payment::{Dispute, PaymentError, PaymentIntent, PaymentIntentFilter};
use souk_postgres::payments;

/// Payments, or disputes, on a page at most.
pub const PAYMENTS_PER_PAGE_MAX: u8 = 100;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentIntentPage {
    /// The intents, the newest first.
    pub intents: Vec<PaymentIntent>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputePage {
    /// The disputes, the newest first.
    pub disputes: Vec<Dispute>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// The intents of the caller's tenant that match `filter`, the newest first, from `cursor` on: at most
/// `limit`, which is 1 to [`PAYMENTS_PER_PAGE_MAX`]. Who follows the cursors to the end sees every
/// intent that was there at the beginning exactly once.
///
/// # Errors
/// [`AppError::Payment`] with `InvalidCursor`; [`AppError::Database`].
pub async fn list_payment_intents(
    tools: &Tools,
    caller: &Caller,
    filter: &PaymentIntentFilter,
    cursor: Option<&str>,
    limit: u8,
) -> Result<PaymentIntentPage, AppError> {
    let after = cursor.map(|cursor| filter.resume(cursor)).transpose()?;
    let limit = limit.clamp(1, PAYMENTS_PER_PAGE_MAX);
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    // One more than is shown tells whether there is a next page.
    let with_next = u16::from(limit).saturating_add(1);
    let mut intents = payments::list(&mut tx, filter, after, with_next).await?;
    tx.commit().await?;
    let more = intents.len() > usize::from(limit);
    intents.truncate(usize::from(limit));
    let next_cursor = intents
        .last()
        .filter(|_| more)
        .map(|last| filter.cursor_after(last.id));
    Ok(PaymentIntentPage {
        intents,
        next_cursor,
    })
}

/// The disputes of the caller's tenant, as [`list_payment_intents`]. A cursor is the id of the last
/// dispute of the page before.
///
/// # Errors
/// [`AppError::Payment`] with `InvalidCursor`; [`AppError::Database`].
pub async fn list_disputes(
    tools: &Tools,
    caller: &Caller,
    cursor: Option<&str>,
    limit: u8,
) -> Result<DisputePage, AppError> {
    let after = cursor.map(str::parse::<DisputeId>).transpose();
    let after = after.map_err(|_| PaymentError::InvalidCursor)?;
    let limit = limit.clamp(1, PAYMENTS_PER_PAGE_MAX);
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let with_next = u16::from(limit).saturating_add(1);
    let mut disputes = payments::disputes(&mut tx, after, with_next).await?;
    tx.commit().await?;
    let more = disputes.len() > usize::from(limit);
    disputes.truncate(usize::from(limit));
    let last = disputes.last().filter(|_| more);
    let next_cursor = last.map(|last| last.id.to_string());
    Ok(DisputePage {
        disputes,
        next_cursor,
    })
}
