//! HTTP message signatures (RFC 9421, algorithm `hmac-sha256`) with content digests (RFC 9530).
//!
//! The edge signs what it forwards, the origin verifies it, both with this code. What a signature
//! must cover is fixed here and not negotiable: see [`verify`].

use crate::identity::{
    CONSISTENCY_HEADER, EdgeIdentity, FEATURES_HEADER, HEADER_PREFIX, IDENTITY_HEADERS,
    IdentityError, SHARD_HEADER,
};
use crate::structured_field::{BareItem, Dictionary, FieldError, InnerList, Item, Member};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::fmt;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The label of the edge's signature; signatures under other labels are not looked at.
pub const LABEL: &str = "souk";
/// The only accepted algorithm (RFC 9421, section 3.3.3).
pub const ALGORITHM: &str = "hmac-sha256";
/// The header with the digest of the body (RFC 9530).
pub const CONTENT_DIGEST_HEADER: &str = "content-digest";
/// The header that says what is signed.
pub const SIGNATURE_INPUT_HEADER: &str = "signature-input";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "signature";
/// Covered where it is present: a captured message must not be replayed under another key.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";
/// Headers of the client that are covered where they are present.
pub(crate) const SIGNED_OF_CLIENT: [&str; 2] = [IDEMPOTENCY_KEY_HEADER, CONSISTENCY_HEADER];
/// Headers of the tenant's record that are covered where they are present.
const SIGNED_OF_RECORD: [&str; 2] = [SHARD_HEADER, FEATURES_HEADER];
/// Seconds between `created` and `expires` at most.
pub const TTL_S_MAX: u32 = 30;
/// Seconds by which the signer's clock may be ahead of the verifier's.
pub const CLOCK_SKEW_S_MAX: i64 = 5;
/// Bytes of a shared secret at least: the output length of SHA-256 (RFC 2104, section 3).
pub const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a shared secret at most.
pub const SECRET_BYTES_MAX: usize = 128;
/// Keys that are accepted at the same time: the one in use and the one before or after it.
pub const KEYS_MAX: usize = 2;

const METHOD: &str = "@method";
const PATH: &str = "@path";
const QUERY: &str = "@query";
const KEY_ID_BYTES_MAX: usize = 64;
/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const INTEGER_MAX: i64 = 999_999_999_999_999;

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct MessageParts<'a> {
    /// As on the wire, `POST`.
    pub method: &'a str,
    /// As the origin sees it, with a leading slash.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// Names in lower case. A name may occur more than once.
    pub headers: &'a [(&'a str, &'a str)],
    /// As on the wire, empty where there is none.
    pub body: &'a [u8],
}

/// A text or secret that makes no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The id has other characters or another length.
    #[error("a key id is 1 to {KEY_ID_BYTES_MAX} letters, digits, underscores and hyphens")]
    Id,
    /// The secret is too short or too long.
    #[error("a signing secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")]
    Secret,
    /// No key, or too many.
    #[error("a key ring holds 1 to {KEYS_MAX} keys")]
    Count,
    /// Two keys share an id.
    #[error("two keys have the same id")]
    RepeatedId,
}

/// A shared secret and its public id.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    /// Keyed once; a clone of it starts each computation.
    mac: Hmac<Sha256>,
}

impl SigningKey {
    /// Takes an id of `[A-Za-z0-9_-]{1,64}` and a secret of 32 to 128 bytes.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the secret moves in, so that the caller keeps no copy of it"
    )]
    pub fn new(id: impl Into<String>, secret: Vec<u8>) -> Result<Self, KeyError> {
        let id = id.into();
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=KEY_ID_BYTES_MAX).contains(&id.len()) || !id.bytes().all(accepted) {
            return Err(KeyError::Id);
        }
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(KeyError::Secret);
        }
        let mac = Hmac::new_from_slice(&secret).map_err(|_| KeyError::Secret)?;
        Ok(Self { id, mac })
    }

    /// Takes the secret in base64 (RFC 4648, section 4, with padding).
    pub fn from_base64(id: impl Into<String>, secret: &str) -> Result<Self, KeyError> {
        let secret = BASE64.decode(secret).map_err(|_| KeyError::Secret)?;
        Self::new(id, secret)
    }

    /// The id, as in `keyid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn keyed(&self, base: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(base.as_bytes());
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The keys a verifier accepts.
#[derive(Debug, Clone)]
pub struct KeyRing {
    keys: Vec<SigningKey>,
}

impl KeyRing {
    /// Takes one key, or two while one replaces the other.
    pub fn new(keys: Vec<SigningKey>) -> Result<Self, KeyError> {
        if !(1..=KEYS_MAX).contains(&keys.len()) {
            return Err(KeyError::Count);
        }
        let mut ids: Vec<&str> = keys.iter().map(SigningKey::id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < keys.len() {
            return Err(KeyError::RepeatedId);
        }
        Ok(Self { keys })
    }

    fn find(&self, id: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// The three headers that [`sign`] adds to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// Value of `Content-Digest`.
    pub content_digest: String,
    /// Value of `Signature-Input`.
    pub signature_input: String,
    /// Value of `Signature`.
    pub signature: String,
}

/// A component that cannot be signed or verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The message has no such header.
    #[error("{0} is not in the message")]
    Missing(String),
    /// A derived component other than `@method`, `@path` and `@query`, or one with parameters.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A header that must occur once occurs more often.
    #[error("{0} occurs more than once")]
    Repeated(String),
    /// A line break, another control character or one outside of ASCII.
    #[error("{0} has a character that cannot be signed")]
    Character(String),
    /// A `souk-*` header or an idempotency key that the signature does not cover.
    #[error("{0} is not covered")]
    Uncovered(String),
}

/// A message that cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A component is unfit.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The time to live is not 1 to 30 seconds.
    #[error("a signature lives 1 to {TTL_S_MAX} seconds")]
    Ttl,
    /// The time is negative or beyond what a structured field can carry.
    #[error("the time of signing is out of range")]
    Created,
}

/// A message whose signature does not hold. The display says which rule was broken, and never what
/// the right value would have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header of the three is not there, or has no member with the label.
    #[error("{0} is missing or has no member for the edge")]
    Missing(&'static str),
    /// A header of the three is malformed.
    #[error("{header} is malformed")]
    Field {
        /// Its name.
        header: &'static str,
        /// What is wrong.
        #[source]
        source: FieldError,
    },
    /// A member has another type than it must have.
    #[error("{0} does not have the right type")]
    Type(&'static str),
    /// A component is unfit.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A parameter is not there.
    #[error("the signature parameter {0} is missing")]
    MissingParameter(&'static str),
    /// Another algorithm is named.
    #[error("the algorithm is not {ALGORITHM}")]
    Algorithm,
    /// `expires` is not 1 to 30 seconds after `created`.
    #[error("the signature does not live 1 to {TTL_S_MAX} seconds")]
    Ttl,
    /// `created` lies further ahead than clocks may differ.
    #[error("the signature was made in the future")]
    Future,
    /// `expires` has passed.
    #[error("the signature has expired")]
    Expired,
    /// No live key has this id.
    #[error("the key is not known")]
    UnknownKey,
    /// The signature is not that of the message.
    #[error("the signature does not match the message")]
    Mismatch,
    /// The digest is not that of the body.
    #[error("the content digest does not match the body")]
    Digest,
    /// The covered headers carry no identity.
    #[error("the identity is malformed")]
    Identity(#[from] IdentityError),
}

/// Signs a message under the label `souk`.
///
/// Covers method, path, query, the digest of the body, the five identity headers and, where they are
/// present, what the tenant's record says besides (shard, features), the idempotency key and the
/// consistency token. `created_unix_s` is in Unix seconds, `ttl_s` 1 to 30 seconds.
/// Fails where an identity header is missing, repeated or unfit, and where the message carries
/// another `souk-*` header, which no verifier would accept.
pub fn sign(
    parts: &MessageParts<'_>,
    key: &SigningKey,
    created_unix_s: i64,
    ttl_s: u32,
) -> Result<SignatureHeaders, SignError> {
    if !(1..=TTL_S_MAX).contains(&ttl_s) {
        return Err(SignError::Ttl);
    }
    let expires = created_unix_s
        .checked_add(i64::from(ttl_s))
        .filter(|expires| created_unix_s >= 0 && *expires <= INTEGER_MAX)
        .ok_or(SignError::Created)?;
    let content_digest = content_digest(parts.body);
    let mut names = vec![METHOD, PATH, QUERY, CONTENT_DIGEST_HEADER];
    names.extend(IDENTITY_HEADERS);
    let perhaps = SIGNED_OF_RECORD.into_iter().chain(SIGNED_OF_CLIENT);
    names.extend(perhaps.filter(|name| occurrences(parts, name).next().is_some()));
    check_coverage(parts, |name| names.contains(&name))?;
    let mut components = Vec::with_capacity(names.len());
    for name in names {
        let value = if name == CONTENT_DIGEST_HEADER {
            content_digest.clone()
        } else {
            component_value(parts, name)?
        };
        components.push((name, value));
    }
    let parameters = signature_parameters(&components, key.id(), created_unix_s, expires);
    let mac = key.keyed(&signature_base(&components, &parameters));
    Ok(SignatureHeaders {
        content_digest,
        signature_input: format!("{LABEL}={parameters}"),
        signature: format!("{LABEL}=:{}:", BASE64.encode(mac.finalize().into_bytes())),
    })
}

/// Verifies the signature under the label `souk` and returns the identity it vouches for.
///
/// Required: the signature covers method, path, query, the digest of the body and the five identity
/// headers, each once and without component parameters; every other `souk-*` header and the
/// idempotency key where they are present; it has `created`, `expires` and `keyid`, and `alg`, if
/// given, is `hmac-sha256`; it lives 1 to 30 seconds, and `now_unix_s` (Unix seconds) lies between
/// five seconds before `created` and `expires`; the digest matches the body. More headers may be
/// covered, in any order.
pub fn verify(
    parts: &MessageParts<'_>,
    ring: &KeyRing,
    now_unix_s: i64,
) -> Result<EdgeIdentity, SignatureError> {
    let inputs = dictionary(parts, SIGNATURE_INPUT_HEADER)?;
    let Member::InnerList(input) = member(&inputs, SIGNATURE_INPUT_HEADER, LABEL)? else {
        return Err(SignatureError::Type(SIGNATURE_INPUT_HEADER));
    };
    let signatures = dictionary(parts, SIGNATURE_HEADER)?;
    let signature = member_bytes(&signatures, SIGNATURE_HEADER, LABEL)?;

    let components = covered_components(parts, input)?;
    let key = find_key(input, ring)?;
    check_times(input, now_unix_s)?;
    key.keyed(&signature_base(&components, &input.serialize()))
        .verify_slice(signature)
        .map_err(|_| SignatureError::Mismatch)?;

    check_digest(parts)?;
    let identity = EdgeIdentity::from_headers(|name| {
        let mut covered = components.iter();
        let found = covered.find(|(own, _)| *own == name);
        found.map(|(_, value)| value.as_str())
    })?;
    Ok(identity)
}

/// The value of `Content-Digest` for a body (RFC 9530, section 2), by SHA-256.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(Sha256::digest(body)))
}

/// The text that is signed (RFC 9421, section 2.5). The components are in the order in which
/// `parameters`, the value of `@signature-params`, names them.
fn signature_base(components: &[(&str, String)], parameters: &str) -> String {
    let mut base = String::new();
    for (name, value) in components {
        base.push('"');
        base.push_str(name);
        base.push_str("\": ");
        base.push_str(value);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(parameters);
    base
}

fn signature_parameters(
    components: &[(&str, String)],
    key_id: &str,
    created_unix_s: i64,
    expires_unix_s: i64,
) -> String {
    let names: Vec<String> = components
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    format!(
        "({});created={created_unix_s};expires={expires_unix_s};keyid=\"{key_id}\";alg=\"{ALGORITHM}\"",
        names.join(" ")
    )
}

fn occurrences<'a>(parts: &MessageParts<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    parts
        .headers
        .iter()
        .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}

/// A component's value (RFC 9421, sections 2.1 and 2.2). Folded lines are refused, as are all
/// characters that two hosts may hand on differently.
fn component_value(parts: &MessageParts<'_>, name: &str) -> Result<String, ComponentError> {
    let value = match name {
        METHOD => parts.method.to_owned(),
        PATH if parts.path.is_empty() => "/".to_owned(),
        PATH => parts.path.to_owned(),
        QUERY => format!("?{}", parts.query.unwrap_or_default()),
        _ if name.starts_with('@') => return Err(ComponentError::Unsupported(name.to_owned())),
        _ => {
            let values: Vec<&str> = occurrences(parts, name)
                .map(|value| value.trim_matches([' ', '\t']))
                .collect();
            if values.is_empty() {
                return Err(ComponentError::Missing(name.to_owned()));
            }
            values.join(", ")
        }
    };
    let accepted = |byte: u8| byte == b'\t' || matches!(byte, 0x20..=0x7e);
    if !value.bytes().all(accepted) {
        return Err(ComponentError::Character(name.to_owned()));
    }
    Ok(value)
}

/// Every header that only the edge may set occurs once and is covered, and so does the idempotency
/// key.
fn check_coverage(
    parts: &MessageParts<'_>,
    covered: impl Fn(&str) -> bool,
) -> Result<(), ComponentError> {
    for (name, _) in parts.headers {
        let name = name.to_ascii_lowercase();
        if !name.starts_with(HEADER_PREFIX) && name != IDEMPOTENCY_KEY_HEADER {
            continue;
        }
        if !covered(&name) {
            return Err(ComponentError::Uncovered(name));
        }
        if occurrences(parts, &name).count() > 1 {
            return Err(ComponentError::Repeated(name));
        }
    }
    Ok(())
}

/// The covered components with their values, in the signature's order.
fn covered_components<'a>(
    parts: &MessageParts<'_>,
    input: &'a InnerList,
) -> Result<Vec<(&'a str, String)>, SignatureError> {
    let mut components: Vec<(&str, String)> = Vec::with_capacity(input.items.len());
    for item in &input.items {
        let BareItem::String(name) = &item.value else {
            return Err(SignatureError::Type(SIGNATURE_INPUT_HEADER));
        };
        if !item.parameters.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ComponentError::Unsupported(name.clone()).into());
        }
        if components.iter().any(|(known, _)| known == name) {
            return Err(ComponentError::Repeated(name.clone()).into());
        }
        components.push((name, component_value(parts, name)?));
    }
    let covered = |name: &str| components.iter().any(|(own, _)| *own == name);
    let required = [METHOD, PATH, QUERY, CONTENT_DIGEST_HEADER];
    for name in required.into_iter().chain(IDENTITY_HEADERS) {
        if !covered(name) {
            return Err(ComponentError::Uncovered(name.to_owned()).into());
        }
    }
    check_coverage(parts, covered)?;
    Ok(components)
}

fn parameter<'a>(input: &'a InnerList, name: &str) -> Option<&'a BareItem> {
    let found = input.parameters.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value)
}

fn find_key<'a>(input: &InnerList, ring: &'a KeyRing) -> Result<&'a SigningKey, SignatureError> {
    match parameter(input, "alg") {
        None => {}
        Some(BareItem::String(algorithm)) if algorithm == ALGORITHM => {}
        Some(_) => return Err(SignatureError::Algorithm),
    }
    match parameter(input, "keyid") {
        None => Err(SignatureError::MissingParameter("keyid")),
        Some(BareItem::String(id)) => ring.find(id).ok_or(SignatureError::UnknownKey),
        Some(_) => Err(SignatureError::Type("keyid")),
    }
}

fn check_times(input: &InnerList, now_unix_s: i64) -> Result<(), SignatureError> {
    let time = |name: &'static str| match parameter(input, name) {
        None => Err(SignatureError::MissingParameter(name)),
        Some(BareItem::Integer(unix_s)) => Ok(*unix_s),
        Some(_) => Err(SignatureError::Type(name)),
    };
    let (created, expires) = (time("created")?, time("expires")?);
    let lives_s = expires.saturating_sub(created);
    if !(1..=i64::from(TTL_S_MAX)).contains(&lives_s) {
        return Err(SignatureError::Ttl);
    }
    if now_unix_s < created.saturating_sub(CLOCK_SKEW_S_MAX) {
        return Err(SignatureError::Future);
    }
    if now_unix_s > expires {
        return Err(SignatureError::Expired);
    }
    Ok(())
}

fn check_digest(parts: &MessageParts<'_>) -> Result<(), SignatureError> {
    let digests = dictionary(parts, CONTENT_DIGEST_HEADER)?;
    let claimed = member_bytes(&digests, CONTENT_DIGEST_HEADER, "sha-256")?;
    let actual = Sha256::digest(parts.body);
    if bool::from(actual.as_slice().ct_eq(claimed)) {
        return Ok(());
    }
    Err(SignatureError::Digest)
}

fn dictionary(
    parts: &MessageParts<'_>,
    header: &'static str,
) -> Result<Dictionary, SignatureError> {
    if occurrences(parts, header).next().is_none() {
        return Err(SignatureError::Missing(header));
    }
    let value = component_value(parts, header)?;
    Dictionary::parse(&value).map_err(|source| SignatureError::Field { header, source })
}

fn member<'a>(
    dictionary: &'a Dictionary,
    header: &'static str,
    key: &str,
) -> Result<&'a Member, SignatureError> {
    dictionary.get(key).ok_or(SignatureError::Missing(header))
}

fn member_bytes<'a>(
    dictionary: &'a Dictionary,
    header: &'static str,
    key: &str,
) -> Result<&'a [u8], SignatureError> {
    match member(dictionary, header, key)? {
        Member::Item(Item {
            value: BareItem::Bytes(bytes),
            ..
        }) => Ok(bytes),
        Member::Item(_) | Member::InnerList(_) => Err(SignatureError::Type(header)),
    }
}

#[cfg(test)]
mod tests;
