//! A request on its way to the origin.

use crate::browser::usual_headers;
use crate::decide::{BODY_BYTES_MAX, HEADERS_BYTES_MAX, RequestFacts, body_too_large};
use crate::headers::stripped_names;
use crate::identity::{
    ANONYMOUS_PRINCIPAL, CONSISTENCY_HEADER, EdgeIdentity, FEATURES_HEADER, SHARD_HEADER,
};
use crate::operations::{Access, Operation};
use crate::problem::{Code, Problem};
use crate::route::RouteRecord;
use crate::signature::{
    CONTENT_DIGEST_HEADER, IDEMPOTENCY_KEY_HEADER, MessageParts, SIGNATURE_HEADER,
    SIGNATURE_INPUT_HEADER, SIGNED_OF_CLIENT, SigningKey, TTL_S_MAX, sign,
};
use crate::trace::{TRACEPARENT_HEADER, TRACESTATE_HEADER, is_continued, traceparent};

/// Milliseconds that the origin may take to answer, all tries together.
pub const ORIGIN_TIMEOUT_MS: u32 = 10_000;

/// What is forwarded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardPlan {
    identity: EdgeIdentity,
    /// What the tenant's record says besides.
    of_record: Vec<(&'static str, String)>,
    method: String,
    path: String,
    query: Option<String>,
    /// Headers of the client that are signed as they are.
    signed_of_client: Vec<(&'static str, String)>,
    stripped: Vec<String>,
    operation: &'static Operation,
    traceparent: String,
    answer_headers: Vec<(&'static str, String)>,
    is_canary: bool,
    is_over_limit: bool,
}

impl ForwardPlan {
    pub(crate) fn new(
        facts: &RequestFacts<'_>,
        record: &RouteRecord,
        identity: EdgeIdentity,
        operation: &'static Operation,
    ) -> Result<Self, Problem> {
        let mut stripped = stripped_names(facts.headers);
        let of_caller = facts.only_header(TRACEPARENT_HEADER);
        let has_state = facts.header(TRACESTATE_HEADER).is_some();
        if has_state && !is_continued(of_caller) {
            stripped.push(TRACESTATE_HEADER.to_owned());
        }
        let mut forwarded_bytes = 0_usize;
        let mut signed_of_client = Vec::new();
        for (name, value) in facts.headers {
            if stripped.iter().any(|own| own == name) {
                continue;
            }
            forwarded_bytes = forwarded_bytes
                .saturating_add(name.len())
                .saturating_add(value.len());
            if let Some(own) = SIGNED_OF_CLIENT.into_iter().find(|own| own == name) {
                signed_of_client.push((own, (*value).to_owned()));
            }
        }
        if forwarded_bytes > HEADERS_BYTES_MAX {
            let detail = "The headers to be forwarded are larger than 6 KiB.";
            return Err(Problem::new(Code::HeadersTooLarge, detail));
        }
        Ok(Self {
            traceparent: traceparent(of_caller, identity.request_id),
            identity,
            of_record: of_record(record),
            operation,
            answer_headers: Vec::new(),
            is_canary: false,
            is_over_limit: false,
            method: facts.method.to_owned(),
            path: facts.path.to_owned(),
            query: facts.query.map(str::to_owned),
            signed_of_client,
            stripped,
        })
    }

    pub(crate) fn answered_with(
        &mut self,
        headers: Vec<(&'static str, String)>,
        is_canary: bool,
        is_over_limit: bool,
    ) {
        self.answer_headers = headers;
        self.is_canary = is_canary;
        self.is_over_limit = is_over_limit;
    }

    /// What is asked for.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// The headers to set on the origin's answer; `vary` is added to what it says itself.
    pub fn answer_headers(&self) -> Vec<(&'static str, String)> {
        let usual = usual_headers(self.identity.request_id);
        usual.chain(self.answer_headers.iter().cloned()).collect()
    }

    /// A problem that came up on its way: a page must be able to read this answer too, and who was counted
    /// is told so.
    #[must_use]
    pub fn refusal(&self, problem: Problem) -> Problem {
        problem.with_headers(self.answer_headers.clone())
    }

    /// Whether it goes to the canary origin, where there is one.
    pub fn is_canary(&self) -> bool {
        self.is_canary
    }

    /// Whether it would have been refused, were the limits not only looked at.
    pub fn is_over_limit(&self) -> bool {
        self.is_over_limit
    }

    /// Whether it may be sent a second time after a failure: it has no effect, or has it once for its
    /// idempotency key.
    pub fn may_be_repeated(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
            || self
                .signed_of_client
                .iter()
                .any(|(name, _)| *name == IDEMPOTENCY_KEY_HEADER)
    }

    /// Under which an answer may be kept for others: it is public, its caller nobody, and an older answer
    /// will do. Empty otherwise.
    pub fn cache_key(&self) -> String {
        let may_be_kept = self.operation.access == Access::Public
            && self.identity.principal == ANONYMOUS_PRINCIPAL
            && !self.reads_body()
            && !self.wants_latest();
        if may_be_kept {
            format!("{}{}", self.identity.tenant, self.target())
        } else {
            String::new()
        }
    }

    /// The method, in upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Whether its client must see what it has written before: an answer to somebody else may be older.
    pub fn wants_latest(&self) -> bool {
        self.signed_of_client
            .iter()
            .any(|(name, _)| *name == CONSISTENCY_HEADER)
    }

    /// Who the request is from.
    pub fn identity(&self) -> &EdgeIdentity {
        &self.identity
    }

    /// Names of incoming headers to take out, in lower case. All others are handed on.
    pub fn stripped(&self) -> &[String] {
        &self.stripped
    }

    /// Path and query, to be put behind the origin's base URL.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Whether there can be a body to read and forward. Where there cannot, none is forwarded.
    pub fn reads_body(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// The headers to set, in place of any of the same name: the identity, what the tenant's record says
    /// besides, and the signature over them and the request. `created_unix_s` (Unix seconds) is read when the body has arrived: the
    /// signature lives 30 seconds, and a slow upload must not use them up.
    pub fn seal(
        &self,
        body: &[u8],
        key: &SigningKey,
        created_unix_s: i64,
    ) -> Result<Vec<(&'static str, String)>, Problem> {
        if body.len() > BODY_BYTES_MAX {
            return Err(self.refusal(body_too_large()));
        }
        let mut headers = self.identity.to_headers().to_vec();
        headers.extend(self.of_record.iter().cloned());
        let covered: Vec<(&str, &str)> = headers
            .iter()
            .chain(&self.signed_of_client)
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let parts = MessageParts {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &covered,
            body,
        };
        let signed = sign(&parts, key, created_unix_s, TTL_S_MAX).map_err(|error| {
            let detail = format!("The request could not be signed: {error}.");
            self.refusal(Problem::new(Code::EdgeMisconfigured, detail))
        })?;
        headers.push((CONTENT_DIGEST_HEADER, signed.content_digest));
        headers.push((SIGNATURE_INPUT_HEADER, signed.signature_input));
        headers.push((SIGNATURE_HEADER, signed.signature));
        headers.push((TRACEPARENT_HEADER, self.traceparent.clone()));
        Ok(headers)
    }
}

/// What is told of a tenant's record besides the identity: nothing where it says nothing.
fn of_record(record: &RouteRecord) -> Vec<(&'static str, String)> {
    let shard = record.shard.clone().map(|shard| (SHARD_HEADER, shard));
    let features = &record.policy.features;
    let features = (!features.is_empty()).then(|| (FEATURES_HEADER, features.join(" ")));
    shard.into_iter().chain(features).collect()
}
