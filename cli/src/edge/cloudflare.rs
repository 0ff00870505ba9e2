//! Workers KV by Cloudflare's REST API.

use anyhow::{Context as _, Result, ensure};
use core::fmt::Write as _;
use core::time::Duration;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use souk_app::edge::{EdgeStore, EdgeStoreError, EntryToStore, StoredEntry};
use tokio::time::Instant;

/// To connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The first wait before another attempt; it doubles with each one.
const BACKOFF: Duration = Duration::from_millis(200);
/// The longest wait of our own choosing.
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// Attempts of one request at most.
const ATTEMPTS_MAX: u32 = 6;
/// All attempts of one request together: a publication's lease is longer.
const BUDGET: Duration = Duration::from_secs(45);
/// Keys of a page: the most that there can be.
const PAGE_KEYS: &str = "1000";
/// Pages of a list at most.
const PAGES_MAX: u32 = 1_000;

/// A namespace.
#[derive(Debug)]
pub(crate) struct Cloudflare {
    http: reqwest::Client,
    namespace: Url,
    headers: HeaderMap,
    timeout: Duration,
}

#[derive(Debug, Deserialize)]
struct Answer<T> {
    result: Option<T>,
    #[serde(default)]
    result_info: Option<PageInfo>,
}

#[derive(Debug, Deserialize)]
struct PageInfo {
    #[serde(default)]
    cursor: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bulk {
    unsuccessful_keys: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    errors: Vec<RefusalError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RefusalError {
    code: i64,
    message: String,
}

/// An entry in the form of the bulk interfaces; wrangler takes the same.
#[derive(Debug, Serialize)]
pub(super) struct WireEntry<'a> {
    key: &'a str,
    value: &'a str,
    metadata: Value,
}

pub(super) fn wire(entries: &[EntryToStore]) -> Vec<WireEntry<'_>> {
    let entries = entries.iter().map(|entry| WireEntry {
        key: &entry.key,
        value: &entry.value,
        metadata: json!({ "sha256": entry.sha256, "publication": entry.publication }),
    });
    entries.collect()
}

/// A key as lists show it, with the digest that was written with it.
pub(super) fn stored(key: String, metadata: &Value) -> StoredEntry {
    let sha256 = metadata.get("sha256").and_then(Value::as_str);
    StoredEntry {
        key,
        sha256: sha256.map(str::to_owned),
    }
}

/// Why an attempt did not succeed.
enum Attempt {
    /// Another one may; not before this time, where the server says so.
    Again(String, Option<Duration>),
    Never(EdgeStoreError),
}

impl Cloudflare {
    /// The namespace of an account, at an API's address.
    pub(crate) fn new(
        api: &str,
        account: &str,
        namespace: &str,
        token: &str,
        timeout: Duration,
    ) -> Result<Self> {
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        ensure!(
            is_id(account) && is_id(namespace),
            "an account's and a namespace's id are letters and digits"
        );
        let url = format!("{api}/accounts/{account}/storage/kv/namespaces/{namespace}/");
        let namespace = Url::parse(&url).context("--cloudflare-api is not a URL")?;
        let is_local = matches!(namespace.host_str(), Some("127.0.0.1" | "localhost"));
        ensure!(
            namespace.scheme() == "https" || is_local,
            "a token is sent by https only"
        );
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .context("CLOUDFLARE_API_TOKEN is not a token")?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A token must not follow a redirect to somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            namespace,
            headers: HeaderMap::from_iter([(AUTHORIZATION, bearer)]),
            timeout,
        })
    }

    /// Sends a request until it is answered. All of them are safe to repeat.
    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer<T>, EdgeStoreError> {
        let began = Instant::now();
        let mut attempt = 1_u32;
        let mut backoff = BACKOFF;
        loop {
            let (reason, wanted) = match self.attempt(method.clone(), url.clone(), body).await {
                Ok(answer) => return Ok(answer),
                Err(Attempt::Never(error)) => return Err(error),
                Err(Attempt::Again(reason, wanted)) => (reason, wanted),
            };
            let jitter = backoff.mul_f64(fastrand::f64());
            let wait = wanted.unwrap_or_default().max(jitter);
            let left = BUDGET
                .saturating_sub(began.elapsed())
                .saturating_sub(self.timeout);
            if attempt >= ATTEMPTS_MAX || wait > left {
                let reason = format!("{reason} (attempt {attempt}, the last)");
                return Err(EdgeStoreError::unavailable(reason));
            }
            tokio::time::sleep(wait).await;
            backoff = backoff.saturating_mul(2).min(BACKOFF_MAX);
            attempt = attempt.saturating_add(1);
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer<T>, Attempt> {
        let lost = |error: reqwest::Error| {
            Attempt::Again(
                format!("no answer from Cloudflare: {}", error.without_url()),
                None,
            )
        };
        let mut request = self
            .http
            .request(method, url)
            .headers(self.headers.clone())
            .timeout(self.timeout);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(refused(status, response).await);
        }
        response.json().await.map_err(lost)
    }

    fn url(&self, path: &str) -> Result<Url, EdgeStoreError> {
        let joined = self.namespace.join(path);
        joined.map_err(|_| EdgeStoreError::refused("the API's address takes no paths"))
    }

    async fn bulk(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Vec<String>, EdgeStoreError> {
        let answer: Answer<Bulk> = self.call(method, self.url(path)?, Some(body)).await?;
        Ok(answer.result.unwrap_or_default().unsuccessful_keys)
    }
}

async fn refused(status: StatusCode, response: reqwest::Response) -> Attempt {
    let retry_after = response.headers().get(RETRY_AFTER);
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let refusal: Refusal = response.json().await.unwrap_or_default();
    let mut told = format!("Cloudflare answered {}", status.as_u16());
    for error in refusal.errors {
        let _ = write!(told, ", {}: {}", error.code, error.message);
    }
    match status.as_u16() {
        408 | 429 | 500..=599 => Attempt::Again(told, seconds.map(Duration::from_secs)),
        401 | 403 => Attempt::Never(EdgeStoreError::refused(format!(
            "{told}: CLOUDFLARE_API_TOKEN needs the right to edit Workers KV of this account"
        ))),
        _ => Attempt::Never(EdgeStoreError::refused(told)),
    }
}

impl EdgeStore for Cloudflare {
    async fn list(&self) -> Result<Vec<StoredEntry>, EdgeStoreError> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let mut url = self.url("keys")?;
            url.query_pairs_mut().append_pair("limit", PAGE_KEYS);
            if !cursor.is_empty() {
                url.query_pairs_mut().append_pair("cursor", &cursor);
            }
            let page: Answer<Vec<Key>> = self.call(Method::GET, url, None).await?;
            let keys = page.result.unwrap_or_default().into_iter();
            entries.extend(keys.map(|key| stored(key.name, &key.metadata)));
            cursor = page.result_info.map(|info| info.cursor).unwrap_or_default();
            if cursor.is_empty() {
                return Ok(entries);
            }
        }
        Err(EdgeStoreError::refused("its list of keys has no end"))
    }

    async fn put(&self, entries: &[EntryToStore]) -> Result<Vec<String>, EdgeStoreError> {
        self.bulk(Method::PUT, "bulk", &json!(wire(entries))).await
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<String>, EdgeStoreError> {
        self.bulk(Method::POST, "bulk/delete", &json!(keys)).await
    }
}
