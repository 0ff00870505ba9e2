//! The keys of quotes, from the configuration.

use crate::config::{ConfigError, Lookup};
use souk_domain::pricing::QuoteKeys;

/// The keys of quotes: a JSON object of key id to base64 of 32 bytes, one or two entries. All of them
/// are accepted.
pub const QUOTE_KEYS: &str = "SOUK_QUOTE_KEYS";
/// The id of the one that signs.
pub const QUOTE_KEY_ID: &str = "SOUK_QUOTE_KEY_ID";

/// Reads them.
pub fn quote_keys(lookup: &Lookup<'_>) -> Result<QuoteKeys, ConfigError> {
    let keys = lookup.keys_of_32_bytes(QUOTE_KEYS)?;
    QuoteKeys::new(lookup.required(QUOTE_KEY_ID)?, keys).map_err(|error| ConfigError::Invalid {
        variable: QUOTE_KEYS,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    fn read(keys: &str, id: &str) -> Result<QuoteKeys, ConfigError> {
        let value = |name: &str| match name {
            QUOTE_KEYS => Some(keys.to_owned()),
            QUOTE_KEY_ID => Some(id.to_owned()),
            _ => None,
        };
        quote_keys(&Lookup::new(&value))
    }

    #[test]
    fn one_or_two_keys_are_read_and_never_shown() {
        let [one, two] = [[1; 32], [2; 32]].map(|key| BASE64.encode(key));
        assert!(read(&format!(r#"{{"a":"{one}"}}"#), "a").is_ok());
        let both = format!(r#"{{"a":"{one}","b":"{two}"}}"#);
        assert!(read(&both, "b").is_ok());
        let short = format!(r#"{{"a":"{}"}}"#, BASE64.encode([7; 31]));
        for (keys, id) in [
            ("", "a"),
            ("[]", "a"),
            ("{}", "a"),
            (short.as_str(), "a"),
            (r#"{"a":"?"}"#, "a"),
            (both.as_str(), "c"),
            (both.as_str(), ""),
        ] {
            let error = read(keys, id).unwrap_err().to_string();
            assert!(error.contains("SOUK_QUOTE_KEY"), "{error}");
            assert!(!error.contains(&one) && !error.contains("BwcH"), "{error}");
        }
    }
}
