//! The door of every function behind the edge: no handler runs for a request that the edge has not
//! signed.

use crate::edge_keys::EdgeKeys;
use crate::problem::{Code, Problem};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use souk_app::{Caller, Clock, ConsistencyToken, Shards};
use souk_domain::TenantId;
use souk_policy::decide::BODY_BYTES_MAX;
use souk_policy::identity::{
    CONSISTENCY_HEADER, EdgeIdentity, FEATURES_HEADER, SHARD_HEADER, Scopes,
};
use souk_policy::signature::{KeyRing, MessageParts, SignatureError, verify};
use std::sync::Arc;

/// The header that tells a client the request's id.
static REQUEST_ID: HeaderName = HeaderName::from_static("souk-request-id");
/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";

/// What is needed to check signatures.
#[derive(Clone)]
pub struct EdgeGuard {
    keys: Arc<EdgeKeys>,
    clock: Arc<dyn Clock>,
    /// Told where the edge believes a tenant to be.
    shards: Option<Shards>,
}

impl core::fmt::Debug for EdgeGuard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EdgeGuard")
    }
}

impl EdgeGuard {
    /// Accepts what is signed with one of `keys`, by `clock`.
    pub fn new(keys: impl Into<EdgeKeys>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::new(keys.into()),
            clock,
            shards: None,
        }
    }

    /// Tells `shards` where a tenant is that they have not seen yet, if the edge knows: the first request
    /// of a tenant in this process then does not wait for the directory.
    #[must_use]
    pub fn hinting(self, shards: &Shards) -> Self {
        Self {
            shards: Some(shards.clone()),
            ..self
        }
    }

    fn hint(&self, tenant: TenantId, headers: &HeaderMap) {
        let named = headers
            .get(SHARD_HEADER)
            .and_then(|value| value.to_str().ok());
        // A name that is none is no hint.
        let shard = named.and_then(|name| name.parse().ok());
        if let Some((shards, shard)) = self.shards.as_ref().zip(shard) {
            shards.hint(tenant, &shard);
        }
    }

    async fn check(
        &self,
        parts: &http::request::Parts,
        body: &[u8],
    ) -> Result<EdgeIdentity, SignatureError> {
        let now = self.clock.now();
        let checked = check(&*self.keys.at(now).await, parts, body, now.unix_s());
        if checked != Err(SignatureError::UnknownKey) {
            return checked;
        }
        match self.keys.after_unknown(now).await {
            Some(ring) => check(&ring, parts, body, now.unix_s()),
            None => checked,
        }
    }
}

/// Who asks, as the edge has authenticated and signed it; a request extension of handlers behind
/// [`require_edge_signature`].
#[derive(Debug, Clone)]
pub struct EdgeCaller {
    /// For the use cases.
    pub caller: Caller,
    /// What the caller may do.
    pub scopes: Scopes,
    /// The tenant's feature flags: what is tried with some tenants first.
    pub features: Vec<String>,
}

/// Middleware: verifies the edge's signature over method, path, query, body and `souk-*` headers, and
/// answers 401 to what is unsigned, stale or altered. On the way out it names the request's id in the
/// answer and logs server errors.
pub async fn require_edge_signature(
    State(guard): State<EdgeGuard>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let identity = match guard.check(&parts, &body).await {
        Ok(identity) => identity,
        Err(reason) => {
            tracing::warn!(reason = %reason, "request without a valid edge signature");
            return unauthorized().into_response();
        }
    };
    let request_id = identity.request_id;
    guard.hint(identity.tenant, &parts.headers);
    let edge_caller = match to_caller(identity, &parts.headers) {
        Ok(edge_caller) => edge_caller,
        Err(problem) => return problem.into_response(),
    };
    tracing::debug!(request.id = %request_id, "edge signature is valid");
    parts.extensions.insert(edge_caller);
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    name_request(response, &request_id.to_string())
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::new(
            Code::BodyTooLarge,
            format!("a body has at most {BODY_BYTES_MAX} bytes"),
        )),
        Err(_) => Err(Problem::new(Code::BodyUnreadable, "the body ended early")),
    }
}

fn check(
    ring: &KeyRing,
    parts: &http::request::Parts,
    body: &[u8],
    now_unix_s: i64,
) -> Result<EdgeIdentity, SignatureError> {
    // A value that is not visible ASCII cannot have been signed: it is left out, and then missed.
    let headers: Vec<(&str, &str)> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| value.to_str().ok().map(|value| (name.as_str(), value)))
        .collect();
    let message = MessageParts {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &headers,
        body,
    };
    verify(&message, ring, now_unix_s)
}

fn to_caller(identity: EdgeIdentity, headers: &HeaderMap) -> Result<EdgeCaller, Problem> {
    let principal = identity.principal.parse().map_err(|_| unauthorized())?;
    let traceparent = headers
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .filter(|value| is_traceparent(value))
        .map(str::to_owned);
    let caller = Caller {
        tenant: identity.tenant,
        principal,
        request_id: identity.request_id,
        traceparent,
        consistency: consistency(headers)?,
    };
    Ok(EdgeCaller {
        caller,
        scopes: identity.scopes,
        features: features(headers),
    })
}

/// The signature covers them, so they are as the edge has read them.
fn features(headers: &HeaderMap) -> Vec<String> {
    let value = headers
        .get(FEATURES_HEADER)
        .and_then(|value| value.to_str().ok());
    let all = value.into_iter().flat_map(|names| names.split(' '));
    all.map(str::to_owned).collect()
}

/// The write that the request has to see, if it names one. The signature covers it, so it occurs once.
fn consistency(headers: &HeaderMap) -> Result<Option<ConsistencyToken>, Problem> {
    let Some(value) = headers.get(CONSISTENCY_HEADER) else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| {
        Problem::new(
            Code::ConsistencyTokenInvalid,
            "send Souk-Consistency as the answer to a write had it, or not at all",
        )
    })
}

/// W3C Trace Context, section 3.2.2: version, trace id, parent id and flags in lower-case hexadecimal
/// digits. The client wrote it, so anything else is dropped rather than told on.
fn is_traceparent(value: &str) -> bool {
    let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let parts: Vec<&str> = value.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2])
        && parts.iter().all(|part| part.bytes().all(lower_hex))
}

fn unauthorized() -> Problem {
    Problem::new(
        Code::EdgeSignatureInvalid,
        "requests come through the edge, which signs them",
    )
}

fn name_request(mut response: Response, request_id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.status().is_server_error() {
            tracing::error!(
                request.id = request_id,
                problem.code = problem.code(),
                problem.cause = problem.cause(),
                "request failed"
            );
        }
        let named = problem.to_response(Some(request_id));
        // What others have added, such as `Allow`, stays.
        let mut headers = response.headers().clone();
        headers.remove(CONTENT_LENGTH);
        headers.extend(named.headers().clone());
        response = named;
        *response.headers_mut() = headers;
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_traceparent_of_the_standard_form_is_taken_over() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good));
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &format!("{good}-x"),
            &good.replace('a', "g"),
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
