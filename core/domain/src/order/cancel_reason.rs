//! Why an order was cancelled.

use super::OrderError;
use core::fmt;
use core::str::FromStr;
use serde::Serialize;

/// Bytes in a reason at most.
pub const CANCEL_REASON_BYTES_MAX: usize = 64;

/// A word for why an order was cancelled, such as `customer_request`: for programs to tell cases
/// apart, and no place for personal data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct CancelReason(String);

impl CancelReason {
    /// Nobody has confirmed or paid in time.
    pub fn reservation_expired() -> Self {
        Self("reservation_expired".to_owned())
    }

    /// The payment came when the reservation had run out, and others had bought the stock by then: the
    /// money goes back.
    pub fn sold_out_before_payment() -> Self {
        Self("sold_out_before_payment".to_owned())
    }

    /// What was held for the order was released before anything was delivered, by the merchant or
    /// because an authorization does not last for ever.
    pub fn payment_voided() -> Self {
        Self("payment_voided".to_owned())
    }

    /// All of the money went back before the order was confirmed.
    pub fn payment_refunded() -> Self {
        Self("payment_refunded".to_owned())
    }

    /// Whether it is a word that only Souk itself may use, because it acts on it, or a client reads from
    /// it what Souk did.
    pub fn is_reserved(&self) -> bool {
        [
            Self::reservation_expired(),
            Self::sold_out_before_payment(),
            Self::payment_voided(),
            Self::payment_refunded(),
        ]
        .contains(self)
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CancelReason {
    type Err = OrderError;

    fn from_str(word: &str) -> Result<Self, OrderError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if (1..=CANCEL_REASON_BYTES_MAX).contains(&word.len()) && word.bytes().all(allowed) {
            return Ok(Self(word.to_owned()));
        }
        Err(OrderError::InvalidCancelReason)
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
