//! The border to the edge's key-value store.

use core::future::Future;
use souk_policy::settings::SETTINGS_KEY;

/// What keys of routes begin with.
const PREFIXES: [&str; 2] = ["host:", "tenant:"];

/// Whether entries of this key are published. The edge itself may keep others in its store.
pub fn is_published_key(key: &str) -> bool {
    key == SETTINGS_KEY || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// An entry as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its key.
    pub key: String,
    /// The digest that was written with it: SHA-256 of the value in lower-case hexadecimal digits. None
    /// where something else has written it.
    pub sha256: Option<String>,
}

/// An entry to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryToStore {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The value's digest, to be kept with it.
    pub sha256: String,
    /// The publication that it is of, to be kept with it.
    pub publication: u64,
}

/// Whose fault it is that the store does not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeStoreErrorKind {
    /// The request's: repeated unchanged, it will be refused again.
    Refused,
    /// The store's, or that of the way to it, and repeating did not help. What was to be written may have
    /// been.
    Unavailable,
}

/// Why the store does not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EdgeStoreError {
    /// Whose fault it is.
    pub kind: EdgeStoreErrorKind,
    /// In words for an operator; never a secret.
    pub reason: String,
}

impl EdgeStoreError {
    /// The store does not want it.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            kind: EdgeStoreErrorKind::Refused,
            reason: reason.into(),
        }
    }

    /// The store does not answer, or not well.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            kind: EdgeStoreErrorKind::Unavailable,
            reason: reason.into(),
        }
    }
}

/// The edge's key-value store. It repeats what is worth repeating, and answers within
/// [`super::LEASE_S`] seconds.
pub trait EdgeStore: Send + Sync {
    /// All its keys, in any order; possibly as they were a minute ago.
    fn list(&self) -> impl Future<Output = Result<Vec<StoredEntry>, EdgeStoreError>> + Send;

    /// Writes entries. Returns the keys of those that it has not taken.
    fn put(
        &self,
        entries: &[EntryToStore],
    ) -> impl Future<Output = Result<Vec<String>, EdgeStoreError>> + Send;

    /// Removes entries, also where there are none. Returns the keys of those that it has not removed.
    fn delete(
        &self,
        keys: &[String],
    ) -> impl Future<Output = Result<Vec<String>, EdgeStoreError>> + Send;
}
