//! What becomes of a request.
//!
//! [`open`] checks the request line and names the record that decides. [`decide`] then takes the steps
//! of the pipeline in their order, from what the host has learned so far ([`Known`]), until it ends with an
//! answer or a [`ForwardPlan`], or needs something that only the host can get ([`Next`]): a record, a
//! key of an issuer, the proof of a signature, the limiter's word. The host gets it and asks again. The
//! function is total and keeps nothing, so asking again costs microseconds and cannot go another way.
//!
//! The steps: tenant, deny list and limit of the address, operation, authentication, scopes, limits of
//! tenant and caller, idempotency key, region and switches. [`ForwardPlan::seal`] signs.

use crate::authenticate::{Caller, Credential, authenticate};
use crate::browser;
use crate::forward::ForwardPlan;
use crate::gcra::Verdict;
use crate::identity::{CONSISTENCY_BYTES_MAX, CONSISTENCY_HEADER, EdgeIdentity};
use crate::jose::{Issuer, Jws, PublicKey, SignatureCheck, TokenError, UnverifiedClaims};
use crate::limit::{self, LimitQuestion, Limited};
use crate::operations::{self, Access, Operation};
use crate::problem::{Answer, Code, Problem};
use crate::route::{RouteKey, RouteRecord, TenantStatus};
use crate::settings::Settings;
use crate::signature::IDEMPOTENCY_KEY_HEADER;
use core::net::IpAddr;
use sha2::{Digest as _, Sha256};
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
    /// Who is at the other end of the connection, as the host says and not the client.
    pub client_address: Option<IpAddr>,
}

impl<'a> RequestFacts<'a> {
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| *value)
    }

    /// The value of a header that occurs once: one host joins two of a name by a comma and another takes
    /// the first.
    pub(crate) fn only_header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(own, _)| *own == name);
        let first = found.next().map(|(_, value)| *value);
        first.filter(|_| found.next().is_none())
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

/// What the host knows of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant<'a> {
    /// The store has nothing under the key of [`open`].
    NotUnderKey,
    /// Nor under the wildcard of that key.
    Unknown,
    /// The record.
    Known(&'a RouteRecord),
}

/// What the host knows of an issuer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKey<'a> {
    /// It is this one.
    Found(&'a PublicKey),
    /// The issuer has none of that id.
    Unknown,
    /// The issuer's keys cannot be had.
    Unavailable,
}

/// What the host has learned for a request so far.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The region whose origin this edge forwards to.
    pub region: &'a str,
    /// What counts for all tenants.
    pub settings: &'a Settings,
    /// Whose request it is.
    pub tenant: Tenant<'a>,
    /// What the address' limit says, where there is one and the address is known.
    pub address: Option<Verdict>,
    /// What [`Next::Key`] asked for.
    pub key: Option<IssuerKey<'a>>,
    /// What [`Next::Verify`] asked for.
    pub signature_holds: Option<bool>,
    /// What [`Next::Limit`] asked for.
    pub limited: Option<&'a Limited>,
}

/// The key that a token says to be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWanted<'a> {
    /// Whose.
    pub issuer: &'a Issuer,
    /// Its id.
    pub key_id: Option<String>,
}

/// What the host is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// Give this answer.
    Answer(Answer),
    /// Look this up, and say [`Tenant::Unknown`] or [`Tenant::Known`].
    Record(RouteKey),
    /// Find the key among the issuer's.
    Key(KeyWanted<'a>),
    /// Say whether the signature holds.
    Verify(SignatureCheck<'a>),
    /// Ask the limiter.
    Limit(LimitQuestion),
    /// Read the body where there is one, seal, forward.
    Forward(Box<ForwardPlan>),
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

/// Decides about a request that [`open`] let pass.
///
/// # Errors
/// The problem to answer with.
pub fn decide<'a>(facts: &RequestFacts<'a>, known: &Known<'a>) -> Result<Next<'a>, Problem> {
    let record = match known.tenant {
        Tenant::Known(record) => record,
        Tenant::NotUnderKey => {
            let wildcard = match route_key(facts)? {
                key if operation_of_psp(facts) => return Err(unknown_tenant(&key)),
                key => key.wildcard().ok_or_else(|| unknown_tenant(&key))?,
            };
            return Ok(Next::Record(wildcard));
        }
        Tenant::Unknown => return Err(unknown_tenant(&route_key(facts)?)),
    };
    decide_for(facts, known, record).map_err(|problem| {
        let headers = browser::cors_headers(facts, record);
        problem.with_headers(headers)
    })
}

fn decide_for<'a>(
    facts: &RequestFacts<'a>,
    known: &Known<'a>,
    record: &'a RouteRecord,
) -> Result<Next<'a>, Problem> {
    check_status(facts, record)?;
    check_address(facts, known)?;
    if let Some(answer) = browser::preflight(facts, record) {
        return Ok(Next::Answer(answer));
    }
    let operation = operations::find(facts.method, facts.path)?;
    let caller = match identify(facts, known, record, operation)? {
        Identified::As(caller) => caller,
        Identified::Needs(next) => return Ok(next),
    };
    check_scope(operation, &caller)?;
    check_content_length(facts)?;
    let mut answer_headers = Vec::new();
    let mut is_over_limit = false;
    if let Some(question) = limit::question(record, operation, &caller) {
        let Some(limited) = known.limited else {
            return Ok(Next::Limit(question));
        };
        let ruling = limit::ruling(&question, limited);
        if let Some(refusal) = ruling.refused {
            if !record.policy.limits.shadow {
                return Err(refusal.problem(ruling.headers));
            }
            is_over_limit = true;
        }
        answer_headers = ruling.headers;
    }
    // Who was counted is told so, also where it is refused for something else.
    check_idempotency_key(facts, operation)
        .and_then(|()| check_dispatch(known, record, operation))
        .map_err(|problem| problem.with_headers(answer_headers.clone()))?;
    let is_canary = is_canary(record, &caller);
    let identity = EdgeIdentity {
        tenant: record.tenant_id,
        principal: caller.principal,
        scopes: caller.scopes,
        region: record.region.clone(),
        request_id: facts.request_id,
    };
    let mut plan = ForwardPlan::new(facts, record, identity, operation)
        .map_err(|problem| problem.with_headers(answer_headers.clone()))?;
    answer_headers.extend(browser::cors_headers(facts, record));
    plan.answered_with(answer_headers, is_canary, is_over_limit);
    Ok(Next::Forward(Box::new(plan)))
}

fn operation_of_psp(facts: &RequestFacts<'_>) -> bool {
    operations::find(facts.method, facts.path).is_ok_and(|found| found.access == Access::Psp)
}

fn unknown_tenant(_: &RouteKey) -> Problem {
    tenant_not_found("No tenant is known under this host or id.")
}

fn check_status(facts: &RequestFacts<'_>, record: &RouteRecord) -> Result<(), Problem> {
    match record.status {
        TenantStatus::Active => Ok(()),
        // Money that has moved has moved, also while nobody may buy.
        TenantStatus::Suspended if operation_of_psp(facts) => Ok(()),
        TenantStatus::Suspended => {
            let detail = "This tenant is suspended.";
            Err(Problem::new(Code::TenantSuspended, detail))
        }
    }
}

fn check_address(facts: &RequestFacts<'_>, known: &Known<'_>) -> Result<(), Problem> {
    let denied = facts
        .client_address
        .is_some_and(|address| known.settings.denies(address));
    if denied {
        let detail = "Requests from this address are not answered.";
        return Err(Problem::new(Code::AddressDenied, detail));
    }
    match &known.address {
        Some(verdict) if !verdict.allowed => Err(limit::address_refused(verdict)),
        Some(_) | None => Ok(()),
    }
}

enum Identified<'a> {
    As(Caller),
    Needs(Next<'a>),
}

/// Who calls.
fn identify<'a>(
    facts: &RequestFacts<'a>,
    known: &Known<'a>,
    record: &'a RouteRecord,
    operation: &Operation,
) -> Result<Identified<'a>, Problem> {
    let presented = match operation.access {
        // It has no credential of ours: the function verifies its signature over the body.
        Access::Psp => return Ok(Identified::As(Caller::psp())),
        Access::Scope(_) | Access::Public => Credential::parse(authorization(facts)?)?,
    };
    match presented {
        Some(Credential::ApiKey(key)) => {
            authenticate(&key, record, facts.now_unix_s).map(Identified::As)
        }
        Some(Credential::Token(token)) => by_token(token, facts.now_unix_s, known, record),
        None => without_credential(operation).map(Identified::As),
    }
}

/// The one `Authorization` of a request: of two, nobody knows which the next host reads.
fn authorization<'a>(facts: &RequestFacts<'a>) -> Result<Option<&'a str>, Problem> {
    let mut all = facts
        .headers
        .iter()
        .filter(|(name, _)| *name == "authorization");
    let first = all.next().map(|(_, value)| *value);
    if all.next().is_some() {
        let detail = "The request has more than one Authorization.";
        return Err(Problem::new(Code::CredentialInvalid, detail));
    }
    Ok(first)
}

fn by_token<'a>(
    token: &'a str,
    now_unix_s: i64,
    known: &Known<'a>,
    record: &'a RouteRecord,
) -> Result<Identified<'a>, Problem> {
    let jws = Jws::parse(token).map_err(refused_token)?;
    let claims = UnverifiedClaims::parse(&jws).map_err(refused_token)?;
    let issuer = claims
        .issuer(&jws, &record.policy.issuers)
        .map_err(refused_token)?;
    let keys_unavailable = || {
        let detail = "The keys of the token's issuer cannot be had at the moment.";
        Problem::new(Code::KeysUnavailable, detail)
    };
    let host = issuer.jwks_host().ok_or_else(keys_unavailable)?;
    if !known.settings.issuer_hosts.iter().any(|own| own == host) {
        return Err(keys_unavailable());
    }
    let key = match known.key {
        None => {
            return Ok(Identified::Needs(Next::Key(KeyWanted {
                issuer,
                key_id: jws.key_id().map(str::to_owned),
            })));
        }
        Some(IssuerKey::Found(key)) => key,
        Some(IssuerKey::Unknown) => return Err(refused_token(TokenError::UnknownKey)),
        Some(IssuerKey::Unavailable) => return Err(keys_unavailable()),
    };
    let check = jws.check(key).map_err(refused_token)?;
    match known.signature_holds {
        None => Ok(Identified::Needs(Next::Verify(check))),
        Some(false) => Err(refused_token(TokenError::Signature)),
        Some(true) => claims
            .accept(issuer, record.tenant_id, now_unix_s)
            .map(Identified::As)
            .map_err(refused_token),
    }
}

fn refused_token(error: TokenError) -> Problem {
    let code = if error == TokenError::Expired {
        Code::CredentialExpired
    } else {
        Code::CredentialInvalid
    };
    Problem::new(code, error.to_string())
}

/// Who calls without a credential: nobody, unless anyone may.
fn without_credential(operation: &Operation) -> Result<Caller, Problem> {
    match operation.access {
        Access::Public => Ok(Caller::anonymous()),
        Access::Psp => Ok(Caller::psp()),
        Access::Scope(_) => Err(Problem::new(
            Code::CredentialMissing,
            "Send an API key as `Authorization: Bearer souk_sk_…`, or an access token.",
        )),
    }
}

fn check_scope(operation: &Operation, caller: &Caller) -> Result<(), Problem> {
    let Access::Scope(scope) = operation.access else {
        return Ok(());
    };
    if caller.scopes.contains(scope) {
        return Ok(());
    }
    // RFC 6750, section 3.1.
    let challenge =
        format!("Bearer realm=\"souk\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let detail = format!("The operation needs the scope {scope}.");
    Err(Problem::new(Code::ScopeMissing, detail).with_header("www-authenticate", challenge))
}

/// What has an effect comes with a key. Its form was checked by [`open`].
fn check_idempotency_key(facts: &RequestFacts<'_>, operation: &Operation) -> Result<(), Problem> {
    if !operation.has_effect() || facts.header(IDEMPOTENCY_KEY_HEADER).is_some() {
        return Ok(());
    }
    Err(Problem::new(
        Code::IdempotencyKeyMissing,
        "The operation has an effect: send a new UUID as Idempotency-Key.",
    ))
}

/// The tenant is served from here, and the operation is not switched off.
fn check_dispatch(
    known: &Known<'_>,
    record: &RouteRecord,
    operation: &Operation,
) -> Result<(), Problem> {
    if record.region != known.region {
        let detail = "This tenant is served from another region.";
        return Err(Problem::new(Code::RegionNotServed, detail));
    }
    if known
        .settings
        .switches_off(operation, &record.policy.disabled)
    {
        let detail = "The operation is switched off for the moment.";
        return Err(Problem::new(Code::OperationDisabled, detail));
    }
    Ok(())
}

/// Whether a caller goes to the canary: by what it is, so that it always meets the same origin.
fn is_canary(record: &RouteRecord, caller: &Caller) -> bool {
    if record.policy.canary_percent == 0 {
        return false;
    }
    let named = format!("{}|{}", record.tenant_id, caller.principal);
    let digest: [u8; 32] = Sha256::digest(named.as_bytes()).into();
    let [first, second, ..] = digest;
    u16::from_be_bytes([first, second]) % 100 < u16::from(record.policy.canary_percent)
}

fn health(facts: &RequestFacts<'_>) -> Result<Answer, Problem> {
    if !matches!(facts.method, "GET" | "HEAD") {
        return Err(operations::method_not_allowed(&["GET", "HEAD"]));
    }
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    headers.extend(browser::usual_headers(facts.request_id));
    Ok(Answer {
        status: 200,
        headers,
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
