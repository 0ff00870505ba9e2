//! Signed tokens: JWS (RFC 7515), JWK (RFC 7517, 7638, 8037), JWT (RFC 7519) with what RFC 8725 asks for.
//!
//! A token says nothing about how it is to be checked: algorithm, key set, issuer and audience are
//! pinned in the tenant's record, and a token that does not fit them is refused before its signature
//! is looked at.

mod claims;
mod json;
mod jwk;
mod jws;
mod proofs;
#[cfg(feature = "signatures")]
mod signatures;

pub use claims::{ISSUERS_MAX, Issuer, IssuerError, LEEWAY_S, UnverifiedClaims};
pub use jwk::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, Jwks, JwksError, PublicKey};
pub use jws::{Jws, TOKEN_BYTES_MAX};
pub use proofs::{PROOFS_MAX, ProofId, Proofs};
#[cfg(feature = "signatures")]
pub use signatures::holds;

use serde::{Deserialize, Serialize};

/// How a token may be signed: all three can be verified with a public key alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256 (RFC 7518, section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// As in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    fn of_header(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            // RFC 9864 names the curve; the key is of no other here.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

/// What is left for the host to compute: whether `signature` is that of `signing_input` by `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureCheck<'a> {
    /// A key of the issuer's set, which fits the pinned algorithm.
    pub key: &'a PublicKey,
    /// What was signed (RFC 7515, section 5.2): ASCII.
    pub signing_input: &'a str,
    /// Its bytes; for ES256 64, which are r and s.
    pub signature: Vec<u8>,
}

/// Why a token is refused. The caller is told as much, and not what would have been right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("The token is too long.")]
    TooLarge,
    /// Not three parts of canonical base64url.
    #[error("The token is not three parts in base64url.")]
    Form,
    /// The header is no object of JSON, repeats a member, or has one of a wrong type.
    #[error("The token's header is malformed.")]
    Header,
    /// The header's algorithm is none that is accepted of anyone.
    #[error("The token's algorithm is not accepted.")]
    Algorithm,
    /// The header has `crit` or `b64`.
    #[error("The token's header has an extension.")]
    Critical,
    /// The header says that something else is inside, or that it is compressed.
    #[error("The token is nested or compressed.")]
    Nested,
    /// The header says what kind of token it is, and it is another.
    #[error("The token is of another type.")]
    Type,
    /// The header brings a key, or says where one lies.
    #[error("The token names a key of its own.")]
    KeyInToken,
    /// The claims are no object of JSON, repeat a member, or have one of a wrong type.
    #[error("The token's claims are malformed.")]
    Claims,
    /// No issuer of the tenant's has this name.
    #[error("The token's issuer is not one of this tenant's.")]
    Issuer,
    /// The issuer signs with another algorithm.
    #[error("The token's algorithm is not its issuer's.")]
    NotPinned,
    /// The signature does not have the length that the key makes.
    #[error("The token's signature is malformed.")]
    SignatureForm,
    /// The issuer has no such key.
    #[error("The token's key is not one of its issuer's.")]
    UnknownKey,
    /// The signature is not that of the token.
    #[error("The token's signature does not hold.")]
    Signature,
    /// It is for somebody else.
    #[error("The token is for another audience.")]
    Audience,
    /// It was valid once.
    #[error("The token has expired.")]
    Expired,
    /// It will be valid later.
    #[error("The token is not valid yet.")]
    NotYet,
    /// It was issued in the future.
    #[error("The token was issued in the future.")]
    IssuedInFuture,
    /// It names no tenant, or another.
    #[error("The token is for another tenant.")]
    Tenant,
    /// It has no subject, or one that cannot be a principal's name.
    #[error("The token's subject is malformed.")]
    Subject,
}

impl TokenError {
    /// A name for logs and vectors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Form => "form",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::Nested => "nested",
            Self::Type => "type",
            Self::KeyInToken => "key_in_token",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::NotPinned => "not_pinned",
            Self::SignatureForm => "signature_form",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::IssuedInFuture => "issued_in_future",
            Self::Tenant => "tenant",
            Self::Subject => "subject",
        }
    }
}
