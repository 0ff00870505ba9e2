//! Secrets and signatures, as the Standard Webhooks specification has them ("Signature scheme").

use crate::{EventId, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::fmt;
use core::str::FromStr;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a secret that Souk makes.
pub const SECRET_BYTES: usize = 32;
/// Bytes of a secret at least.
pub const SECRET_BYTES_MIN: usize = 24;
/// Bytes of a secret at most.
pub const SECRET_BYTES_MAX: usize = 64;
/// Secrets that sign at the same time, at most.
pub const SECRETS_LIVE_MAX: usize = 4;

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1";

/// What a tenant's system verifies signatures with. Its text is shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// A text, or bytes, that are no secret. Shows neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and the base64 of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")]
pub struct SecretError;

impl WebhookSecret {
    /// Of bytes that nobody else knows.
    ///
    /// # Errors
    /// When they are too few or too many.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretError> {
        if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            return Ok(Self(bytes));
        }
        Err(SecretError)
    }

    /// The bytes, to be sealed.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that its owner gets.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// `v1,` and the base64 of HMAC-SHA-256 over id, time and body.
    fn signature(&self, signed: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(signed);
        let tag = mac.finalize().into_bytes();
        Some(format!("{VERSION},{}", BASE64.encode(tag)))
    }
}

impl FromStr for WebhookSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SecretError)?;
        Self::new(bytes)
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The value of `webhook-signature`: the message signed with each of `secrets`, separated by spaces. What
/// is signed is id, seconds since the Unix epoch and body, joined by points.
pub fn signatures(secrets: &[WebhookSecret], id: EventId, at: Timestamp, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", at.unix_s());
    let each = secrets
        .iter()
        .filter_map(|secret| secret.signature(signed.as_bytes()));
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    /// The specification's own example, of its reference libraries' tests.
    #[test]
    fn the_published_example() {
        let secret: WebhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signed = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        assert_eq!(
            secret.signature(signed).as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn every_secret_signs() {
        let secrets = [1_u8, 2].map(|byte| WebhookSecret::new(vec![byte; 32]).unwrap());
        let id = EventId::from_uuid(Uuid::nil());
        let at = Timestamp::from_unix_ms(1_614_265_330_999).unwrap();
        let both = signatures(&secrets, id, at, "{}");
        let [first, second] = secrets
            .each_ref()
            .map(|one| signatures(core::slice::from_ref(one), id, at, "{}"));
        assert_eq!(both, format!("{first} {second}"));
        assert_ne!(first, second);
        let signed = format!("{id}.1614265330.{{}}");
        assert_eq!(secrets[0].signature(signed.as_bytes()), Some(first));
    }

    #[test]
    fn lengths_and_forms() {
        for length in [0, 23, 65, 1_000] {
            assert_eq!(
                WebhookSecret::new(vec![0; length]),
                Err(SecretError),
                "{length}"
            );
        }
        for bad in [
            "",
            "whsec_",
            "whsec_!!!!",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAAA",
        ] {
            assert!(bad.parse::<WebhookSecret>().is_err(), "{bad}");
        }
        let secret = WebhookSecret::new(vec![7; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }

    proptest! {
        #[test]
        fn its_text_is_read_back(bytes in prop::collection::vec(any::<u8>(), 24..=64)) {
            let secret = WebhookSecret::new(bytes).unwrap();
            prop_assert_eq!(secret.reveal().parse::<WebhookSecret>().unwrap(), secret);
        }

        #[test]
        fn each_part_changes_the_signature(
            secret in prop::collection::vec(any::<u8>(), 24..=64), at_s in 0_i64..4_000_000_000,
            id: u128, body in "\\PC{0,40}", flipped in 0_usize..24
        ) {
            let sign = |secret: &[u8], id, at_s: i64, body: &str| {
                let at = Timestamp::from_unix_ms(at_s * 1_000).unwrap();
                let secrets = [WebhookSecret::new(secret.to_vec()).unwrap()];
                signatures(&secrets, EventId::from_uuid(Uuid::from_u128(id)), at, body)
            };
            let right = sign(&secret, id, at_s, &body);
            let mut other = secret.clone();
            other[flipped] ^= 1;
            prop_assert_ne!(&sign(&other, id, at_s, &body), &right);
            prop_assert_ne!(&sign(&secret, id ^ 1, at_s, &body), &right);
            prop_assert_ne!(&sign(&secret, id, at_s + 1, &body), &right);
            prop_assert_ne!(&sign(&secret, id, at_s, &format!("{body} ")), &right);
        }
    }
}
