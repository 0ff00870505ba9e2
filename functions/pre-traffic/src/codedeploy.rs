//! The two calls of AWS `CodeDeploy` that are needed, signed by hand: its SDK would be the largest crate of this one.

use crate::{Delivery, Doubt, NewVersion, Verdict};
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use core::fmt;
use core::time::Duration;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use souk_runtime::batch::with_causes;
use std::time::SystemTime;

const SERVICE: &str = "codedeploy";
const TARGET: &str = "CodeDeploy_20141006";
const JSON: &str = "application/x-amz-json-1.1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Attempts, each bounded, and a random wait between two of them: 24 s in all.
const ATTEMPTS_MAX: u32 = 4;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const WAIT_MS_MAX: u64 = 1_000;

/// `CodeDeploy` in one region.
#[derive(Clone)]
pub struct CodeDeploy {
    http: Client,
    url: String,
    region: String,
    credentials: SharedCredentialsProvider,
}

impl fmt::Debug for CodeDeploy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeDeploy")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why an attempt has no answer, and whether another may.
struct Failed {
    again: bool,
    reason: String,
}

impl CodeDeploy {
    /// That of the region and by the credentials of `config`.
    ///
    /// # Errors
    /// Where it has no region or no credentials, or no client can be made.
    pub fn new(config: &SdkConfig) -> Result<Self, Doubt> {
        let region = config
            .region()
            .ok_or_else(|| lacks("a region"))?
            .to_string();
        let url = match config.endpoint_url() {
            Some(url) => url.to_owned(),
            None => format!("https://{SERVICE}.{region}.amazonaws.com/"),
        };
        let credentials = config.credentials_provider();
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build();
        Ok(Self {
            http: http.map_err(|_| lacks("TLS"))?,
            url,
            region,
            credentials: credentials.ok_or_else(|| lacks("credentials"))?,
        })
    }

    async fn call(&self, action: &str, input: &Value) -> Result<Value, Doubt> {
        let body = input.to_string();
        let mut attempt = 1;
        loop {
            match self.attempt(action, &body).await {
                Ok(answer) => return Ok(answer),
                Err(Failed { again, reason }) if !again || attempt >= ATTEMPTS_MAX => {
                    return Err(Doubt(format!("{action}: {reason}")));
                }
                Err(_) => {}
            }
            attempt = attempt.saturating_add(1);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=WAIT_MS_MAX))).await;
        }
    }

    async fn attempt(&self, action: &str, body: &str) -> Result<Value, Failed> {
        let request = self.signed(action, body).await.map_err(|reason| Failed {
            again: false,
            reason,
        })?;
        let lost = |error: reqwest::Error| Failed {
            again: true,
            reason: with_causes(&error.without_url()),
        };
        let answer = self.http.execute(request).await.map_err(lost)?;
        let status = answer.status();
        let said = answer.bytes().await.map_err(lost)?;
        let said: Value = serde_json::from_slice(&said).unwrap_or_default();
        if status.is_success() {
            return Ok(said);
        }
        let kind = said.get("__type").and_then(Value::as_str).unwrap_or("?");
        Err(Failed {
            again: status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || kind.contains("Throttling"),
            reason: format!("{status} {kind}"),
        })
    }

    async fn signed(&self, action: &str, body: &str) -> Result<reqwest::Request, String> {
        let identity = self.credentials.provide_credentials().await;
        let identity = identity.map_err(|error| with_causes(&error))?.into();
        let target = format!("{TARGET}.{action}");
        let headers = [("content-type", JSON), ("x-amz-target", target.as_str())];
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new(
            "POST",
            self.url.as_str(),
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        );
        let signed = signable.and_then(|signable| sign(signable, &parameters));
        let (instructions, _) = signed.map_err(|error| error.to_string())?.into_parts();
        let mut request = self.http.post(self.url.as_str());
        request = request
            .header(CONTENT_TYPE, JSON)
            .header("x-amz-target", target.as_str());
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        let request = request.body(body.to_owned()).build();
        request.map_err(|error| error.to_string())
    }
}

fn lacks(what: &str) -> Doubt {
    Doubt(format!("the configuration lacks {what}"))
}

impl Delivery for CodeDeploy {
    async fn new_versions(&self, deployment: &str) -> Result<Vec<NewVersion>, Doubt> {
        let input = json!({ "deploymentId": deployment });
        let answer = self.call("GetDeployment", &input).await?;
        let revision = "/deploymentInfo/revision";
        let content = ["appSpecContent", "string"].into_iter().find_map(|kind| {
            let content = answer.pointer(&format!("{revision}/{kind}/content"));
            content.and_then(Value::as_str)
        });
        let spec: Value = content
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| Doubt("the deployment has no application specification".to_owned()))?;
        let resources = spec.get("Resources").and_then(Value::as_array);
        let each = resources.into_iter().flatten().filter_map(Value::as_object);
        let named = each.flat_map(|resource| resource.values()).map(|resource| {
            let property = |name: &str| {
                let value = resource.pointer(&format!("/Properties/{name}"));
                value.and_then(Value::as_str).map(str::to_owned)
            };
            let (function, version) = property("Name").zip(property("TargetVersion"))?;
            Some(NewVersion { function, version })
        });
        let named: Option<Vec<_>> = named.collect();
        named.ok_or_else(|| Doubt("the deployment names no version".to_owned()))
    }

    async fn tell(&self, deployment: &str, hook: &str, verdict: Verdict) -> Result<(), Doubt> {
        let input = json!({
            "deploymentId": deployment,
            "lifecycleEventHookExecutionId": hook,
            "status": verdict.as_str(),
        });
        let told = self.call("PutLifecycleEventHookExecutionStatus", &input);
        told.await.map(|_| ())
    }
}
