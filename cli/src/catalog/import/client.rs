//! Sends chunks, again where that is right.

use super::outcome::Failure;
use core::time::Duration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The first wait before another attempt; it doubles with each one.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait of our own choosing.
const BACKOFF_MAX: Duration = Duration::from_secs(20);
/// The longest wait that the server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// What has become of a chunk.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) applied: u64,
    pub(crate) new_skus: u64,
    pub(crate) rejected: Vec<Refused>,
    #[serde(skip)]
    pub(crate) replayed: bool,
}

/// What is wrong with a row of a chunk.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) row: usize,
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
    request_id: String,
}

/// Sends to one shop.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
    attempts_max: u32,
}

/// Why an attempt did not succeed.
enum Attempt {
    /// Another one may; not before this time, where the server says so.
    Again(String, Option<Duration>),
    Never(Failure),
}

impl Client {
    pub(crate) fn new(url: &str, host: Option<&str>, api_key: &str) -> Result<Self, Failure> {
        let invalid = || Failure::Url(url.to_owned());
        let base = Url::parse(url).map_err(|_| invalid())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(invalid());
        }
        let url = base.join("/v1/catalog-imports").map_err(|_| invalid())?;
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Failure::Unsendable);
        let mut bearer = value(&format!("Bearer {api_key}"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if let Some(host) = host {
            headers.insert(HOST, value(host)?);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A key must not follow a redirect to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::GaveUp(format!("no HTTP client: {error}")))?;
        Ok(Self {
            http,
            url,
            headers,
            timeout: CONNECT_TIMEOUT,
            attempts_max: 1,
        })
    }

    /// With these bounds on one attempt and on their number.
    pub(crate) fn bounded(self, timeout: Duration, attempts_max: u32) -> Self {
        Self {
            timeout,
            attempts_max,
            ..self
        }
    }

    /// Sends a chunk until it is answered. Safe to repeat: it has its effect once under its key.
    pub(crate) async fn send(&self, key: &str, body: &str) -> Result<Answer, Failure> {
        let mut attempt = 1_u32;
        let mut backoff = BACKOFF;
        loop {
            match self.attempt(key, body).await {
                Ok(answer) => return Ok(answer),
                Err(Attempt::Never(failure)) => return Err(failure),
                Err(Attempt::Again(reason, _)) if attempt >= self.attempts_max => {
                    return Err(Failure::GaveUp(format!(
                        "{reason} (attempt {attempt}, the last)"
                    )));
                }
                Err(Attempt::Again(_, wanted)) => {
                    let jitter = backoff.mul_f64(fastrand::f64());
                    let wait = wanted.unwrap_or_default().min(RETRY_AFTER_MAX).max(jitter);
                    tokio::time::sleep(wait).await;
                    backoff = backoff.saturating_mul(2).min(BACKOFF_MAX);
                    attempt = attempt.saturating_add(1);
                }
            }
        }
    }

    async fn attempt(&self, key: &str, body: &str) -> Result<Answer, Attempt> {
        let lost = |error: reqwest::Error| {
            let error = with_causes(&error.without_url());
            Attempt::Again(format!("no answer from {}: {error}", self.url), None)
        };
        let request = self
            .http
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header("idempotency-key", key)
            .timeout(self.timeout)
            .body(body.to_owned());
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(refused(status, response).await);
        }
        let replayed = response.headers().contains_key("idempotent-replayed");
        let answer: Answer = response.json().await.map_err(lost)?;
        Ok(Answer { replayed, ..answer })
    }
}

async fn refused(status: StatusCode, response: Response) -> Attempt {
    let seconds = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let problem: Problem = response.json().await.unwrap_or_default();
    let mut told = format!("{} {}", status.as_u16(), problem.code);
    for (before, text) in [(": ", &problem.detail), (", request ", &problem.request_id)] {
        if !text.is_empty() {
            told.push_str(before);
            told.push_str(text);
        }
    }
    match status.as_u16() {
        401 | 403 => Attempt::Never(Failure::NotAllowed(told)),
        404 | 405 | 301..=308 => Attempt::Never(Failure::NotThere(told)),
        408 | 409 | 425 | 429 | 500..=599 => Attempt::Again(told, retry_after),
        _ => Attempt::Never(Failure::Refused(told)),
    }
}

fn with_causes(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
