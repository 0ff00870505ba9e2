//! API keys: how one is presented and how it is found among a tenant's.

use crate::route::{KeyRecord, RouteRecord};
use core::fmt;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What an API key begins with.
pub const KEY_PREFIX: &str = "souk_sk_";
/// Characters after the prefix at least: 190 bits of 62 characters.
pub const KEY_CHARS_MIN: usize = 32;
/// Characters after the prefix at most.
pub const KEY_CHARS_MAX: usize = 128;

/// The digest of an API key that a caller presented. The key itself is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    sha256: [u8; 32],
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").finish_non_exhaustive()
    }
}

impl PresentedKey {
    /// Digests a text of the form of an API key; nothing where it has another form.
    pub fn new(key: &str) -> Option<Self> {
        let secret = key.strip_prefix(KEY_PREFIX)?;
        let fits = (KEY_CHARS_MIN..=KEY_CHARS_MAX).contains(&secret.len());
        let well_formed = fits && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self {
            sha256: Sha256::digest(key.as_bytes()).into(),
        })
    }

    /// The key of the tenant with this digest. Every key is compared, in constant time each, so that
    /// how long it takes tells nothing about which one was nearly met.
    pub fn find<'a>(&self, record: &'a RouteRecord) -> Option<&'a KeyRecord> {
        let mut found = None;
        for key in &record.keys {
            if bool::from(key.sha256.ct_eq(&self.sha256)) {
                found = Some(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_form() {
        let good = format!("souk_sk_{}", "aZ09".repeat(8));
        assert!(PresentedKey::new(&good).is_some());
        for bad in [
            "",
            "souk_sk_",
            &format!("souk_sk_{}", "a".repeat(31)),
            &format!("souk_sk_{}", "a".repeat(129)),
            &format!("souk_pk_{}", "a".repeat(32)),
            &format!("souk_sk_{}-", "a".repeat(32)),
            &format!(" {good}"),
            &format!("{good}="),
        ] {
            assert!(PresentedKey::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn is_not_printed() {
        let key = PresentedKey::new(&format!("souk_sk_{}", "a".repeat(32))).unwrap();
        assert_eq!(format!("{key:?}"), "PresentedKey { .. }");
    }
}
