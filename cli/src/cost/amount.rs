//! Decimal numbers, exact to twelve places: prices are as small as a millionth of a cent.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

const PLACES: usize = 12;
const ONE: i128 = 1_000_000_000_000;

/// A number of money or of things, in billionths of thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Amount(i128);

impl Amount {
    /// So many whole ones.
    pub(super) fn whole(number: u64) -> Option<Self> {
        i128::from(number).checked_mul(ONE).map(Self)
    }

    /// A text such as `0.0000133334`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(places) || places.len() > PLACES {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let places: i128 = format!("{places:0<PLACES$}").parse().ok()?;
        whole.checked_mul(ONE)?.checked_add(places).map(Self)
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, and nothing where it would be less.
    pub(super) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// The product, its last place rounded down.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        self.0.checked_mul(other.0)?.checked_div(ONE).map(Self)
    }

    /// The quotient, its last place rounded down.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        self.0.checked_mul(ONE)?.checked_div(other.0).map(Self)
    }

    /// In hundredths, rounded down.
    pub(super) fn hundredths(self) -> u128 {
        u128::try_from(self.0).unwrap_or_default() / 10_000_000_000
    }

    /// With two places, rounded half up.
    pub(super) fn cents(self) -> String {
        let rounded = self.0.saturating_add(5_000_000_000) / 10_000_000_000;
        format!("{}.{:02}", rounded / 100, rounded % 100)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:0PLACES$}", self.0 / ONE, self.0 % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is no decimal number")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_prices_are_exact() {
        let price = Amount::parse("0.0000133334").unwrap();
        assert_eq!(price.to_string(), "0.0000133334");
        let million = Amount::whole(1_000_000).unwrap();
        assert_eq!(price.times(million).unwrap().to_string(), "13.3334");
        assert_eq!(price.times(million).unwrap().cents(), "13.33");
        assert_eq!(Amount::parse("0.005").unwrap().cents(), "0.01");
        for bad in ["", ".5", "-1", "1e3", "1.0000000000001", "1,5"] {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(whole in 0_u64..1_000_000_000, places in "[0-9]{0,12}") {
            let text = format!("{whole}.{places}");
            let read = Amount::parse(&text).unwrap();
            prop_assert_eq!(Amount::parse(&read.to_string()), Some(read));
            prop_assert_eq!(read.hundredths() / 100, u128::from(whole));
        }
    }
}
