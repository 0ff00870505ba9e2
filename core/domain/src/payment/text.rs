//! Texts that come with commands on payments.

use super::PaymentError;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Bytes of a payment method's token at most.
pub const PAYMENT_METHOD_BYTES_MAX: usize = 128;
/// Bytes of an address to come back to at most.
pub const RETURN_URL_BYTES_MAX: usize = 2_048;
/// Bytes of a reason at most.
pub const REASON_BYTES_MAX: usize = 64;

/// The PSP's token of a payment method, such as `pm_card_visa`. Never card data: a number of a card has
/// only digits, and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PaymentMethodToken(String);

/// Where the customer comes back to from the bank: an https URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ReturnUrl(String);

/// A word for why: for programs to tell cases apart, and no place for personal data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Reason(String);

/// What somebody else says in a word, for an event: its beginning, where it is longer than a word of ours may be. An
/// event has room for words, not for whatever a PSP may answer.
pub(super) fn told_word(said: &str) -> String {
    let mut end = said.len().min(REASON_BYTES_MAX);
    while !said.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    said.get(..end).unwrap_or_default().to_owned()
}

macro_rules! text {
    ($name:ident, $error:ident, $fits:expr) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = PaymentError;

            fn from_str(text: &str) -> Result<Self, PaymentError> {
                let fits: fn(&str) -> bool = $fits;
                fits(text)
                    .then(|| Self(text.to_owned()))
                    .ok_or(PaymentError::$error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

text!(PaymentMethodToken, InvalidPaymentMethod, |text| {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=PAYMENT_METHOD_BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|b| b.is_ascii_alphabetic())
});
text!(ReturnUrl, InvalidReturnUrl, |text| {
    text.len() <= RETURN_URL_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic())
        && text.strip_prefix("https://").is_some_and(|rest| {
            rest.bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphanumeric())
        })
});
text!(Reason, InvalidReason, |text| {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=REASON_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
});

impl Reason {
    /// What the sweeper says when an authorization has run out.
    pub fn authorization_expired() -> Self {
        Self("authorization_expired".to_owned())
    }

    /// The PSP has ended the payment by itself.
    pub(super) fn canceled_by_provider() -> Self {
        Self("canceled_by_provider".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_and_open_texts_are_refused() {
        assert!("pm_card_visa".parse::<PaymentMethodToken>().is_ok());
        for bad in [
            "",
            "4242424242424242",
            "4242-4242",
            "pm card",
            "pm_é",
            &"p".repeat(129),
        ] {
            assert!(bad.parse::<PaymentMethodToken>().is_err(), "{bad:?}");
        }
        assert!("https://shop.example/back?a=b".parse::<ReturnUrl>().is_ok());
        for bad in [
            "",
            "http://shop.example",
            "https://",
            "https:// a",
            "javascript:x",
        ] {
            assert!(bad.parse::<ReturnUrl>().is_err(), "{bad:?}");
        }
        assert!("customer_request".parse::<Reason>().is_ok());
        for bad in ["", "Ms. Miller called", &"x".repeat(65)] {
            assert!(bad.parse::<Reason>().is_err(), "{bad:?}");
        }
    }
}
