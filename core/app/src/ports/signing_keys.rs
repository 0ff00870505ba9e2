//! Where the keys of the edge's signatures are kept, and where they sign.

use crate::signing_keys::SigningRing;
use core::future::Future;

/// Why a vault or a signer has not done what was wanted, in words for an operator; no key is in them. It may have
/// been done all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyStoreError(pub String);

/// A ring, and which version of its text that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRing {
    /// The ring.
    pub ring: SigningRing,
    /// The vault's own name of this version.
    pub version: String,
}

/// Keeps the ring and gives it to verifiers. Calls are bounded in time by the implementation.
pub trait KeyVault: Send + Sync {
    /// The ring as it is.
    fn read(&self) -> impl Future<Output = Result<KeptRing, KeyStoreError>> + Send;

    /// Puts `ring` in the place of the version `read`; false, and nothing is changed, where another has taken that
    /// place meanwhile. After an error either may be so.
    fn replace(
        &self,
        read: &str,
        ring: &SigningRing,
    ) -> impl Future<Output = Result<bool, KeyStoreError>> + Send;

    /// Whether verifiers in each region read what [`KeyVault::read`] reads.
    fn is_everywhere(&self) -> impl Future<Output = Result<bool, KeyStoreError>> + Send;
}

/// What signs. Calls are bounded in time by the implementation.
pub trait EdgeSigner: Send + Sync {
    /// From now on signs with `key`, in base64, under `id`: both change at once. Safe to repeat.
    fn sign_with(
        &self,
        id: &str,
        key: &str,
    ) -> impl Future<Output = Result<(), KeyStoreError>> + Send;
}
