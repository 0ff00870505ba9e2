//! What the edge says when it does not forward: problem documents (RFC 9457).

use crate::browser::usual_headers;
use serde::Serialize;
use souk_domain::RequestId;
use std::borrow::Cow;

/// Every problem the edge can report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request method is none the edge knows.
    MethodInvalid,
    /// The path has a character or a segment that could be read in two ways.
    PathInvalid,
    /// The query is too long or has a character that does not belong there.
    QueryInvalid,
    /// The host is not a host name.
    HostInvalid,
    /// `Content-Length` is not a number.
    ContentLengthInvalid,
    /// The idempotency key is repeated, empty, too long or malformed.
    IdempotencyKeyInvalid,
    /// The operation has an effect and came without an idempotency key.
    IdempotencyKeyMissing,
    /// The consistency token is repeated, empty, too long or malformed.
    ConsistencyTokenInvalid,
    /// The body broke off.
    BodyUnreadable,
    /// No credential came with the request.
    CredentialMissing,
    /// The credential is not one of the tenant's.
    CredentialInvalid,
    /// The credential was valid once.
    CredentialExpired,
    /// The tenant is suspended.
    TenantSuspended,
    /// The client's address is denied.
    AddressDenied,
    /// The caller lacks the scope that the route needs.
    ScopeMissing,
    /// No tenant has this host.
    TenantNotFound,
    /// No route has this path.
    RouteNotFound,
    /// The route has other methods.
    MethodNotAllowed,
    /// The body is larger than the edge takes.
    BodyTooLarge,
    /// The headers are larger than the origin takes.
    HeadersTooLarge,
    /// A limit is used up.
    RateLimited,
    /// The worker lacks a setting or has a malformed one.
    EdgeMisconfigured,
    /// The origin refused the connection or broke it.
    OriginUnreachable,
    /// The tenant's route could not be read.
    RoutingUnavailable,
    /// The tenant is served from another region.
    RegionNotServed,
    /// The operation is switched off.
    OperationDisabled,
    /// The keys of a token's issuer cannot be had.
    KeysUnavailable,
    /// The origin has failed several times in a row and is left alone.
    OriginUnavailable,
    /// The origin did not answer in time.
    OriginTimeout,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::MethodInvalid,
        Self::PathInvalid,
        Self::QueryInvalid,
        Self::HostInvalid,
        Self::ContentLengthInvalid,
        Self::IdempotencyKeyInvalid,
        Self::IdempotencyKeyMissing,
        Self::ConsistencyTokenInvalid,
        Self::BodyUnreadable,
        Self::CredentialMissing,
        Self::CredentialInvalid,
        Self::CredentialExpired,
        Self::TenantSuspended,
        Self::AddressDenied,
        Self::ScopeMissing,
        Self::TenantNotFound,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::HeadersTooLarge,
        Self::RateLimited,
        Self::EdgeMisconfigured,
        Self::OriginUnreachable,
        Self::RoutingUnavailable,
        Self::RegionNotServed,
        Self::OperationDisabled,
        Self::KeysUnavailable,
        Self::OriginUnavailable,
        Self::OriginTimeout,
    ];

    /// HTTP status, machine-readable code, title.
    const fn definition(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MethodInvalid => (400, "method_invalid", "Unknown method"),
            Self::PathInvalid => (400, "path_invalid", "Malformed path"),
            Self::QueryInvalid => (400, "query_invalid", "Malformed query"),
            Self::HostInvalid => (400, "host_invalid", "Malformed host"),
            Self::ContentLengthInvalid => {
                (400, "content_length_invalid", "Malformed content length")
            }
            Self::IdempotencyKeyInvalid => {
                (400, "idempotency_key_invalid", "Malformed idempotency key")
            }
            Self::IdempotencyKeyMissing => (
                400,
                "idempotency_key_missing",
                "An Idempotency-Key is needed",
            ),
            Self::ConsistencyTokenInvalid => (
                400,
                "consistency_token_invalid",
                "Malformed consistency token",
            ),
            Self::BodyUnreadable => (400, "body_unreadable", "Incomplete body"),
            Self::CredentialMissing => (401, "credential_missing", "Credential missing"),
            Self::CredentialInvalid => (401, "credential_invalid", "Credential not accepted"),
            Self::CredentialExpired => (401, "credential_expired", "Credential expired"),
            Self::TenantSuspended => (403, "tenant_suspended", "Tenant suspended"),
            Self::AddressDenied => (403, "address_denied", "Address denied"),
            Self::ScopeMissing => (403, "scope_missing", "Scope missing"),
            Self::TenantNotFound => (404, "tenant_not_found", "Unknown tenant"),
            Self::RouteNotFound => (404, "route_not_found", "Unknown route"),
            Self::MethodNotAllowed => (405, "method_not_allowed", "Method not allowed"),
            Self::BodyTooLarge => (413, "body_too_large", "Body too large"),
            Self::HeadersTooLarge => (431, "headers_too_large", "Headers too large"),
            Self::RateLimited => (429, "rate_limited", "Too many requests"),
            Self::EdgeMisconfigured => (500, "edge_misconfigured", "Edge misconfigured"),
            Self::OriginUnreachable => (502, "origin_unreachable", "Origin unreachable"),
            Self::RoutingUnavailable => (503, "routing_unavailable", "Routing unavailable"),
            Self::RegionNotServed => (503, "region_not_served", "Region not served"),
            Self::OperationDisabled => (503, "operation_disabled", "Switched off"),
            Self::KeysUnavailable => (503, "keys_unavailable", "Token cannot be checked"),
            Self::OriginUnavailable => (503, "origin_unavailable", "Origin unavailable"),
            Self::OriginTimeout => (504, "origin_timeout", "Origin timed out"),
        }
    }

    /// What it is, in a few words that never change.
    pub const fn title(self) -> &'static str {
        self.definition().2
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.definition().0
    }

    /// The machine-readable name, as in the document's `code`.
    pub const fn as_str(self) -> &'static str {
        self.definition().1
    }
}

/// One problem, without the id of the request it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    headers: Vec<(&'static str, String)>,
}

/// An answer that the edge gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Lower-case names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: String,
}

impl Problem {
    /// A problem and what the caller should know about it.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let headers = match code {
            Code::RoutingUnavailable | Code::RegionNotServed | Code::KeysUnavailable => {
                vec![("retry-after", "5".to_owned())]
            }
            Code::OperationDisabled => vec![("retry-after", "60".to_owned())],
            Code::CredentialMissing => vec![("www-authenticate", CHALLENGE.to_owned())],
            // RFC 6750, section 3.1.
            Code::CredentialInvalid | Code::CredentialExpired => {
                let challenge = format!("{CHALLENGE}, error=\"invalid_token\"");
                vec![("www-authenticate", challenge)]
            }
            Code::MethodInvalid
            | Code::PathInvalid
            | Code::QueryInvalid
            | Code::HostInvalid
            | Code::ContentLengthInvalid
            | Code::IdempotencyKeyInvalid
            | Code::IdempotencyKeyMissing
            | Code::ConsistencyTokenInvalid
            | Code::BodyUnreadable
            | Code::TenantSuspended
            | Code::AddressDenied
            | Code::ScopeMissing
            | Code::TenantNotFound
            | Code::RouteNotFound
            | Code::MethodNotAllowed
            | Code::BodyTooLarge
            | Code::HeadersTooLarge
            | Code::RateLimited
            | Code::OriginUnavailable
            | Code::EdgeMisconfigured
            | Code::OriginUnreachable
            | Code::OriginTimeout => Vec::new(),
        };
        Self {
            code,
            detail: detail.into(),
            headers,
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds headers to the answer.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Which problem it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The answer to the request with this id.
    pub fn answer(&self, request_id: RequestId) -> Answer {
        let (status, code, title) = self.code.definition();
        let document = Document {
            r#type: format!("/problems/{}", code.replace('_', "-")),
            title,
            status,
            detail: &self.detail,
            code,
            request_id: request_id.to_string(),
        };
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        headers.extend(usual_headers(request_id));
        headers.extend(self.headers.clone());
        Answer {
            status,
            headers,
            body: serde_json::to_string(&document).unwrap_or_default(),
        }
    }
}

/// The realm of every challenge (RFC 6750, section 3).
const CHALLENGE: &str = "Bearer realm=\"souk\"";

/// The problem of an edge without its settings.
pub fn misconfigured() -> Problem {
    let detail = "The edge lacks a setting or has a malformed one.";
    Problem::new(Code::EdgeMisconfigured, detail)
}

/// The problem where the store says nothing, or nothing that is understood.
pub fn unroutable() -> Problem {
    let detail = "The tenant's route could not be read.";
    Problem::new(Code::RoutingUnavailable, detail)
}

/// The problem where the origin is left alone for a while.
pub fn origin_left_alone(retry_after_s: u64) -> Problem {
    let detail = "The origin has failed several times in a row.";
    Problem::new(Code::OriginUnavailable, detail)
        .with_header("retry-after", retry_after_s.to_string())
}

/// The problem where the origin did not answer: in time, or at all.
pub fn unanswered(is_late: bool) -> Problem {
    if is_late {
        let detail = "The origin did not answer within 10 seconds.";
        return Problem::new(Code::OriginTimeout, detail);
    }
    Problem::new(Code::OriginUnreachable, "The origin could not be reached.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::SECURITY_HEADERS;

    /// The compiler knows how many there are; a list does not.
    #[test]
    fn all_are_listed_once() {
        let last = Code::OriginTimeout;
        let position = Code::ALL.iter().position(|code| *code == last);
        assert_eq!(position, Some(Code::ALL.len() - 1));
        #[allow(clippy::as_conversions, reason = "an enum's position")]
        let positions = Code::ALL.map(|code| code as usize);
        assert!(positions.iter().copied().eq(0..Code::ALL.len()));
    }

    #[test]
    fn is_a_problem_document() {
        let request_id = "req_0197c0de8f2b7c3a9d4e5f6071829306".parse().unwrap();
        let problem = Problem::new(Code::CredentialExpired, "The API key has expired.");
        let answer = problem.answer(request_id);
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.body,
            "{\"type\":\"/problems/credential-expired\",\"title\":\"Credential expired\",\
             \"status\":401,\"detail\":\"The API key has expired.\",\"code\":\"credential_expired\",\
             \"request_id\":\"req_0197c0de8f2b7c3a9d4e5f6071829306\"}"
        );
        let (edge, rest) = answer.headers.split_at(3);
        let (security, of_problem) = rest.split_at(SECURITY_HEADERS.len());
        assert!(
            security
                .iter()
                .any(|(name, _)| *name == "x-content-type-options")
        );
        assert_eq!(
            [edge, of_problem].concat(),
            [
                ("content-type", "application/problem+json".to_owned()),
                ("cache-control", "no-store".to_owned()),
                (
                    "souk-request-id",
                    "req_0197c0de8f2b7c3a9d4e5f6071829306".to_owned()
                ),
                (
                    "www-authenticate",
                    "Bearer realm=\"souk\", error=\"invalid_token\"".to_owned()
                ),
            ]
        );
    }
}
