//! Money in minor units.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A currency of ISO 4217 that has minor units; funds codes, metals and `XXX` are refused, since
/// nothing can be priced in them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The alphabetic code, three upper-case letters.
    pub fn code(&self) -> &'static str {
        self.0.code()
    }

    /// Decimal digits of the minor unit: 0 for JPY, 2 for EUR, 3 for KWD.
    pub fn exponent(&self) -> u16 {
        self.0.exponent().unwrap_or(0)
    }
}

/// Why a sum of money cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is no alphabetic code of ISO 4217 with a minor unit.
    #[error("not an ISO 4217 currency with minor units")]
    UnknownCurrency,
    /// The two operands are of different currencies.
    #[error("{left:?} and {right:?} cannot be combined")]
    CurrencyMismatch {
        /// Currency of the left operand.
        left: Currency,
        /// Currency of the right operand.
        right: Currency,
    },
    /// The result does not fit in 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        let currency = iso_currency::Currency::from_code(code)
            .filter(|found| found.code() == code && found.exponent().is_some())
            .ok_or(MoneyError::UnknownCurrency)?;
        Ok(Self(currency))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        code.parse().map_err(de::Error::custom)
    }
}

/// An amount in the minor units of its currency. Arithmetic is checked and never mixes currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// `amount_minor` minor units of `currency`; may be negative (a refund's effect on a balance).
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self {
            amount_minor,
            currency,
        }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Minor units.
    pub const fn amount_minor(&self) -> i64 {
        self.amount_minor
    }

    /// The currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The sum, or an error when the currencies differ or it does not fit.
    pub fn checked_add(&self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.amount_minor
            .checked_add(other.amount_minor)
            .map(|amount_minor| Self {
                amount_minor,
                ..*self
            })
            .ok_or(MoneyError::Overflow)
    }

    /// The difference, or an error when the currencies differ or it does not fit.
    pub fn checked_sub(&self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.amount_minor
            .checked_sub(other.amount_minor)
            .map(|amount_minor| Self {
                amount_minor,
                ..*self
            })
            .ok_or(MoneyError::Overflow)
    }

    /// `times` this amount, or an error when it does not fit.
    pub fn checked_mul(&self, times: u32) -> Result<Self, MoneyError> {
        self.amount_minor
            .checked_mul(i64::from(times))
            .map(|amount_minor| Self {
                amount_minor,
                ..*self
            })
            .ok_or(MoneyError::Overflow)
    }

    fn same_currency(&self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch {
            left: self.currency,
            right: other.currency,
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "wider integers hold the exact result"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn exponents_follow_iso_4217() {
        for (code, exponent) in [("JPY", 0), ("EUR", 2), ("KWD", 3), ("CLF", 4)] {
            assert_eq!(currency(code).exponent(), exponent, "{code}");
        }
        for bad in ["", "eur", "EURO", "XXX", "XAU", "ZZZ", "€"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn overflow_and_mixed_currencies_are_errors() {
        let most = Money::new(i64::MAX, currency("EUR"));
        let cent = Money::new(1, currency("EUR"));
        assert_eq!(most.checked_add(cent), Err(MoneyError::Overflow));
        assert_eq!(most.checked_mul(2), Err(MoneyError::Overflow));
        assert_eq!(
            Money::new(i64::MIN, currency("EUR")).checked_sub(cent),
            Err(MoneyError::Overflow)
        );
        assert!(matches!(
            cent.checked_add(Money::new(1, currency("USD"))),
            Err(MoneyError::CurrencyMismatch { .. })
        ));
    }

    #[test]
    fn json_form_is_minor_units_and_code() {
        let money = Money::new(1999, currency("EUR"));
        let json = serde_json::to_string(&money).unwrap();
        assert_eq!(json, r#"{"amount_minor":1999,"currency":"EUR"}"#);
        for bad in [
            r#"{"amount_minor":19.99,"currency":"EUR"}"#,
            r#"{"amount_minor":"1999","currency":"EUR"}"#,
            r#"{"amount_minor":1999}"#,
            r#"{"amount_minor":1999,"currency":"EUR","x":1}"#,
        ] {
            assert!(
                serde_json::from_str::<Money>(bad).is_err(),
                "{bad} was accepted"
            );
        }
    }

    proptest! {
        #[test]
        fn addition_is_exact_or_an_error(a: i64, b: i64) {
            let eur = currency("EUR");
            let sum = Money::new(a, eur).checked_add(Money::new(b, eur));
            let exact = i128::from(a) + i128::from(b);
            let wanted = i64::try_from(exact).map(|fits| Money::new(fits, eur));
            prop_assert_eq!(sum, wanted.map_err(|_| MoneyError::Overflow));
        }

        #[test]
        fn multiplication_is_exact_or_an_error(a: i64, times: u32) {
            let eur = currency("EUR");
            let exact = i128::from(a) * i128::from(times);
            let product = Money::new(a, eur).checked_mul(times);
            prop_assert_eq!(product.ok().map(|m| i128::from(m.amount_minor())), i64::try_from(exact).ok().map(i128::from));
        }
    }
}
