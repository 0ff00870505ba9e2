//! What browsers are told: which pages may read an answer (Fetch standard, CORS), and how to treat it.

use crate::decide::RequestFacts;
use crate::identity::REQUEST_ID_HEADER;
use crate::operations;
use crate::problem::Answer;
use crate::route::RouteRecord;
use souk_domain::RequestId;

/// Seconds for which a browser remembers what a page may ask.
const PREFLIGHT_S: u32 = 600;
/// Headers that a page may send.
const ALLOWED_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, souk-consistency, traceparent";
/// Headers of answers that a page may read.
const EXPOSED_HEADERS: &str = "etag, idempotency-key-expires, idempotent-replayed, location, \
    ratelimit, ratelimit-policy, retry-after, souk-consistency, souk-request-id";
/// On each answer: JSON is never run, framed or guessed at, and goes over TLS alone.
pub(crate) const SECURITY_HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
];

/// The headers of any answer to anybody.
pub(crate) fn usual_headers(request_id: RequestId) -> impl Iterator<Item = (&'static str, String)> {
    let security = SECURITY_HEADERS.map(|(name, value)| (name, value.to_owned()));
    core::iter::once((REQUEST_ID_HEADER, request_id.to_string())).chain(security)
}

/// The headers of any answer to this request: caches must know that it depends on the page.
pub(crate) fn cors_headers(
    facts: &RequestFacts<'_>,
    record: &RouteRecord,
) -> Vec<(&'static str, String)> {
    if record.policy.cors_origins.is_empty() {
        return Vec::new();
    }
    let mut headers = vec![("vary", "origin".to_owned())];
    if let Some(origin) = allowed_origin(facts, record) {
        headers.push(("access-control-allow-origin", origin.to_owned()));
        headers.push(("access-control-expose-headers", EXPOSED_HEADERS.to_owned()));
    }
    headers
}

/// The answer to a browser's question whether a page may ask; nothing where the request is none. Who is
/// not allowed is told so by the lack of a header, as browsers want it.
pub(crate) fn preflight(facts: &RequestFacts<'_>, record: &RouteRecord) -> Option<Answer> {
    let asks = facts.method == "OPTIONS"
        && facts.header("origin").is_some()
        && facts.header("access-control-request-method").is_some();
    if !asks || record.policy.cors_origins.is_empty() {
        return None;
    }
    let methods = operations::methods_of(facts.path);
    if methods.is_empty() {
        return None;
    }
    let mut headers = cors_headers(facts, record);
    if allowed_origin(facts, record).is_some() {
        headers.push(("access-control-allow-methods", methods.join(", ")));
        headers.push(("access-control-allow-headers", ALLOWED_HEADERS.to_owned()));
        headers.push(("access-control-max-age", PREFLIGHT_S.to_string()));
    }
    headers.extend(usual_headers(facts.request_id));
    Some(Answer {
        status: 204,
        headers,
        body: String::new(),
    })
}

fn allowed_origin<'a>(facts: &RequestFacts<'_>, record: &'a RouteRecord) -> Option<&'a str> {
    let origin = facts.header("origin")?;
    let mut allowed = record.policy.cors_origins.iter();
    allowed
        .find(|own| own.as_str() == origin)
        .map(String::as_str)
}
