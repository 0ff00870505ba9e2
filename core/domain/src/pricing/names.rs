//! The names that rules are made of.

use super::PricingError;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, de};

/// A country: two letters, ISO 3166-1 alpha-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// The two letters.
    pub fn as_str(&self) -> &str {
        // Two ASCII letters by construction.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for CountryCode {
    type Err = PricingError;

    fn from_str(text: &str) -> Result<Self, PricingError> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([*a, *b])),
            _ => Err(PricingError::InvalidCountry),
        }
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CountryCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CountryCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:expr, $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = PricingError;

            fn from_str(text: &str) -> Result<Self, PricingError> {
                let allowed: fn(u8) -> bool = $allowed;
                if (1..=$max).contains(&text.len()) && text.bytes().all(allowed) {
                    return Ok(Self(text.to_owned()));
                }
                Err(PricingError::$error)
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

text_type!(
    /// What a buyer types in to get a discount. Capitals matter.
    DiscountCode, 64,
    |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'),
    InvalidDiscountCode
);
text_type!(
    /// What a merchant calls a discount; unique among the tenant's.
    DiscountName, 64,
    |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'),
    InvalidDiscountName
);
text_type!(
    /// How a sku is taxed, such as `standard` or `reduced`.
    TaxCategory, 32,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_',
    InvalidTaxCategory
);
