//! What becomes of a request.
//!
//! The decision is made in steps, between which the host does what only it can do:
//!
//! 1. [`open`]: bounds and form of the request line, and which record to look up.
//!    *The host reads the record.*
//! 2. [`decide`]: which is [`admit`] (tenant and operation), [`authenticate`](crate::authenticate)
//!    (who calls) and [`authorize`] (may it). *The host reads the body.*
//! 3. [`ForwardPlan::seal`]: the headers to set, signed. *The host forwards.*
//!
//! What limits the rate of a tenant or caller belongs between `authenticate` and `authorize`: it
//! needs the [`Caller`], and what it refuses must not learn which scopes the caller has.

use crate::authenticate::{Caller, Credential, authenticate};
use crate::forward::ForwardPlan;
use crate::identity::{CONSISTENCY_BYTES_MAX, CONSISTENCY_HEADER, EdgeIdentity};
use crate::operations::{self, Access, Operation};
use crate::problem::{Answer, Code, Problem};
use crate::route::{RouteKey, RouteRecord, TenantStatus};
use crate::signature::IDEMPOTENCY_KEY_HEADER;
use souk_domain::{IdempotencyKey, RequestId};

/// Bytes of a path at most.
pub const PATH_BYTES_MAX: usize = 2048;
/// Bytes of a query at most.
pub const QUERY_BYTES_MAX: usize = 2048;
/// Bytes of a body at most.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Bytes of names and values of the forwarded headers at most: an HTTP API takes 10,240 together with
/// the request line and what the edge adds.
pub const HEADERS_BYTES_MAX: usize = 6 * 1024;
/// The path that the edge answers itself.
pub const HEALTH_PATH: &str = "/healthz";

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What the host knows of a request before it has read the body.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The host that was asked for, with or without a port.
    pub host: &'a str,
    /// With a leading slash.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// Unix seconds, read once.
    pub now_unix_s: i64,
    /// The id that the edge gave this request.
    pub request_id: RequestId,
}

impl<'a> RequestFacts<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| *value)
    }
}

/// What to do with a well-formed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Give this answer: the question was for the edge itself.
    Answer(Answer),
    /// Look up the route record under this key, then [`decide`].
    LookUp(RouteKey),
}

/// A tenant that is served, and the operation that was asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'a> {
    /// The tenant's record.
    pub record: &'a RouteRecord,
    /// The operation.
    pub operation: &'static Operation,
}

/// Checks the request line and says which record decides about the request.
pub fn open(facts: &RequestFacts<'_>) -> Result<Opening, Problem> {
    check_method(facts.method)?;
    check_path(facts.path)?;
    check_query(facts.query)?;
    check_headers(facts)?;
    if facts.path == HEALTH_PATH {
        return health(facts).map(Opening::Answer);
    }
    route_key(facts).map(Opening::LookUp)
}

/// Who is meant: the host says so, or the path where the request is a provider's.
fn route_key(facts: &RequestFacts<'_>) -> Result<RouteKey, Problem> {
    let operation = operations::find(facts.method, facts.path);
    if operation.is_ok_and(|operation| operation.access == Access::Psp) {
        let tenant = facts.path.rsplit('/').next().unwrap_or_default().parse();
        return tenant
            .map(RouteKey::of_tenant)
            .map_err(|_| tenant_not_found("The path names no tenant."));
    }
    RouteKey::of_host(facts.host)
        .ok_or_else(|| Problem::new(Code::HostInvalid, "The host is not a host name."))
}

fn tenant_not_found(detail: &'static str) -> Problem {
    Problem::new(Code::TenantNotFound, detail)
}

/// Decides about a request that [`open`] let pass. `record` is what the store holds under the route's
/// key, `served_region` the region whose origin this edge forwards to.
pub fn decide(
    facts: &RequestFacts<'_>,
    record: Option<&RouteRecord>,
    served_region: &str,
) -> Result<ForwardPlan, Problem> {
    let admitted = admit(facts, record, served_region)?;
    let presented = match admitted.operation.access {
        // It has no credential of ours: the function verifies its signature over the body.
        Access::Psp => None,
        Access::Scope(_) | Access::Public => Credential::parse(facts.header("authorization"))?,
    };
    let caller = match presented {
        Some(credential) => authenticate(&credential, admitted.record, facts.now_unix_s)?,
        None => without_credential(admitted.operation)?,
    };
    authorize(facts, &admitted, caller)
}

/// The tenant exists and is served from here, and has this operation.
pub fn admit<'a>(
    facts: &RequestFacts<'_>,
    record: Option<&'a RouteRecord>,
    served_region: &str,
) -> Result<Admitted<'a>, Problem> {
    let Some(record) = record else {
        return Err(tenant_not_found(
            "No tenant is known under this host or id.",
        ));
    };
    let operation = operations::find(facts.method, facts.path);
    match record.status {
        TenantStatus::Active => {}
        // Money that has moved has moved, also while nobody may buy.
        TenantStatus::Suspended
            if operation
                .as_ref()
                .is_ok_and(|one| one.access == Access::Psp) => {}
        TenantStatus::Suspended => {
            let detail = "This tenant is suspended.";
            return Err(Problem::new(Code::TenantSuspended, detail));
        }
    }
    if record.region != served_region {
        let detail = "This tenant is served from another region.";
        return Err(Problem::new(Code::RegionNotServed, detail));
    }
    Ok(Admitted {
        record,
        operation: operation?,
    })
}

/// Who calls without a credential: nobody, unless anyone may.
pub fn without_credential(operation: &Operation) -> Result<Caller, Problem> {
    match operation.access {
        Access::Public => Ok(Caller::anonymous()),
        Access::Psp => Ok(Caller::psp()),
        Access::Scope(_) => Err(Problem::new(
            Code::CredentialMissing,
            "Send an API key as `Authorization: Bearer souk_sk_…`.",
        )),
    }
}

/// The caller has the operation's scope, and the request fits.
pub fn authorize(
    facts: &RequestFacts<'_>,
    admitted: &Admitted<'_>,
    caller: Caller,
) -> Result<ForwardPlan, Problem> {
    if let Access::Scope(scope) = admitted.operation.access
        && !caller.scopes.contains(scope)
    {
        // RFC 6750, section 3.1.
        let challenge =
            format!("Bearer realm=\"souk\", error=\"insufficient_scope\", scope=\"{scope}\"");
        let detail = format!("The operation needs the scope {scope}.");
        return Err(
            Problem::new(Code::ScopeMissing, detail).with_header("www-authenticate", challenge)
        );
    }
    check_content_length(facts)?;
    let identity = EdgeIdentity {
        tenant: admitted.record.tenant_id,
        principal: caller.principal,
        scopes: caller.scopes,
        region: admitted.record.region.clone(),
        request_id: facts.request_id,
    };
    ForwardPlan::new(facts, identity)
}

fn health(facts: &RequestFacts<'_>) -> Result<Answer, Problem> {
    if !matches!(facts.method, "GET" | "HEAD") {
        return Err(operations::method_not_allowed(&["GET", "HEAD"]));
    }
    Ok(Answer {
        status: 200,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
            (
                crate::identity::REQUEST_ID_HEADER,
                facts.request_id.to_string(),
            ),
        ],
        body: "{\"status\":\"ok\"}".to_owned(),
    })
}

fn check_method(method: &str) -> Result<(), Problem> {
    if METHODS.contains(&method) {
        return Ok(());
    }
    Err(Problem::new(
        Code::MethodInvalid,
        "The method is not known.",
    ))
}

/// A path that every host on the way reads alike: it needs no decoding and has no segment that could
/// be resolved away. None of the operations needs more.
fn check_path(path: &str) -> Result<(), Problem> {
    let refuse = |detail: &'static str| Err(Problem::new(Code::PathInvalid, detail));
    if path.len() > PATH_BYTES_MAX {
        return refuse("The path is longer than 2048 bytes.");
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("The path does not begin with a slash.");
    };
    if !rest.bytes().all(|byte| byte == b'/' || is_plain(byte)) {
        return refuse("The path has a character that is not allowed.");
    }
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let empty_inside = segment.is_empty() && segments.peek().is_some();
        if empty_inside || matches!(segment, "." | "..") {
            return refuse("The path has an empty segment or a dot segment.");
        }
    }
    Ok(())
}

fn check_query(query: Option<&str>) -> Result<(), Problem> {
    let refuse = |detail: &'static str| Err(Problem::new(Code::QueryInvalid, detail));
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return refuse("The query is longer than 2048 bytes.");
    }
    let mut bytes = query.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                digits
                    .into_iter()
                    .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit()))
            }
            b':' | b'@' | b'/' | b'?' => true,
            _ => is_plain(byte),
        };
        if !fits {
            return refuse("The query has a character that is not allowed.");
        }
    }
    Ok(())
}

/// Unreserved characters and sub-delimiters (RFC 3986, sections 2.2 and 2.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// What is signed every host on the way must read alike: it occurs once, in a form that cannot be two
/// lines that a host has joined by a comma (RFC 9110, section 5.3).
fn check_headers(facts: &RequestFacts<'_>) -> Result<(), Problem> {
    check_consistency(facts)?;
    let mut keys = facts
        .headers
        .iter()
        .filter(|(name, _)| *name == IDEMPOTENCY_KEY_HEADER);
    let Some((_, key)) = keys.next() else {
        return Ok(());
    };
    if IdempotencyKey::parse(key).is_ok() && keys.next().is_none() {
        return Ok(());
    }
    Err(Problem::new(
        Code::IdempotencyKeyInvalid,
        "The idempotency key is repeated, empty, too long or malformed.",
    ))
}

/// The characters of a consistency token; whether it is one the origin says.
fn check_consistency(facts: &RequestFacts<'_>) -> Result<(), Problem> {
    let mut tokens = facts
        .headers
        .iter()
        .filter(|(name, _)| *name == CONSISTENCY_HEADER);
    let Some((_, token)) = tokens.next() else {
        return Ok(());
    };
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b":/-".contains(&byte);
    let well_formed = (1..=CONSISTENCY_BYTES_MAX).contains(&token.len())
        && token.bytes().all(accepted)
        && tokens.next().is_none();
    if well_formed {
        return Ok(());
    }
    Err(Problem::new(
        Code::ConsistencyTokenInvalid,
        "The consistency token is repeated, empty, too long or malformed.",
    ))
}

/// What a request says of its size; what is read is measured by [`ForwardPlan::seal`].
fn check_content_length(facts: &RequestFacts<'_>) -> Result<(), Problem> {
    let Some(length) = facts.header("content-length") else {
        return Ok(());
    };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        let detail = "The content length is not a number.";
        return Err(Problem::new(Code::ContentLengthInvalid, detail));
    }
    // More digits than fit are more bytes than fit.
    match length.parse::<usize>() {
        Ok(bytes) if bytes <= BODY_BYTES_MAX => Ok(()),
        Ok(_) | Err(_) => Err(body_too_large()),
    }
}

/// The problem of a body beyond [`BODY_BYTES_MAX`].
pub fn body_too_large() -> Problem {
    let detail = "The body is larger than 256 KiB.";
    Problem::new(Code::BodyTooLarge, detail)
}
