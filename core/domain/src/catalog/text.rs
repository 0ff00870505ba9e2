//! The texts of a catalog, each with its bounds.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;

/// Characters in a title at most.
pub const TITLE_CHARS_MAX: usize = 200;
/// Characters in a description at most.
pub const DESCRIPTION_CHARS_MAX: usize = 5_000;
/// Attributes of a product or variant at most.
pub const ATTRIBUTES_MAX: usize = 50;
/// Bytes in an attribute's name at most.
const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;
/// Characters in an attribute's value at most.
const ATTRIBUTE_VALUE_CHARS_MAX: usize = 500;

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CatalogTextError {
    /// Not a product's code.
    #[error("a product code is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    ProductCode,
    /// Not a location.
    #[error("a location is 1 to 32 of the characters a-z 0-9 _ -")]
    Location,
    /// Not a title.
    #[error("a title is 1 to {TITLE_CHARS_MAX} printable characters, with no space at either end")]
    Title,
    /// Not a description.
    #[error(
        "a description is at most {DESCRIPTION_CHARS_MAX} characters: printable ones, line breaks \
         and tabs"
    )]
    Description,
    /// Too many attributes.
    #[error("at most {ATTRIBUTES_MAX} attributes are kept")]
    AttributeCount,
    /// Not an attribute's name.
    #[error("an attribute's name is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    AttributeName,
    /// Not an attribute's value.
    #[error("an attribute's value is 1 to {ATTRIBUTE_VALUE_CHARS_MAX} printable characters")]
    AttributeValue,
    /// Names no status of a product or variant.
    #[error("unknown status")]
    Status,
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $error:ident) => {
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

        impl FromStr for $name {
            type Err = CatalogTextError;

            fn from_str(text: &str) -> Result<Self, CatalogTextError> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(CatalogTextError::$error)
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

text_type!(
    /// A product's code, chosen by the shop.
    ProductCode,
    is_code,
    ProductCode
);
text_type!(
    /// Where stock lies, such as `main` or `berlin-2`.
    Location,
    |text| (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')),
    Location
);
text_type!(
    /// A name for people.
    Title,
    |text| text.trim() == text && is_printable(text, TITLE_CHARS_MAX) && !text.is_empty(),
    Title
);
text_type!(
    /// A longer text for people; may be empty.
    Description,
    |text| text.chars().count() <= DESCRIPTION_CHARS_MAX
        && text
            .chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')),
    Description
);

impl Description {
    /// Nothing.
    pub const fn empty() -> Self {
        Self(String::new())
    }
}

impl Location {
    /// Where stock lies of which nobody has said where.
    pub fn main() -> Self {
        Self("main".to_owned())
    }
}

fn is_code(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_printable(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

/// What else a shop says of a product or variant: names and values, in order of names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// Checks every name and value; errors come with the name they are about, or none.
    pub fn new(
        entries: BTreeMap<String, String>,
    ) -> Result<Self, Vec<(Option<String>, CatalogTextError)>> {
        let mut errors = Vec::new();
        if entries.len() > ATTRIBUTES_MAX {
            errors.push((None, CatalogTextError::AttributeCount));
        }
        // What is said about wrong entries is bounded as well.
        for (name, value) in entries.iter().take(ATTRIBUTES_MAX) {
            if !is_code(name) {
                errors.push((Some(name.clone()), CatalogTextError::AttributeName));
            } else if value.is_empty() || !is_printable(value, ATTRIBUTE_VALUE_CHARS_MAX) {
                errors.push((Some(name.clone()), CatalogTextError::AttributeValue));
            }
        }
        if errors.is_empty() {
            return Ok(Self(entries));
        }
        Err(errors)
    }

    /// By name.
    pub const fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_and_characters() {
        assert!("TEA-green_1.5".parse::<ProductCode>().is_ok());
        for bad in ["", "a b", "ü", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<ProductCode>().is_err(), "{bad:?}");
        }
        assert!("berlin-2".parse::<Location>().is_ok());
        for bad in ["", "Berlin", "a.b", &"x".repeat(33)] {
            assert!(bad.parse::<Location>().is_err(), "{bad:?}");
        }
        assert!("Grüner Tee 🍵".parse::<Title>().is_ok());
        for bad in ["", " ", " a", "a ", "a\nb", "a\0b", &"x".repeat(201)] {
            assert!(bad.parse::<Title>().is_err(), "{bad:?}");
        }
        assert!("".parse::<Description>().is_ok());
        assert!("a\n\tb".parse::<Description>().is_ok());
        for bad in ["a\0b", &"x".repeat(5_001)] {
            assert!(bad.parse::<Description>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_wrong_attribute_is_named() {
        let entries = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        assert!(Attributes::new(entries(&[("colour", "green"), ("size.eu", "42")])).is_ok());
        let errors = Attributes::new(entries(&[("a b", "x"), ("c", ""), ("d", "\u{7}")]));
        assert_eq!(
            errors.unwrap_err(),
            [
                (Some("a b".to_owned()), CatalogTextError::AttributeName),
                (Some("c".to_owned()), CatalogTextError::AttributeValue),
                (Some("d".to_owned()), CatalogTextError::AttributeValue),
            ]
        );
        let many = (0..=ATTRIBUTES_MAX).map(|n| (n.to_string(), "x".to_owned()));
        assert_eq!(
            Attributes::new(many.collect()).unwrap_err(),
            [(None, CatalogTextError::AttributeCount)]
        );
    }

    proptest! {
        #[test]
        fn what_is_a_title_can_be_stored_and_read_back(text in "\\PC{0,8}[\\x00-\\x1f ]?\\PC{0,8}") {
            if let Ok(title) = text.parse::<Title>() {
                prop_assert!(!title.as_str().contains('\0'));
                let json = serde_json::to_string(&title).unwrap();
                prop_assert_eq!(serde_json::from_str::<Title>(&json).unwrap(), title);
            }
        }
    }
}
