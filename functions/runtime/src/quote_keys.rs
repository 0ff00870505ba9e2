//! The keys of quotes, from the configuration.

use crate::config::{ConfigError, Lookup};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use souk_domain::pricing::{QUOTE_KEY_BYTES, QuoteKeys};
use std::collections::BTreeMap;

/// The keys of quotes: a JSON object of key id to base64 of 32 bytes, one or two entries. All of them
/// are accepted.
pub const QUOTE_KEYS: &str = "SOUK_QUOTE_KEYS";
/// The id of the one that signs.
pub const QUOTE_KEY_ID: &str = "SOUK_QUOTE_KEY_ID";

/// Reads them.
pub fn quote_keys(lookup: &Lookup<'_>) -> Result<QuoteKeys, ConfigError> {
    let invalid = |variable, reason: String| ConfigError::Invalid { variable, reason };
    let entries: BTreeMap<String, String> = serde_json::from_str(&lookup.required(QUOTE_KEYS)?)
        .map_err(|_| {
            let reason = "a JSON object of key id to base64 is wanted";
            invalid(QUOTE_KEYS, reason.to_owned())
        })?;
    let keys = entries
        .into_iter()
        .map(|(id, secret)| {
            let bytes = BASE64.decode(secret).unwrap_or_default();
            let key = <[u8; QUOTE_KEY_BYTES]>::try_from(bytes).map_err(|_| {
                let reason = format!("the key {id:?} is not {QUOTE_KEY_BYTES} bytes in base64");
                invalid(QUOTE_KEYS, reason)
            })?;
            Ok((id, key))
        })
        .collect::<Result<_, _>>()?;
    QuoteKeys::new(lookup.required(QUOTE_KEY_ID)?, keys)
        .map_err(|error| invalid(QUOTE_KEYS, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
