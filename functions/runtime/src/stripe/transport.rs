//! Calls to Stripe over HTTP: bounded in time and number, repeated where that is safe.

use super::STRIPE_VERSION;
use super::accounts::StripeAccount;
use super::breaker::Breaker;
use super::errors::StripeRefusal;
use super::judge::{Effect, Judgement, judge, wait};
use core::time::Duration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::form_urlencoded;

/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Stripe's address.
const STRIPE_URL: &str = "https://api.stripe.com";

/// Bounds on calls to Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripeSettings {
    /// One attempt.
    pub attempt_timeout: Duration,
    /// All attempts of one call together, with the waits between.
    pub call_timeout: Duration,
    /// Attempts of one call, the first one included.
    pub attempts_max: u32,
    /// Calls at the same time; others wait for [`StripeSettings::queue_wait`], and are then not sent.
    pub calls_at_once_max: usize,
    /// For room among the calls at once.
    pub queue_wait: Duration,
    /// After so many failures in a row, by Stripe or on the way, calls are not sent for
    /// [`StripeSettings::breaker_pause`].
    pub breaker_failures_max: u32,
    /// See [`StripeSettings::breaker_failures_max`].
    pub breaker_pause: Duration,
}

impl Default for StripeSettings {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(8),
            call_timeout: Duration::from_secs(18),
            attempts_max: 3,
            calls_at_once_max: 32,
            queue_wait: Duration::from_millis(500),
            breaker_failures_max: 10,
            breaker_pause: Duration::from_secs(5),
        }
    }
}

/// An address that calls must not go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an https:// URL without a path, or http:// on this machine")]
pub struct StripeUrlError;

/// One call.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) account: &'a StripeAccount,
    pub(super) method: Method,
    /// Begins with `/v1/`.
    pub(super) path: String,
    /// In the query of a GET, else in the body.
    pub(super) parameters: Vec<(String, String)>,
    /// Of calls that have an effect.
    pub(super) idempotency_key: Option<String>,
}

/// Why a call has no answer to go by.
#[derive(Debug)]
pub(super) enum Failure {
    /// It certainly had no effect.
    NotSent(String),
    /// It may have had one.
    Unknown(String),
    /// Stripe says why not.
    Refused(Box<StripeRefusal>),
}

/// How an attempt ended.
enum Attempt<T> {
    Done(T),
    Refused(Box<StripeRefusal>),
    Failed {
        effect: Effect,
        again: bool,
        counts: bool,
        wanted: Option<Duration>,
        reason: String,
    },
}

/// Sends calls to one address and nowhere else.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    base: Url,
    settings: StripeSettings,
    room: Semaphore,
    breaker: Breaker,
}

impl Transport {
    pub(super) fn new(url: Option<&str>, settings: StripeSettings) -> Result<Self, StripeUrlError> {
        let base = Url::parse(url.unwrap_or(STRIPE_URL)).map_err(|_| StripeUrlError)?;
        let is_safe = match base.scheme() {
            "https" => true,
            // A key in clear text stays on this machine.
            "http" => is_this_machine(&base),
            _ => false,
        };
        if !is_safe || base.path() != "/" || base.query().is_some() {
            return Err(StripeUrlError);
        }
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A key must not follow a redirect or a proxy to somebody else.
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("souk")
            .build()
            .map_err(|_| StripeUrlError)?;
        Ok(Self {
            http,
            base,
            settings,
            room: Semaphore::new(settings.calls_at_once_max),
            breaker: Breaker::new(settings.breaker_failures_max, settings.breaker_pause),
        })
    }

    /// Makes the call, again where that is safe and may help. `read` says what the body of a 200 is, or why
    /// it is not to be believed.
    pub(super) async fn send<T>(
        &self,
        call: &Call<'_>,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let mut perhaps: Option<String> = None;
        let mut attempt = 1_u32;
        loop {
            let ended = match self.admitted().await {
                Ok(_permit) => self.attempt(call, &read).await,
                Err(reason) => return Err(over(perhaps, Effect::None, reason)),
            };
            let (effect, again, wanted, reason) = match ended {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Refused(refusal) => return Err(Failure::Refused(refusal)),
                Attempt::Failed {
                    effect,
                    again,
                    counts,
                    wanted,
                    reason,
                } => {
                    if counts {
                        self.breaker.failed(Instant::now());
                    } else {
                        self.breaker.answered();
                    }
                    (effect, again, wanted, reason)
                }
            };
            let waits = wait(attempt, wanted, fastrand::f64());
            let in_time = began.elapsed().saturating_add(waits) < self.settings.call_timeout;
            if !again || attempt >= self.settings.attempts_max || !in_time {
                return Err(over(perhaps, effect, reason));
            }
            if effect == Effect::Unknown {
                perhaps = Some(reason);
            }
            tokio::time::sleep(waits).await;
            attempt = attempt.saturating_add(1);
        }
    }

    async fn admitted(&self) -> Result<tokio::sync::SemaphorePermit<'_>, String> {
        let permit = tokio::time::timeout(self.settings.queue_wait, self.room.acquire()).await;
        let Ok(Ok(permit)) = permit else {
            return Err("too many calls at once".to_owned());
        };
        if !self.breaker.may_call(Instant::now()) {
            return Err("the provider did not answer the last calls".to_owned());
        }
        Ok(permit)
    }

    async fn attempt<T>(
        &self,
        call: &Call<'_>,
        read: &(impl Fn(&[u8]) -> Result<T, String> + Send + Sync),
    ) -> Attempt<T> {
        let timeout = self.settings.attempt_timeout;
        match tokio::time::timeout(timeout, self.exchange(call)).await {
            Ok(Ok(answer)) => self.understood(&answer, read),
            Ok(Err(error)) => Attempt::Failed {
                // Whoever was not reached has done nothing.
                effect: if error.is_connect() || error.is_builder() {
                    Effect::None
                } else {
                    Effect::Unknown
                },
                again: !error.is_builder(),
                counts: true,
                wanted: None,
                reason: with_causes(&error.without_url()),
            },
            Err(_) => Attempt::Failed {
                effect: Effect::Unknown,
                again: true,
                counts: true,
                wanted: None,
                reason: "no answer in time".to_owned(),
            },
        }
    }

    fn understood<T>(
        &self,
        answer: &Answer,
        read: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Attempt<T> {
        let garbage = |reason: String| Attempt::Failed {
            effect: Effect::Unknown,
            again: true,
            counts: true,
            wanted: None,
            reason: format!("{}: not understood: {reason}", answer.status),
        };
        match judge(answer.status, answer.should_retry) {
            Judgement::Done => match read(&answer.body) {
                Ok(done) => {
                    self.breaker.answered();
                    Attempt::Done(done)
                }
                Err(reason) => garbage(reason),
            },
            Judgement::Refused => match StripeRefusal::read(answer.status, &answer.body) {
                Ok(refusal) => {
                    self.breaker.answered();
                    Attempt::Refused(Box::new(refusal))
                }
                Err(reason) => garbage(reason),
            },
            Judgement::Failed {
                effect,
                again,
                counts,
            } => {
                let said = StripeRefusal::read(answer.status, &answer.body);
                let message = said.map_or_else(|_| String::new(), |own| own.to_string());
                Attempt::Failed {
                    effect,
                    again,
                    counts,
                    wanted: answer.retry_after,
                    reason: format!("{}: {message}", answer.status),
                }
            }
        }
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, reqwest::Error> {
        let mut url = self.base.clone();
        url.set_path(&call.path);
        let form = encoded(&call.parameters);
        let request = if call.method == Method::GET {
            url.set_query(Some(form.as_str()).filter(|form| !form.is_empty()));
            self.http.get(url)
        } else {
            self.http
                .request(call.method.clone(), url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form)
        };
        let mut response = request.headers(headers_of(call)).send().await?;
        let answer = Answer {
            status: response.status().as_u16(),
            should_retry: flag(response.headers(), "stripe-should-retry"),
            retry_after: seconds(response.headers()),
            body: Vec::new(),
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                body.clear();
                break;
            }
        }
        Ok(Answer { body, ..answer })
    }
}

/// What came back.
struct Answer {
    status: u16,
    should_retry: Option<bool>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

fn encoded(parameters: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// No more attempts: what is known of all of them together.
fn over(perhaps: Option<String>, effect: Effect, reason: String) -> Failure {
    match (perhaps, effect) {
        (None, Effect::None) => Failure::NotSent(reason),
        (None, Effect::Unknown) => Failure::Unknown(reason),
        // An earlier attempt may have had its effect, whatever became of the last.
        (Some(earlier), _) => Failure::Unknown(format!("{reason}; before: {earlier}")),
    }
}

fn headers_of(call: &Call<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str, secret: bool| {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(secret);
            headers.insert(name, value);
        }
    };
    let bearer = format!("Bearer {}", call.account.secret_key());
    put(AUTHORIZATION.as_str(), &bearer, true);
    put("stripe-version", STRIPE_VERSION, false);
    if let Some(account) = call.account.connected() {
        put("stripe-account", account, false);
    }
    if let Some(key) = &call.idempotency_key {
        put("idempotency-key", key, false);
    }
    headers
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_sent_in_clear_text_to_another_machine() {
        let at = |url| Transport::new(Some(url), StripeSettings::default());
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:4000",
            "http://[::1]:4000",
            "http://localhost:1",
        ] {
            assert!(at(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.stripe.com",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://api.stripe.com/v1",
            "https://api.stripe.com/?x",
            "stripe",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
        assert!(Transport::new(None, StripeSettings::default()).is_ok());
    }

    #[test]
    fn one_attempt_that_may_have_had_its_effect_makes_the_whole_call_so() {
        let of = |perhaps: Option<&str>, effect| {
            over(perhaps.map(str::to_owned), effect, "last".to_owned())
        };
        assert!(matches!(of(None, Effect::None), Failure::NotSent(_)));
        assert!(matches!(of(None, Effect::Unknown), Failure::Unknown(_)));
        assert!(matches!(of(Some("x"), Effect::None), Failure::Unknown(_)));
    }
}
