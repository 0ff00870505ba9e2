//! When the money of a payment is taken.

use super::PaymentError;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// When the money of a payment is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMethod {
    /// With the authorization.
    Automatic,
    /// Later, by captures of its own.
    Manual,
}

impl CaptureMethod {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

impl FromStr for CaptureMethod {
    type Err = PaymentError;

    fn from_str(name: &str) -> Result<Self, PaymentError> {
        [Self::Automatic, Self::Manual]
            .into_iter()
            .find(|method| method.as_str() == name)
            .ok_or(PaymentError::UnknownCaptureMethod)
    }
}
