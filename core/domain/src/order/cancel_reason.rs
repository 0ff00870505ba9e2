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
    /// What the sweeper says when it cancels; nobody else may.
    pub fn reservation_expired() -> Self {
        Self("reservation_expired".to_owned())
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
