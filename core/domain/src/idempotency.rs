//! Idempotency keys and request fingerprints (draft-ietf-httpapi-idempotency-key-header).

use core::fmt;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Bytes in an idempotency key at most, quotes and escapes not counted.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long a key is kept, in hours.
pub const IDEMPOTENCY_KEY_TTL_HOURS: i64 = 24;

/// A client's name for one request, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

/// Why a header value is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdempotencyKeyError {
    /// Nothing between the quotes, or nothing at all.
    #[error("the key is empty")]
    Empty,
    /// Too many bytes.
    #[error("the key is longer than {IDEMPOTENCY_KEY_BYTES_MAX} bytes")]
    TooLong,
    /// Neither a structured-field string nor a plain token.
    #[error(
        "the key is neither a quoted string (RFC 9651, section 3.3.3) nor visible ASCII without \
         quotes, commas and spaces"
    )]
    Malformed,
}

impl IdempotencyKey {
    /// Reads the header's value. The draft's quoted form (`"k"`) and the raw form that most clients
    /// send (`k`) are both taken, and name the same key. A comma is refused in the raw form, since
    /// it cannot be told from two header lines joined into one.
    pub fn parse(value: &str) -> Result<Self, IdempotencyKeyError> {
        let value = value.trim_matches([' ', '\t']);
        let key = match value.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None => plain(value)?,
        };
        match key.len() {
            0 => Err(IdempotencyKeyError::Empty),
            1..=IDEMPOTENCY_KEY_BYTES_MAX => Ok(Self(key)),
            _ => Err(IdempotencyKeyError::TooLong),
        }
    }

    /// The key itself, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn plain(value: &str) -> Result<String, IdempotencyKeyError> {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b'\\');
    if value.bytes().all(allowed) {
        return Ok(value.to_owned());
    }
    Err(IdempotencyKeyError::Malformed)
}

/// RFC 9651, section 4.2.5, after the opening quote; nothing may follow the closing one.
fn unquote(rest: &str) -> Result<String, IdempotencyKeyError> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.as_str().is_empty() => return Ok(key),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(IdempotencyKeyError::Malformed),
            },
            ' '..='~' if c != '"' => key.push(c),
            _ => return Err(IdempotencyKeyError::Malformed),
        }
    }
    Err(IdempotencyKeyError::Malformed)
}

/// What a request asked for, as 32 bytes: two requests with one fingerprint ask for the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestFingerprint([u8; 32]);

/// Why a request has no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("the body has no canonical JSON form")]
pub struct FingerprintError(#[source] serde_json::Error);

impl RequestFingerprint {
    /// SHA-256 over method, path and body. The body counts in its canonical form (RFC 8785), so
    /// that a client that writes the same object in other whitespace or member order is not taken
    /// for one that changed its mind. Each part is preceded by its length, so that no two different
    /// triples can give the same input.
    pub fn new(
        method: &str,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Self, FingerprintError> {
        let canonical = match body {
            Some(value) => serde_jcs::to_vec(value).map_err(FingerprintError)?,
            None => Vec::new(),
        };
        let mut hasher = Sha256::new();
        for part in [method.as_bytes(), path.as_bytes(), &canonical] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            hasher.update(length.to_be_bytes());
            hasher.update(part);
        }
        Ok(Self(hasher.finalize().into()))
    }

    /// From the stored form.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The stored form.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RequestFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn quoted_and_raw_forms_name_the_same_key() {
        let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
        assert_eq!(
            IdempotencyKey::parse(uuid).unwrap(),
            IdempotencyKey::parse(&format!("\"{uuid}\"")).unwrap()
        );
        assert_eq!(
            IdempotencyKey::parse(r#""a \"b\" \\""#).unwrap().as_str(),
            r#"a "b" \"#
        );
        assert_eq!(IdempotencyKey::parse(" k ").unwrap().as_str(), "k");
    }

    #[test]
    fn refuses_what_is_neither() {
        use IdempotencyKeyError::{Empty, Malformed, TooLong};
        let long = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1);
        for (value, error) in [
            ("", Empty),
            ("\"\"", Empty),
            ("\"", Malformed),
            ("\"open", Malformed),
            ("\"a\";p=1", Malformed),
            ("\"a\", \"b\"", Malformed),
            ("a,b", Malformed),
            ("a b", Malformed),
            ("a\"b", Malformed),
            ("\"bad \\n escape\"", Malformed),
            ("\"schlüssel\"", Malformed),
            ("schlüssel", Malformed),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(IdempotencyKey::parse(value), Err(error), "{value:?}");
        }
        assert!(IdempotencyKey::parse(&"k".repeat(IDEMPOTENCY_KEY_BYTES_MAX)).is_ok());
    }

    /// The example of RFC 8785, sections 3.2.2 to 3.2.4.
    #[test]
    fn canonical_json_follows_rfc_8785() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let value: serde_json::Value = serde_json::from_str(input).unwrap();
        assert_eq!(
            serde_jcs::to_string(&value).unwrap(),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        // Section 3.2.3: members are sorted by UTF-16 code units, not by code points.
        let sorted = serde_jcs::to_string(&json!({
            "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7
        }))
        .unwrap();
        assert_eq!(
            sorted,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn fingerprint_sees_method_path_and_body_but_not_their_spelling() {
        let of = |method, path, body: &str| {
            let value: serde_json::Value = serde_json::from_str(body).unwrap();
            RequestFingerprint::new(method, path, Some(&value)).unwrap()
        };
        let first = of("POST", "/v1/orders", r#"{"a":1,"b":[1,2]}"#);
        assert_eq!(
            first,
            of("POST", "/v1/orders", "{ \"b\": [1, 2], \"a\": 1.0 }")
        );
        assert_ne!(first, of("PUT", "/v1/orders", r#"{"a":1,"b":[1,2]}"#));
        assert_ne!(first, of("POST", "/v1/order", r#"{"a":1,"b":[1,2]}"#));
        assert_ne!(first, of("POST", "/v1/orders", r#"{"a":1,"b":[2,1]}"#));
        assert_ne!(
            first,
            RequestFingerprint::new("POST", "/v1/orders", None).unwrap()
        );
        // Parts cannot run into each other.
        assert_ne!(
            RequestFingerprint::new("POST", "S/x", None).unwrap(),
            RequestFingerprint::new("POSTS", "/x", None).unwrap()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_a_named_error(text in "\\PC*") {
            if let Ok(key) = IdempotencyKey::parse(&text) {
                prop_assert!((1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.as_str().len()));
                prop_assert!(key.as_str().is_ascii());
            }
        }

        #[test]
        fn quoting_a_key_changes_nothing(key in "[ -~]{1,255}") {
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let parsed = IdempotencyKey::parse(&quoted).unwrap();
            prop_assert_eq!(parsed.as_str(), key);
        }
    }
}
