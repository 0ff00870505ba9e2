//! Which payment was made for an intent: found by looking through all that could be.

use super::answers::{INTENT, ListJson, PaymentIntentJson, ReadPayment, parse};
use souk_domain::payment::ProviderStatus;
use souk_domain::{PaymentIntentId, Timestamp};

/// Payments of a page.
const PER_PAGE: &str = "100";
/// Pages, at most: whoever has not found it among so many does not know.
pub(super) const PAGES_MAX: usize = 200;
/// Stripe's clock and ours may differ by so much.
const CLOCK_SKEW_S: i64 = 300;

/// Parameters of the next page.
pub(super) fn parameters(from: Timestamp, after: Option<&str>) -> Vec<(String, String)> {
    let from_s = from.unix_s().saturating_sub(CLOCK_SKEW_S);
    let mut parameters = vec![
        ("created[gte]".to_owned(), from_s.to_string()),
        ("limit".to_owned(), PER_PAGE.to_owned()),
        (
            "expand[0]".to_owned(),
            "data.latest_charge.refunds".to_owned(),
        ),
    ];
    if let Some(after) = after {
        parameters.push(("starting_after".to_owned(), after.to_owned()));
    }
    parameters
}

/// What a page has for the intent, and where the next one begins.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) found: Vec<ReadPayment>,
    pub(super) next: Option<String>,
}

pub(super) fn read_page(body: &[u8], intent: PaymentIntentId) -> Result<Page, String> {
    let list: ListJson<PaymentIntentJson> = parse(body)?;
    let next = list
        .has_more
        .then(|| list.data.last().map(|last| last.id.clone()))
        .flatten();
    if list.has_more && next.is_none() {
        return Err("an empty page has more".to_owned());
    }
    let intent = intent.to_string();
    let made_for_it = list
        .data
        .into_iter()
        .filter(|payment| payment.metadata.get(INTENT) == Some(&intent));
    Ok(Page {
        found: made_for_it
            .map(PaymentIntentJson::read)
            .collect::<Result<_, _>>()?,
        next,
    })
}

/// The one that counts: with money before without, then the newest.
pub(super) fn best(found: Vec<ReadPayment>) -> Option<ReadPayment> {
    found.into_iter().max_by_key(|own| {
        let authorized = matches!(
            own.payment.status,
            ProviderStatus::RequiresCapture | ProviderStatus::Succeeded
        );
        (authorized, own.payment.created_at)
    })
}
