//! The edge's secrets at Cloudflare: key and id change in one request, which makes one new version of the worker and
//! gives it all traffic.

use core::fmt;
use core::time::Duration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use souk_app::{EdgeSigner, KeyStoreError};
use souk_runtime::batch::with_causes;
use souk_runtime::config::{
    CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_TOKEN, CLOUDFLARE_API_URL, ConfigError, EDGE_WORKER,
    Lookup,
};

const API_URL: &str = "https://api.cloudflare.com/";
/// RFC 7396: what is not named stays.
const MERGE_PATCH: &str = "application/merge-patch+json";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts, each bounded, and a random wait between two of them: 28 s in all.
const ATTEMPTS_MAX: u32 = 3;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
const WAIT_MS_MAX: u64 = 2_000;
/// Codes for: the newest version is not the one that is deployed, as while a deployment goes step by step.
const NOT_DEPLOYED: [u32; 2] = [10214, 10215];

/// Settings that lead to no worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerSettingsError {
    /// One is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not `https://`, or `http://` on this machine; or parts that are no names.
    #[error("Cloudflare's address, the account or the worker's name is malformed")]
    Address,
    /// The token cannot be a header's value, or there is no TLS.
    #[error("no client with this token can be made")]
    Client,
}

/// One worker.
pub struct CloudflareWorker {
    http: Client,
    secrets: Url,
    authorization: HeaderValue,
}

impl fmt::Debug for CloudflareWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudflareWorker")
            .field("secrets", &self.secrets.as_str())
            .finish_non_exhaustive()
    }
}

/// Cloudflare's envelope.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    errors: Vec<Complaint>,
}

#[derive(Debug, Deserialize)]
struct Complaint {
    code: u32,
    message: String,
}

/// Why an attempt has not done it.
struct Failed {
    again: bool,
    reason: String,
}

impl CloudflareWorker {
    /// The worker that the configuration names.
    ///
    /// # Errors
    /// Where it names none.
    pub fn configured(lookup: &Lookup<'_>) -> Result<Self, WorkerSettingsError> {
        Self::new(
            lookup.optional(CLOUDFLARE_API_URL).as_deref(),
            &lookup.required(CLOUDFLARE_ACCOUNT_ID)?,
            &lookup.required(EDGE_WORKER)?,
            &lookup.required(CLOUDFLARE_API_TOKEN)?,
        )
    }

    /// The worker `name` of `account`; `url` in place of Cloudflare's.
    ///
    /// # Errors
    /// Where one of them is malformed.
    pub fn new(
        url: Option<&str>,
        account: &str,
        name: &str,
        token: &str,
    ) -> Result<Self, WorkerSettingsError> {
        let base = Url::parse(url.unwrap_or(API_URL)).map_err(|_| WorkerSettingsError::Address)?;
        let is_safe = match base.scheme() {
            "https" => true,
            "http" => matches!(base.host_str(), Some("127.0.0.1" | "localhost")),
            _ => false,
        };
        let is_name = |text: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            !text.is_empty() && text.bytes().all(fits)
        };
        if !is_safe || !is_name(account) || !is_name(name) {
            return Err(WorkerSettingsError::Address);
        }
        let path = format!("/client/v4/accounts/{account}/workers/scripts/{name}/secrets-bulk");
        let secrets = base.join(&path).map_err(|_| WorkerSettingsError::Address)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| WorkerSettingsError::Client)?;
        authorization.set_sensitive(true);
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            // A token must not follow a redirect or a proxy to somebody else.
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("souk")
            .build()
            .map_err(|_| WorkerSettingsError::Client)?;
        Ok(Self {
            http,
            secrets,
            authorization,
        })
    }

    async fn attempt(&self, body: &str) -> Result<(), Failed> {
        let sent = self
            .http
            .patch(self.secrets.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, MERGE_PATCH)
            .body(body.to_owned())
            .send();
        let lost = |error: reqwest::Error| Failed {
            again: true,
            reason: with_causes(&error.without_url()),
        };
        let answer = sent.await.map_err(lost)?;
        let status = answer.status();
        let said = answer.bytes().await.map_err(lost)?;
        let said: Answer = serde_json::from_slice(&said).unwrap_or_default();
        if status.is_success() && said.success {
            return Ok(());
        }
        Err(judged(status, &said))
    }
}

fn judged(status: StatusCode, said: &Answer) -> Failed {
    let code = said.errors.first().map(|complaint| complaint.code);
    if code.is_some_and(|code| NOT_DEPLOYED.contains(&code)) {
        return Failed {
            again: false,
            reason: "a deployment of the edge is under way".to_owned(),
        };
    }
    // Its messages name bindings, never values.
    let messages: Vec<_> = said.errors.iter().map(|c| c.message.as_str()).collect();
    Failed {
        again: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        reason: format!("Cloudflare answers {status}: {}", messages.join("; ")),
    }
}

impl EdgeSigner for CloudflareWorker {
    async fn sign_with(&self, id: &str, key: &str) -> Result<(), KeyStoreError> {
        let secret =
            |name: &str, text: &str| json!({ "type": "secret_text", "name": name, "text": text });
        let body = json!({ "secrets": {
            "SIGNING_KEY": secret("SIGNING_KEY", key),
            "SIGNING_KEY_ID": secret("SIGNING_KEY_ID", id),
        }})
        .to_string();
        let mut attempt = 1;
        loop {
            match self.attempt(&body).await {
                Ok(()) => return Ok(()),
                Err(Failed { again, reason }) if !again || attempt >= ATTEMPTS_MAX => {
                    return Err(KeyStoreError(reason));
                }
                Err(_) => {}
            }
            attempt = attempt.saturating_add(1);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=WAIT_MS_MAX))).await;
        }
    }
}
