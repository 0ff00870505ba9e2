//! Who is asking.

use core::fmt;
use core::str::FromStr;

/// Bytes in a principal's name at most.
pub const PRINCIPAL_BYTES_MAX: usize = 128;

/// The caller as the edge authenticated it: an API key's id or a token's subject. It names who asks,
/// never with which secret, so a renewed token of the same subject keeps its idempotency keys, and so
/// does an API key that replaces another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(String);

/// A text that names no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a principal is 1 to {PRINCIPAL_BYTES_MAX} visible ASCII characters")]
pub struct PrincipalError;

impl Principal {
    /// Souk itself, when it cancels what nobody has confirmed in time.
    pub fn sweeper() -> Self {
        Self("souk-sweeper".to_owned())
    }

    /// Souk itself, when it does what an order's process wants.
    pub fn order_process() -> Self {
        Self("souk-order-process".to_owned())
    }

    /// Souk itself, when it settles payments.
    pub fn payments() -> Self {
        Self("souk-payments".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(name: &str) -> Result<Self, PrincipalError> {
        let length_fits = (1..=PRINCIPAL_BYTES_MAX).contains(&name.len());
        if length_fits && name.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(name.to_owned()));
        }
        Err(PrincipalError)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_characters() {
        assert!(
            "key_0197c0de8f2b7c3a9d4e5f6071829304"
                .parse::<Principal>()
                .is_ok()
        );
        assert!("auth0|user@example".parse::<Principal>().is_ok());
        for bad in ["", "a b", "a\nb", "ü", &"x".repeat(PRINCIPAL_BYTES_MAX + 1)] {
            assert_eq!(bad.parse::<Principal>(), Err(PrincipalError), "{bad:?}");
        }
    }
}
