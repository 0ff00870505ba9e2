//! A request as the edge signs it, for what asks a function before any client does.

use souk_app::Clock;
use souk_app::signing_keys::SigningRing;
use souk_domain::{RequestId, TenantId};
use souk_policy::identity::{EdgeIdentity, ScopesError};
use souk_policy::signature::{
    CONTENT_DIGEST_HEADER, IDEMPOTENCY_KEY_HEADER, KeyError, MessageParts, SIGNATURE_HEADER,
    SIGNATURE_INPUT_HEADER, SignError, SigningKey, TTL_S_MAX, sign,
};
use std::collections::BTreeMap;

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct EdgeRequest<'a> {
    /// Whose rows it may touch.
    pub tenant: TenantId,
    /// Who asks.
    pub principal: &'a str,
    /// What that one may do, with spaces between.
    pub scopes: &'a str,
    /// Where the tenant is served from.
    pub region: &'a str,
    /// Its id.
    pub request_id: RequestId,
    /// Such as `POST`.
    pub method: &'a str,
    /// Without a query.
    pub path: &'a str,
    /// Of a command.
    pub idempotency_key: Option<&'a str>,
    /// JSON, or empty.
    pub body: &'a str,
}

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The scopes are malformed.
    #[error(transparent)]
    Scopes(#[from] ScopesError),
    /// The key is.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The message is.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl EdgeRequest<'_> {
    /// Its headers, signed with the key of `ring` that signs, at the time of `clock`.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn signed(
        &self,
        ring: &SigningRing,
        clock: &dyn Clock,
    ) -> Result<BTreeMap<String, String>, RequestError> {
        let identity = EdgeIdentity {
            tenant: self.tenant,
            principal: self.principal.to_owned(),
            scopes: self.scopes.parse()?,
            region: self.region.to_owned(),
            request_id: self.request_id,
        };
        let mut headers: BTreeMap<String, String> = identity
            .to_headers()
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        if let Some(key) = self.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY_HEADER.to_owned(), key.to_owned());
        }
        if !self.body.is_empty() {
            headers.insert("content-type".to_owned(), "application/json".to_owned());
        }
        let (id, secret) = ring.signing();
        let key = SigningKey::from_base64(id, secret)?;
        let seen: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let message = MessageParts {
            method: self.method,
            path: self.path,
            query: None,
            headers: &seen,
            body: self.body.as_bytes(),
        };
        let signature = sign(&message, &key, clock.now().unix_s(), TTL_S_MAX)?;
        headers.insert(CONTENT_DIGEST_HEADER.to_owned(), signature.content_digest);
        headers.insert(SIGNATURE_INPUT_HEADER.to_owned(), signature.signature_input);
        headers.insert(SIGNATURE_HEADER.to_owned(), signature.signature);
        Ok(headers)
    }
}
