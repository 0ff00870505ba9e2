//! The compact serialisation of a JWS (RFC 7515, section 7.1).

use super::json::object;
use super::{Algorithm, PublicKey, SignatureCheck, TokenError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};

/// Bytes of a token at most.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Bytes of a key's id at most.
const KID_BYTES_MAX: usize = 128;
/// Bytes of the header in base64url at most.
const HEADER_BYTES_MAX: usize = 1024;
/// Members that bring a key or lead to one (RFC 8725, section 3.10). Nothing is ever fetched for a token.
const KEY_MEMBERS: [&str; 4] = ["jku", "jwk", "x5u", "x5c"];

/// A token that has the right form. Nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jws<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    kind: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Anything that is ambiguous, of an algorithm that is no public-key signature, or that asks for
    /// more than a plain signature over claims.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLarge);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Form);
        };
        if header.len() > HEADER_BYTES_MAX {
            return Err(TokenError::TooLarge);
        }
        // The engine refuses padding, other alphabets and stray bits: one spelling for each text.
        let decode = |part: &str| BASE64URL.decode(part).map_err(|_| TokenError::Form);
        let members = object(&decode(header)?).ok_or(TokenError::Header)?;
        let (payload_bytes, signature) = (decode(payload)?, decode(signature)?);
        let signed_bytes = header.len().saturating_add(1).saturating_add(payload.len());
        let signing_input = token.get(..signed_bytes).ok_or(TokenError::Form)?;
        let algorithm = check_members(&members)?;
        if signature.is_empty() {
            return Err(TokenError::SignatureForm);
        }
        Ok(Self {
            algorithm,
            key_id: text(&members, "kid", KID_BYTES_MAX)?,
            kind: text(&members, "typ", KID_BYTES_MAX)?,
            signing_input,
            payload: payload_bytes,
            signature,
        })
    }

    /// What the header says, which is compared and never believed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id, compared with those of the issuer's keys and used for nothing else.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The header's `typ`.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// What was signed, as bytes; not proved.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What has to hold, if `key` is to have signed it.
    ///
    /// # Errors
    /// [`TokenError::NotPinned`], [`TokenError::SignatureForm`].
    pub fn check(&self, key: &'a PublicKey) -> Result<SignatureCheck<'a>, TokenError> {
        if key.algorithm() != self.algorithm {
            return Err(TokenError::NotPinned);
        }
        if self.signature.len() != key.signature_bytes() {
            return Err(TokenError::SignatureForm);
        }
        Ok(SignatureCheck {
            key,
            signing_input: self.signing_input,
            signature: self.signature.clone(),
        })
    }
}

fn check_members(members: &Map<String, Value>) -> Result<Algorithm, TokenError> {
    let has = |name: &str| members.contains_key(name);
    if has("crit") || has("b64") {
        return Err(TokenError::Critical);
    }
    if has("zip") || has("cty") || has("enc") {
        return Err(TokenError::Nested);
    }
    if KEY_MEMBERS.into_iter().any(has) {
        return Err(TokenError::KeyInToken);
    }
    match members.get("alg").and_then(Value::as_str) {
        Some(name) => Algorithm::of_header(name).ok_or(TokenError::Algorithm),
        None => Err(TokenError::Header),
    }
}

fn text(
    members: &Map<String, Value>,
    name: &str,
    bytes_max: usize,
) -> Result<Option<String>, TokenError> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let text = value.as_str().ok_or(TokenError::Header)?;
    if text.is_empty() || text.len() > bytes_max {
        return Err(TokenError::Header);
    }
    Ok(Some(text.to_owned()))
}
