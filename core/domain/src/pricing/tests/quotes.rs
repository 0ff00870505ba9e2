//! A quote is what was given, to whom it was given, for what it was given, until it ends.

use super::properties::case;
use super::{NOW_MS, request};
use crate::pricing::{
    QUOTE_BYTES_MAX, QUOTE_TTL_S, QuoteError, QuoteKeys, QuoteKeysError, Totals, open_quote,
    seal_quote,
};
use crate::{OrderRequest, TenantId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

fn keys(signing: &str, ids: &[(&str, u8)]) -> Result<QuoteKeys, QuoteKeysError> {
    let keys = ids.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32]));
    QuoteKeys::new(signing.to_owned(), keys.collect())
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

fn at(unix_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_ms).unwrap()
}

const END_MS: i64 = NOW_MS + QUOTE_TTL_S * 1_000;

fn seal(keys: &QuoteKeys, request: &OrderRequest, totals: &Totals) -> String {
    seal_quote(keys, tenant(1), request, totals, at(END_MS)).unwrap()
}

fn open(keys: &QuoteKeys, request: &OrderRequest, quote: &str) -> Result<Totals, QuoteError> {
    open_quote(keys, tenant(1), request, quote, at(END_MS - 1))
}

/// A basket and what it costs.
fn tea() -> (OrderRequest, Totals) {
    let sheet = super::sheet("EUR", &serde_json::json!({}), &[("TEA", 250, "standard")]);
    let request = request("EUR", &[("TEA", 3)], "DE", &[]);
    let totals = crate::pricing::price(&request, &sheet).unwrap();
    (request, totals)
}

proptest! {
    #[test]
    fn what_was_quoted_is_what_is_ordered(case in case()) {
        let totals = case.totals(&case.rules);
        let keys = keys("a", &[("a", 1)]).unwrap();
        let request = case.request(&[]);
        let quote = seal(&keys, &request, &totals);
        prop_assert!(quote.len() < QUOTE_BYTES_MAX);
        prop_assert_eq!(open(&keys, &request, &quote), Ok(totals));
    }

    #[test]
    fn one_changed_character_is_one_too_many(position in any::<prop::sample::Index>(), letter in "[ -~]") {
        let keys = keys("a", &[("a", 1), ("b", 2)]).unwrap();
        let (request, totals) = tea();
        let quote = seal(&keys, &request, &totals);
        let position = position.index(quote.len());
        let mut altered = quote.clone();
        altered.replace_range(position..=position, &letter);
        prop_assume!(altered != quote);
        prop_assert_eq!(open(&keys, &request, &altered), Err(QuoteError::Invalid));
        prop_assert_eq!(open(&keys, &request, &quote[..position]), Err(QuoteError::Invalid));
    }

    #[test]
    fn a_text_from_anywhere_is_refused(text in any::<String>()) {
        let keys = keys("a", &[("a", 1)]).unwrap();
        let (request, _) = tea();
        prop_assert_eq!(open(&keys, &request, &text), Err(QuoteError::Invalid));
    }
}

#[test]
fn a_quote_is_for_its_tenant_and_its_basket() {
    let keys = keys("a", &[("a", 1)]).unwrap();
    let (tea, totals) = tea();
    let quote = seal(&keys, &tea, &totals);
    let others = [
        request("EUR", &[("TEA", 4)], "DE", &[]),
        request("EUR", &[("POT", 3)], "DE", &[]),
        request("EUR", &[("TEA", 3), ("TEA", 1)], "DE", &[]),
        request("USD", &[("TEA", 3)], "DE", &[]),
        request("EUR", &[("TEA", 3)], "", &[]),
        request("EUR", &[("TEA", 3)], "AT", &[]),
        request("EUR", &[("TEA", 3)], "DE", &["HALF"]),
    ];
    for other in others {
        assert_eq!(
            open(&keys, &other, &quote),
            Err(QuoteError::Invalid),
            "{other:?}"
        );
    }
    let elsewhere = open_quote(&keys, tenant(2), &tea, &quote, at(NOW_MS));
    assert_eq!(elsewhere, Err(QuoteError::Invalid));
    let buyer = Some("buyer-7".parse().unwrap());
    let named = OrderRequest::new(tea.currency(), tea.lines().to_vec(), buyer).unwrap();
    let named = named.shipped_to(tea.shipping_country());
    assert_eq!(
        open(&keys, &named, &quote),
        Ok(totals),
        "who buys changes no price"
    );
}

#[test]
fn a_quote_ends_at_its_last_millisecond() {
    let keys = keys("a", &[("a", 1)]).unwrap();
    let (request, totals) = tea();
    let quote = seal(&keys, &request, &totals);
    let at_ms = |unix_ms| open_quote(&keys, tenant(1), &request, &quote, at(unix_ms));
    assert_eq!(at_ms(END_MS - 1), Ok(totals));
    assert_eq!(at_ms(END_MS), Err(QuoteError::Expired));
}

#[test]
fn keys_rotate() {
    let old = keys("a", &[("a", 1)]).unwrap();
    let both = keys("b", &[("a", 1), ("b", 2)]).unwrap();
    let new = keys("b", &[("b", 2)]).unwrap();
    let imposter = keys("a", &[("a", 3)]).unwrap();
    let (request, totals) = tea();
    let by_old = seal(&old, &request, &totals);
    let by_both = seal(&both, &request, &totals);
    assert_eq!(open(&both, &request, &by_old), Ok(totals.clone()));
    assert_eq!(open(&new, &request, &by_both), Ok(totals));
    assert_eq!(open(&new, &request, &by_old), Err(QuoteError::Invalid));
    assert_eq!(open(&imposter, &request, &by_old), Err(QuoteError::Invalid));
}

#[test]
fn keys_are_checked_and_never_shown() {
    assert_eq!(keys("a", &[]).unwrap_err(), QuoteKeysError::Count);
    let three = [("a", 1), ("b", 2), ("c", 3)];
    assert_eq!(keys("a", &three).unwrap_err(), QuoteKeysError::Count);
    assert_eq!(
        keys("a.b", &[("a.b", 1)]).unwrap_err(),
        QuoteKeysError::KeyId
    );
    assert_eq!(
        keys("b", &[("a", 1)]).unwrap_err(),
        QuoteKeysError::NoSigningKey
    );
    let shown = format!("{:?}", keys("a", &[("a", 77)]).unwrap());
    assert!(!shown.contains("77"), "{shown}");
}
