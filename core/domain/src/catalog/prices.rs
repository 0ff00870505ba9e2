//! Prices of a variant in one currency, by time.

use super::{Violation, Violations};
use crate::pricing::PriceWindow;
use crate::{Currency, Money, Timestamp};
use serde::{Deserialize, Serialize};

/// Windows in one schedule at most.
pub const PRICE_WINDOWS_MAX: usize = 100;
/// Minor units of one unit's price at most: what every reader of JSON keeps exactly, with room for
/// quantities.
pub const UNIT_PRICE_MINOR_MAX: i64 = 1_000_000_000_000;

/// A price as a request has it: nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedPrice {
    /// Of one unit.
    pub amount_minor: i64,
    /// From this instant on (RFC 3339); since ever where absent.
    pub valid_from: Option<String>,
    /// Until, but not including, this one (RFC 3339); for ever where absent.
    pub valid_until: Option<String>,
}

/// All prices of a variant in one currency. No two hold at the same time; at some times none may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceSchedule {
    currency: Currency,
    /// By `valid_from`.
    windows: Vec<PriceWindow>,
}

impl PriceSchedule {
    /// Checks every price, and that no two hold at the same time. The pointers of what is wrong
    /// begin with `/prices`.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(currency: Currency, requested: &[RequestedPrice]) -> Result<Self, Vec<Violation>> {
        let mut found = Violations::default();
        if requested.len() > PRICE_WINDOWS_MAX {
            let reason = format!("at most {PRICE_WINDOWS_MAX} prices are kept");
            found.note("/prices", reason);
            return Err(found.0);
        }
        let mut windows: Vec<(usize, PriceWindow)> = Vec::with_capacity(requested.len());
        for (index, price) in requested.iter().enumerate() {
            let window = check_window(&mut found, currency, index, price);
            windows.extend(window.map(|window| (index, window)));
        }
        windows.sort_by_key(|(index, window)| (window.valid_from, *index));
        // Until when the prices so far hold, and the one that holds longest.
        let mut latest: Option<(usize, Option<Timestamp>)> = None;
        for (index, window) in &windows {
            if let Some((other, until)) = latest
                && until.is_none_or(|until| window.valid_from < until)
            {
                found.note(
                    format!("/prices/{index}/valid_from"),
                    format!("it begins while /prices/{other} holds"),
                );
            }
            let longer = match latest {
                Some((_, None)) => false,
                Some((_, Some(until))) => window.valid_until.is_none_or(|own| own > until),
                None => true,
            };
            if longer {
                latest = Some((*index, window.valid_until));
            }
        }
        let windows = windows.into_iter().map(|(_, window)| window).collect();
        found.or(Some(Self { currency, windows }))
    }

    /// One price, since ever and for ever.
    pub fn constant(unit_price: Money) -> Self {
        Self {
            currency: unit_price.currency(),
            windows: vec![PriceWindow {
                unit_price,
                valid_from: Timestamp::UNIX_EPOCH,
                valid_until: None,
            }],
        }
    }

    /// From windows that were checked when they were stored.
    pub fn from_stored(currency: Currency, mut windows: Vec<PriceWindow>) -> Self {
        windows.sort_by_key(|window| window.valid_from);
        Self { currency, windows }
    }

    /// Of all its prices.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// By the time from which on they hold.
    pub fn windows(&self) -> &[PriceWindow] {
        &self.windows
    }

    /// The price that holds at `now`, if one does.
    pub fn at(&self, now: Timestamp) -> Option<&PriceWindow> {
        self.windows.iter().find(|window| window.holds_at(now))
    }

    /// When the price changes, begins or ends next, after `now`.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.windows
            .iter()
            .flat_map(|window| [Some(window.valid_from), window.valid_until])
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

fn check_window(
    found: &mut Violations,
    currency: Currency,
    index: usize,
    price: &RequestedPrice,
) -> Option<PriceWindow> {
    let mut instant = |member: &str, text: Option<&String>| match text {
        None => Some(None),
        Some(text) => {
            let parsed = serde_json::from_value::<Timestamp>(text.clone().into());
            let pointer = format!("/prices/{index}/{member}");
            let wanted = parsed.map_err(|_| "an instant such as 2026-11-27T00:00:00Z is wanted");
            found.take(&pointer, wanted).map(Some)
        }
    };
    let valid_from = instant("valid_from", price.valid_from.as_ref());
    let valid_until = instant("valid_until", price.valid_until.as_ref());
    let unit_price = check_amount(
        found,
        &format!("/prices/{index}/amount_minor"),
        price.amount_minor,
    )
    .map(|amount_minor| Money::new(amount_minor, currency));
    let valid_from = valid_from?.unwrap_or(Timestamp::UNIX_EPOCH);
    let valid_until = valid_until?;
    if valid_until.is_some_and(|until| until <= valid_from) {
        let pointer = format!("/prices/{index}/valid_until");
        found.note(pointer, "it is not later than valid_from");
        return None;
    }
    Some(PriceWindow {
        unit_price: unit_price?,
        valid_from,
        valid_until,
    })
}

/// A unit's price in minor units.
pub(super) fn check_amount(found: &mut Violations, pointer: &str, amount: i64) -> Option<i64> {
    if (0..=UNIT_PRICE_MINOR_MAX).contains(&amount) {
        return Some(amount);
    }
    found.note(
        pointer,
        format!("a price is 0 to {UNIT_PRICE_MINOR_MAX} minor units"),
    );
    None
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn euro() -> Currency {
        "EUR".parse().unwrap()
    }

    fn hour(hours: i64) -> Timestamp {
        Timestamp::from_unix_ms(hours * 3_600_000).unwrap()
    }

    fn price(from: Option<i64>, until: Option<i64>) -> RequestedPrice {
        RequestedPrice {
            amount_minor: from.unwrap_or(0),
            valid_from: from.map(|at| hour(at).to_string()),
            valid_until: until.map(|at| hour(at).to_string()),
        }
    }

    fn pointers(requested: &[RequestedPrice]) -> Vec<String> {
        PriceSchedule::check(euro(), requested)
            .unwrap_err()
            .into_iter()
            .map(|violation| violation.pointer)
            .collect()
    }

    #[test]
    fn windows_may_touch_but_not_overlap() {
        let touching = [
            price(Some(5), None),
            price(None, Some(2)),
            price(Some(2), Some(5)),
        ];
        let schedule = PriceSchedule::check(euro(), &touching).unwrap();
        assert_eq!(schedule.at(hour(2)).unwrap().unit_price.amount_minor(), 2);
        assert_eq!(schedule.next_change(hour(2)), Some(hour(5)));
        assert_eq!(schedule.next_change(hour(5)), None);
        let inside = [
            price(None, Some(9)),
            price(Some(1), Some(2)),
            price(Some(3), Some(4)),
        ];
        assert_eq!(
            pointers(&inside),
            ["/prices/1/valid_from", "/prices/2/valid_from"]
        );
        assert_eq!(
            pointers(&[price(None, None), price(None, None)]),
            ["/prices/1/valid_from"]
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let mut bad = price(Some(2), Some(2));
        bad.amount_minor = -1;
        let mut no_time = price(None, None);
        no_time.valid_from = Some("tomorrow".to_owned());
        no_time.amount_minor = UNIT_PRICE_MINOR_MAX + 1;
        assert_eq!(
            pointers(&[bad, no_time]),
            [
                "/prices/0/amount_minor",
                "/prices/0/valid_until",
                "/prices/1/valid_from",
                "/prices/1/amount_minor"
            ]
        );
        let many = vec![price(None, None); PRICE_WINDOWS_MAX + 1];
        assert_eq!(pointers(&many), ["/prices"]);
        assert!(PriceSchedule::check(euro(), &[]).is_ok());
    }

    proptest! {
        #[test]
        fn an_accepted_schedule_never_has_two_prices_at_once(
            windows in proptest::collection::vec((proptest::option::of(0_i64..12), proptest::option::of(0_i64..12)), 0..6)
        ) {
            let requested: Vec<_> = windows.iter().map(|(from, until)| price(*from, *until)).collect();
            let empty = windows.iter().any(|(from, until)| until.is_some_and(|u| u <= from.unwrap_or(0)));
            let holding = |at: i64| windows.iter().filter(|(from, until)| {
                from.unwrap_or(0) <= at && until.is_none_or(|until| at < until)
            }).count();
            let overlap = (0..13).any(|at| holding(at) > 1);
            match PriceSchedule::check(euro(), &requested) {
                Ok(schedule) => {
                    prop_assert!(!empty && !overlap);
                    for at in 0..13 {
                        prop_assert_eq!(schedule.at(hour(at)).is_some(), holding(at) == 1);
                    }
                }
                Err(_) => prop_assert!(empty || overlap),
            }
        }
    }
}
