//! Secrets at rest: sealed with AES-256-GCM (NIST SP 800-38D) under a key of the configuration, bound to
//! the place they are kept at, so that one cannot be put in another's.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use core::fmt;
use souk_domain::webhook::{SECRET_BYTES, WebhookSecret};
use souk_domain::{TenantId, Timestamp, WebhookEndpointId};
use souk_postgres::webhooks::SealedSecret;
use std::collections::BTreeMap;

/// Bytes of a key.
pub const SEALING_KEY_BYTES: usize = 32;
/// Keys that open at the same time: the one in use and the one before or after it.
pub const SEALING_KEYS_MAX: usize = 2;

const KEY_ID_BYTES_MAX: usize = 64;
/// Makes these seals unlike any other use of the same key.
const PURPOSE: &[u8] = b"souk webhook secret 1";

/// The keys of secrets at rest: one seals, all open.
pub struct SealingKeys {
    current: String,
    keys: BTreeMap<String, RandomizedNonceKey>,
}

/// Why something is no set of keys. Shows no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeysError {
    /// None, or too many.
    #[error("1 to {SEALING_KEYS_MAX} keys are wanted")]
    Count,
    /// A name that is none.
    #[error("a key's id is 1 to {KEY_ID_BYTES_MAX} of the characters A-Z a-z 0-9 _ -")]
    KeyId,
    /// The key that is to seal is not among them.
    #[error("there is no key with the id of the one that seals")]
    NoCurrentKey,
    /// A key that the cipher does not take.
    #[error("a key is not {SEALING_KEY_BYTES} bytes")]
    Key,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// The key that sealed it is not in the configuration any more.
    #[error("the key {0:?} that sealed a secret is not configured")]
    UnknownKey(String),
    /// What is kept is not what was sealed at this place.
    #[error("a sealed secret was altered, or belongs elsewhere")]
    Altered,
    /// The machine gives no randomness.
    #[error("the machine gives no random bytes")]
    Randomness,
}

/// Where a secret is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretPlace {
    /// Whose.
    pub tenant: TenantId,
    /// Of which endpoint.
    pub endpoint: WebhookEndpointId,
    /// Which of it.
    pub generation: i32,
}

/// A secret that was just made: for its owner, and as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// For its owner.
    pub secret: WebhookSecret,
    /// As it is kept.
    pub sealed: SealedSecret,
}

impl SecretPlace {
    fn bound_to(&self, key_id: &str) -> Vec<u8> {
        let mut text = PURPOSE.to_vec();
        text.extend_from_slice(self.tenant.as_uuid().as_bytes());
        text.extend_from_slice(self.endpoint.as_uuid().as_bytes());
        text.extend_from_slice(&self.generation.to_be_bytes());
        text.extend_from_slice(key_id.as_bytes());
        text
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKeys")
            .field("current", &self.current)
            .field("ids", &self.keys.keys())
            .finish()
    }
}

impl SealingKeys {
    /// `keys` by their ids; that of id `current` seals.
    ///
    /// # Errors
    /// [`SealingKeysError`].
    pub fn new(
        current: String,
        keys: &BTreeMap<String, [u8; SEALING_KEY_BYTES]>,
    ) -> Result<Self, SealingKeysError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let is_id =
            |id: &String| (1..=KEY_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed);
        if !(1..=SEALING_KEYS_MAX).contains(&keys.len()) {
            return Err(SealingKeysError::Count);
        }
        if !keys.keys().all(is_id) {
            return Err(SealingKeysError::KeyId);
        }
        if !keys.contains_key(&current) {
            return Err(SealingKeysError::NoCurrentKey);
        }
        let keys = keys
            .iter()
            .map(|(id, key)| {
                let key = RandomizedNonceKey::new(&AES_256_GCM, key);
                Ok((id.clone(), key.map_err(|_| SealingKeysError::Key)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { current, keys })
    }

    /// Seals `secret` for `place`, made at `now`.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn seal(
        &self,
        secret: &WebhookSecret,
        place: SecretPlace,
        now: Timestamp,
    ) -> Result<SealedSecret, SealingError> {
        let key = self.key(&self.current)?;
        let mut text = secret.bytes().to_vec();
        let bound_to = Aad::from(place.bound_to(&self.current));
        let nonce = key
            .seal_in_place_append_tag(bound_to, &mut text)
            .map_err(|_| SealingError::Randomness)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(SealedSecret {
            generation: place.generation,
            key_id: self.current.clone(),
            sealed,
            created_at: now,
            expires_at: None,
        })
    }

    /// Opens what was sealed for an endpoint.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn open(
        &self,
        sealed: &SealedSecret,
        tenant: TenantId,
        endpoint: WebhookEndpointId,
    ) -> Result<WebhookSecret, SealingError> {
        let key = self.key(&sealed.key_id)?;
        let place = SecretPlace {
            tenant,
            endpoint,
            generation: sealed.generation,
        };
        let (nonce, text) = sealed
            .sealed
            .split_at_checked(NONCE_LEN)
            .ok_or(SealingError::Altered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealingError::Altered)?;
        let mut text = text.to_vec();
        let bound_to = Aad::from(place.bound_to(&sealed.key_id));
        let opened = key
            .open_in_place(nonce, bound_to, &mut text)
            .map_err(|_| SealingError::Altered)?;
        WebhookSecret::new(opened.to_vec()).map_err(|_| SealingError::Altered)
    }

    fn key(&self, id: &str) -> Result<&RandomizedNonceKey, SealingError> {
        let key = self.keys.get(id);
        key.ok_or_else(|| SealingError::UnknownKey(id.to_owned()))
    }
}

/// A secret that nobody has had, from the machine's randomness.
///
/// # Errors
/// [`SealingError::Randomness`].
pub fn fresh_secret() -> Result<WebhookSecret, SealingError> {
    let mut bytes = [0_u8; SECRET_BYTES];
    let random = SystemRandom::new();
    random
        .fill(&mut bytes)
        .map_err(|_| SealingError::Randomness)?;
    WebhookSecret::new(bytes.to_vec()).map_err(|_| SealingError::Randomness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn keys(current: &str, all: &[(&str, u8)]) -> Result<SealingKeys, SealingKeysError> {
        let all = all.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32]));
        SealingKeys::new(current.to_owned(), &all.collect())
    }

    fn place() -> SecretPlace {
        SecretPlace {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            endpoint: WebhookEndpointId::from_uuid(Uuid::from_u128(2)),
            generation: 1,
        }
    }

    #[test]
    fn what_is_sealed_is_opened_also_by_the_next_key_set() {
        let secret = fresh_secret().unwrap();
        let (old, new) = (keys("a", &[("a", 1)]), keys("b", &[("a", 1), ("b", 2)]));
        let (old, new) = (old.unwrap(), new.unwrap());
        let place = place();
        let sealed = old.seal(&secret, place, Timestamp::UNIX_EPOCH).unwrap();
        for keys in [&old, &new] {
            let opened = keys.open(&sealed, place.tenant, place.endpoint);
            assert_eq!(opened.as_ref(), Ok(&secret));
        }
        let by_new = new.seal(&secret, place, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(by_new.key_id, "b");
        let unknown = old.open(&by_new, place.tenant, place.endpoint);
        assert_eq!(unknown, Err(SealingError::UnknownKey("b".to_owned())));
        // Not twice the same, and never the secret itself.
        let again = new.seal(&secret, place, Timestamp::UNIX_EPOCH).unwrap();
        assert_ne!(again.sealed, by_new.sealed);
        let bytes = secret.bytes();
        assert!(!sealed.sealed.windows(8).any(|part| bytes.starts_with(part)));
    }

    #[test]
    fn nothing_altered_or_moved_is_opened() {
        let keys = keys("a", &[("a", 1), ("b", 1)]).unwrap();
        let place = place();
        let secret = fresh_secret().unwrap();
        let sealed = keys.seal(&secret, place, Timestamp::UNIX_EPOCH).unwrap();
        let altered = Err(SealingError::Altered);
        for n in 0..sealed.sealed.len() {
            let mut other = sealed.clone();
            other.sealed[n] ^= 1;
            assert_eq!(
                keys.open(&other, place.tenant, place.endpoint),
                altered,
                "byte {n}"
            );
        }
        let other_tenant = TenantId::from_uuid(Uuid::from_u128(3));
        assert_eq!(keys.open(&sealed, other_tenant, place.endpoint), altered);
        let other_endpoint = WebhookEndpointId::from_uuid(Uuid::from_u128(3));
        assert_eq!(keys.open(&sealed, place.tenant, other_endpoint), altered);
        let other_generation = SealedSecret {
            generation: 2,
            ..sealed.clone()
        };
        assert_eq!(
            keys.open(&other_generation, place.tenant, place.endpoint),
            altered
        );
        // The same bytes under another name.
        let other_key = SealedSecret {
            key_id: "b".to_owned(),
            ..sealed.clone()
        };
        assert_eq!(keys.open(&other_key, place.tenant, place.endpoint), altered);
        for short in [0, 11, 12, 27] {
            let cut = SealedSecret {
                sealed: sealed.sealed[..short].to_vec(),
                ..sealed.clone()
            };
            assert_eq!(
                keys.open(&cut, place.tenant, place.endpoint),
                altered,
                "{short}"
            );
        }
    }

    #[test]
    fn one_or_two_keys() {
        assert_eq!(keys("a", &[]).unwrap_err(), SealingKeysError::Count);
        let three = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(keys("a", &three).unwrap_err(), SealingKeysError::Count);
        assert_eq!(
            keys("b", &[("a", 1)]).unwrap_err(),
            SealingKeysError::NoCurrentKey
        );
        assert_eq!(keys("ä", &[("ä", 1)]).unwrap_err(), SealingKeysError::KeyId);
        let shown = format!("{:?}", keys("a", &[("a", 7)]).unwrap());
        assert!(shown.contains("\"a\"") && !shown.contains('7'), "{shown}");
    }
}
