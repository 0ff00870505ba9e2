//! Public keys (RFC 7517, 7518, 8037) and sets of them.

use super::Algorithm;
use super::json::object;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Bytes of a key set at most.
pub const JWKS_BYTES_MAX: usize = 64 * 1024;
/// Keys of a set at most.
pub const JWKS_KEYS_MAX: usize = 32;
/// Bytes of an RSA modulus at least: 2048 bits (RFC 7518, section 3.3).
const MODULUS_BYTES_MIN: usize = 256;
/// Bytes of an RSA modulus at most: 4096 bits, since the cost of a check grows with it.
const MODULUS_BYTES_MAX: usize = 512;
/// Bytes of an RSA exponent at most.
const EXPONENT_BYTES_MAX: usize = 4;
const KID_BYTES_MAX: usize = 128;

/// A key that verifies signatures of one algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A point of P-256. Whether it lies on the curve is seen when the key is used.
    Es256 {
        /// Big-endian.
        x: [u8; 32],
        /// Big-endian.
        y: [u8; 32],
    },
    /// A public key of Ed25519.
    Ed25519 {
        /// As in RFC 8032.
        x: [u8; 32],
    },
    /// An RSA key.
    Rs256 {
        /// The modulus, big-endian, without leading zeros.
        n: Vec<u8>,
        /// The exponent, big-endian, without leading zeros.
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// From a JWK; nothing where it is of another kind, malformed, too weak, for another use, or
    /// private.
    pub fn from_jwk(json: &[u8]) -> Option<Self> {
        Self::from_members(&object(json)?)
    }

    fn from_members(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let bytes = |name: &str| BASE64URL.decode(text(name)?).ok();
        let is_public = !["d", "p", "k", "oth"]
            .iter()
            .any(|name| members.contains_key(*name));
        if !is_public || !is_for_signatures(members) {
            return None;
        }
        let key = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Self::Es256 {
                x: bytes("x")?.try_into().ok()?,
                y: bytes("y")?.try_into().ok()?,
            },
            ("OKP", Some("Ed25519")) => Self::Ed25519 {
                x: bytes("x")?.try_into().ok()?,
            },
            ("RSA", None) => {
                let (n, e) = (bytes("n")?, bytes("e")?);
                let canonical = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
                let fits = (MODULUS_BYTES_MIN..=MODULUS_BYTES_MAX).contains(&n.len())
                    && (1..=EXPONENT_BYTES_MAX).contains(&e.len())
                    && canonical(&n)
                    && canonical(&e)
                    && e.last().is_some_and(|last| last % 2 == 1)
                    && e != [1];
                fits.then_some(Self::Rs256 { n, e })?
            }
            _ => return None,
        };
        match members.get("alg") {
            None => Some(key),
            Some(name) => {
                let named = Algorithm::of_header(name.as_str()?);
                (named == Some(key.algorithm())).then_some(key)
            }
        }
    }

    /// The one algorithm that it is used for.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
            Self::Rs256 { .. } => Algorithm::Rs256,
        }
    }

    /// Bytes of each of its signatures.
    pub fn signature_bytes(&self) -> usize {
        match self {
            Self::Es256 { .. } | Self::Ed25519 { .. } => 64,
            Self::Rs256 { n, .. } => n.len(),
        }
    }

    /// Its required members and no others, in the one form of RFC 7638, section 3.
    pub fn to_jwk(&self) -> String {
        let text = |bytes: &[u8]| BASE64URL.encode(bytes);
        match self {
            Self::Es256 { x, y } => format!(
                "{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{}\",\"y\":\"{}\"}}",
                text(x),
                text(y)
            ),
            Self::Ed25519 { x } => format!(
                "{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{}\"}}",
                text(x)
            ),
            Self::Rs256 { n, e } => format!(
                "{{\"e\":\"{}\",\"kty\":\"RSA\",\"n\":\"{}\"}}",
                text(e),
                text(n)
            ),
        }
    }

    /// Its thumbprint (RFC 7638), in base64url.
    pub fn thumbprint(&self) -> String {
        BASE64URL.encode(Sha256::digest(self.to_jwk()))
    }
}

/// RFC 7517, sections 4.2 and 4.3.
fn is_for_signatures(members: &Map<String, Value>) -> bool {
    let by_use = members.get("use").is_none_or(|value| value == "sig");
    let by_operations = members.get("key_ops").is_none_or(|value| {
        let operations = value.as_array();
        operations.is_some_and(|all| all.iter().any(|one| one == "verify"))
    });
    by_use && by_operations
}

/// A text that is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Larger than [`JWKS_BYTES_MAX`].
    #[error("the key set has more than {JWKS_BYTES_MAX} bytes")]
    TooLarge,
    /// No object with an array `keys` of objects.
    #[error("the key set is malformed")]
    Malformed,
    /// More than [`JWKS_KEYS_MAX`].
    #[error("the key set has more than {JWKS_KEYS_MAX} keys")]
    TooMany,
    /// No key of it can be used. An issuer that says so would lock everyone out: its last set is kept.
    #[error("the key set has no key that can be used")]
    Empty,
}

/// An issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<(Option<String>, PublicKey)>,
}

impl Jwks {
    /// Reads a key set (RFC 7517, section 5). Keys that are not understood are left out.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        let set = object(json).ok_or(JwksError::Malformed)?;
        let listed = set.get("keys").and_then(Value::as_array);
        let listed = listed.ok_or(JwksError::Malformed)?;
        if listed.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooMany);
        }
        let mut keys = Vec::new();
        for key in listed {
            let members = key.as_object().ok_or(JwksError::Malformed)?;
            let kid = members.get("kid").and_then(Value::as_str);
            if kid.is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
                continue;
            }
            if let Some(key) = PublicKey::from_members(members) {
                keys.push((kid.map(str::to_owned), key));
            }
        }
        if keys.is_empty() {
            return Err(JwksError::Empty);
        }
        Ok(Self { keys })
    }

    /// The key for a token: by id, or the only one of its algorithm where the token has none. Nothing
    /// where several fit: a token is checked against one key.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self.keys.iter().filter(|(own, key)| {
            key.algorithm() == algorithm && kid.is_none_or(|kid| own.as_deref() == Some(kid))
        });
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.1)
    }
}
