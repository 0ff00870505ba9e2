//! Which headers cross the edge, in either direction.

use crate::identity::{CONSISTENCY_HEADER, HEADER_PREFIX};

/// Incoming headers that never reach the origin, by the beginning of their name. A prefix, so that a
/// header nobody thought of does not slip through: the origin believes all of these.
pub const REQUEST_PREFIXES_STRIPPED: [&str; 9] = [
    HEADER_PREFIX,
    "cf-",
    "proxy-",
    "spin-",
    "x-amz-",
    "x-amzn-",
    "x-apigateway-",
    "x-forwarded-",
    "x-original-",
];

/// Incoming headers that never reach the origin, by name: what says where a request came from, what
/// is for the edge alone, what signs, and what belongs to the connection (RFC 9110, section 7.6.1).
pub const REQUEST_NAMES_STRIPPED: [&str; 24] = [
    "authorization",
    "cdn-loop",
    "connection",
    "content-digest",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "repr-digest",
    "signature",
    "signature-input",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "x-client-ip",
    "x-http-method-override",
    "x-real-ip",
    "x-rewrite-url",
];

/// Headers of the origin's answer that do not reach the client, as names or, where they end in an
/// asterisk, as beginnings of names; after an exclamation mark one that reaches it nonetheless.
pub const RESPONSE_STRIPPED: [&str; 11] = [
    "!souk-consistency",
    "souk-*",
    "x-amz-*",
    "x-amzn-*",
    "apigw-*",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a request header, by lower-case name, is handed on to the origin.
pub fn reaches_origin(name: &str) -> bool {
    !REQUEST_NAMES_STRIPPED.contains(&name)
        && (name == CONSISTENCY_HEADER
            || !REQUEST_PREFIXES_STRIPPED
                .iter()
                .any(|prefix| name.starts_with(prefix)))
}

/// Whether a header of the origin's answer, by lower-case name, is handed on to the client.
pub fn reaches_client(name: &str) -> bool {
    let excepted = |pattern: &&str| pattern.strip_prefix('!') == Some(name);
    RESPONSE_STRIPPED.iter().any(excepted)
        || !RESPONSE_STRIPPED
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == *pattern,
            })
}

/// The names that are taken out of a request before it is forwarded, each once: those that do not
/// reach the origin, and those that `Connection` declares to be for this hop.
pub(crate) fn stripped_names(headers: &[(&str, &str)]) -> Vec<String> {
    let nominated: Vec<String> = headers
        .iter()
        .filter(|(name, _)| *name == "connection")
        .flat_map(|(_, value)| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut names: Vec<String> = Vec::new();
    for (name, _) in headers {
        let known = names.iter().any(|own| own == name);
        let for_this_hop = nominated.iter().any(|own| own == name);
        if !known && (for_this_hop || !reaches_origin(name)) {
            names.push((*name).to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_by_name_and_by_prefix() {
        for name in [
            "souk-tenant",
            "souk-anything-new",
            "souk-consistency-of-mine",
            "x-forwarded-proto",
            "x-forwarded-anything",
            "cf-connecting-ip",
            "x-amzn-trace-id",
            "x-apigateway-event",
            "authorization",
            "cookie",
            "signature",
            "te",
        ] {
            assert!(!reaches_origin(name), "{name}");
        }
        for name in [
            "content-type",
            "idempotency-key",
            "traceparent",
            "if-match",
            "souk-consistency",
        ] {
            assert!(reaches_origin(name), "{name}");
        }
    }

    #[test]
    fn strips_what_connection_nominates() {
        let headers = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("x-stays", "1"),
            ("souk-tenant", "a"),
            ("souk-tenant", "b"),
        ];
        assert_eq!(
            stripped_names(&headers),
            ["connection", "x-hop", "souk-tenant"]
        );
    }

    #[test]
    fn answers_lose_what_is_internal() {
        for name in [
            "apigw-requestid",
            "x-amzn-requestid",
            "souk-request-id",
            "souk-consistency-of-mine",
            "connection",
        ] {
            assert!(!reaches_client(name), "{name}");
        }
        for name in [
            "content-type",
            "etag",
            "connection-speed",
            "idempotent-replayed",
            "souk-consistency",
        ] {
            assert!(reaches_client(name), "{name}");
        }
    }
}
