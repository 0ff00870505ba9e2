//! Requests as the edge sends them, for the tests of the functions behind it.

use axum::body::Body;
use http::Request;
use souk_runtime::signature::{MessageParts, SigningKey, sign};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long a signature holds, in seconds.
const SIGNATURE_TTL_S: u32 = 30;

/// What the edge has found out of who asks: tenant, principal, scopes.
pub(crate) fn identity(tenant: &str, principal: &str, scopes: &str) -> BTreeMap<String, String> {
    let request_id = format!("req_{}", Uuid::now_v7().simple());
    [
        ("souk-tenant", tenant),
        ("souk-principal", principal),
        ("souk-scopes", scopes),
        ("souk-region", "local"),
        ("souk-request-id", &request_id),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The request with these `headers`, signed over them, `target` (path and query) and `body`.
pub(crate) fn signed(
    (method, target): (&str, &str),
    headers: &BTreeMap<String, String>,
    body: &str,
    (key, signed_at_unix_s): (&SigningKey, i64),
) -> Request<Body> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let pairs: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let parts = MessageParts {
        method,
        path,
        query,
        headers: &pairs,
        body: body.as_bytes(),
    };
    let signature = sign(&parts, key, signed_at_unix_s, SIGNATURE_TTL_S).unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
        .header("content-digest", signature.content_digest)
        .header("signature-input", signature.signature_input)
        .header("signature", signature.signature)
        .body(Body::from(body.to_owned()))
        .unwrap()
}
