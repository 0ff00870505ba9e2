//! A signed request to the origin, within the time that it has, and once more after a failure where that
//! does no harm.

use crate::answer::report;
use crate::arrival::Arrival;
use crate::clock::{now_ms, pause, random_bytes, within};
use crate::memory::with;
use bytes::Bytes;
use souk_policy::config::Config;
use souk_policy::problem::{Code, Problem, unanswered};
use souk_policy::{ForwardPlan, ORIGIN_TIMEOUT_MS};
use spin_sdk::http::{
    FullBody, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri,
};

/// A second try begins within this many milliseconds of the first one, or not at all.
const RETRY_WITHIN_MS: u64 = 3_000;
/// Milliseconds before a second try: these, and up to [`RETRY_JITTER_MS`] more.
const RETRY_AFTER_MS: u32 = 20;
const RETRY_JITTER_MS: u32 = 60;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Sent {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    started_ms: u64,
    may_be_repeated: bool,
    is_canary: bool,
}

impl Sent {
    /// To the plan's origin, with `headers` of [`forwarded_headers`].
    pub(crate) fn new(
        arrival: &Arrival,
        plan: &ForwardPlan,
        config: &Config,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, Problem> {
        let canary = config.canary_origin_url.as_deref();
        let canary = canary.filter(|_| plan.is_canary());
        let base = canary.unwrap_or(&config.origin_url);
        let uri = format!("{base}{}", plan.target());
        Ok(Self {
            method: arrival.method().parse().map_err(|_| unsendable())?,
            uri: uri.parse().map_err(|_| unsendable())?,
            headers,
            body,
            started_ms: arrival.now_unix_ms(),
            may_be_repeated: plan.may_be_repeated(),
            is_canary: canary.is_some(),
        })
    }

    fn left_ms(&self) -> u32 {
        let spent_ms = now_ms().saturating_sub(self.started_ms);
        let spent_ms = u32::try_from(spent_ms).unwrap_or(u32::MAX);
        ORIGIN_TIMEOUT_MS.saturating_sub(spent_ms).max(1)
    }
}

/// The client's headers without those that the plan strips, and with those that `sealed` says.
pub(crate) fn forwarded_headers(
    plan: &ForwardPlan,
    headers: &HeaderMap,
    sealed: &[(&'static str, String)],
    body_bytes: usize,
) -> Result<HeaderMap, Problem> {
    let mut sent = headers.clone();
    for name in plan.stripped() {
        sent.remove(name.as_str());
    }
    for (name, value) in sealed {
        let value = HeaderValue::from_str(value).map_err(|_| unsendable())?;
        sent.insert(HeaderName::from_static(name), value);
    }
    if plan.reads_body() {
        sent.insert("content-length", body_bytes.into());
    }
    Ok(sent)
}

fn unsendable() -> Problem {
    Problem::new(
        Code::EdgeMisconfigured,
        "The request cannot be sent to the origin.",
    )
}

/// Why the origin gave no answer.
#[derive(Debug)]
enum Silence {
    Late,
    Unreachable(String),
}

/// The origin's answer, or the problem that there is none.
pub(crate) async fn send(sent: &Sent) -> Result<Response, Problem> {
    let mut answer = attempt(sent).await;
    if is_worth_repeating(sent, &answer) {
        let [random, ..] = random_bytes();
        let jitter_ms = u32::from(random).saturating_mul(RETRY_JITTER_MS) / 256;
        pause(RETRY_AFTER_MS.saturating_add(jitter_ms)).await;
        answer = attempt(sent).await;
    }
    answer.map_err(|silence| match silence {
        Silence::Late => {
            report("origin_timeout", "timeout");
            unanswered(true)
        }
        Silence::Unreachable(cause) => {
            report("origin_unreachable", &cause);
            unanswered(false)
        }
    })
}

async fn attempt(sent: &Sent) -> Result<Response, Silence> {
    let answer = match within(sent.left_ms(), attempt_untimed(sent)).await {
        Some(Ok(response)) => Ok(response),
        Some(Err(cause)) => Err(Silence::Unreachable(cause)),
        None => Err(Silence::Late),
    };
    with(|memory| {
        let breaker = memory.breaker(sent.is_canary);
        if is_down(&answer) {
            breaker.failed(now_ms());
        } else {
            breaker.succeeded();
        }
    });
    answer
}

async fn attempt_untimed(sent: &Sent) -> Result<Response, String> {
    let mut request = Request::new(FullBody::new(sent.body.clone()));
    *request.method_mut() = sent.method.clone();
    *request.uri_mut() = sent.uri.clone();
    *request.headers_mut() = sent.headers.clone();
    let answer = spin_sdk::http::send(request).await;
    answer.map_err(|error| error.to_string())
}

/// An origin that says when to come back is at work.
fn is_down(answer: &Result<Response, Silence>) -> bool {
    answer.as_ref().map_or(true, |response| {
        (502..=504).contains(&response.status().as_u16())
            && !response.headers().contains_key("retry-after")
    })
}

fn is_worth_repeating(sent: &Sent, answer: &Result<Response, Silence>) -> bool {
    let is_early = now_ms().saturating_sub(sent.started_ms) < RETRY_WITHIN_MS;
    let is_late = matches!(answer, Err(Silence::Late));
    is_down(answer) && !is_late && is_early && sent.may_be_repeated
}
