//! The edge before the processes: signs what it hands on, to whichever of them there is.

use crate::psp::WEBHOOK_SECRET;
use crate::servers::{Servers, signing_key};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use core::time::Duration;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use souk_domain::TenantId;
use souk_psp_simulator::Served;
use souk_runtime::signature::{MessageParts, sign};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

const CLIENTS_AT_ONCE: usize = 24;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Edge {
    tenant: TenantId,
    pub(crate) servers: Arc<Servers>,
    http: reqwest::Client,
    /// Clients at once.
    pub(crate) room: Semaphore,
    /// What was pending was asked for once more.
    pub(crate) swept: Notify,
}

/// An answer, and whether it is an earlier one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
}

impl Edge {
    pub(crate) fn new(tenant: TenantId, servers: Arc<Servers>) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT)
            .build()
            .unwrap();
        Self {
            tenant,
            servers,
            http,
            room: Semaphore::new(CLIENTS_AT_ONCE),
            swept: Notify::new(),
        }
    }

    /// Lets the provider tell its events here.
    pub(crate) async fn hear_of(self: &Arc<Self>, provider: &Served) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(event).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let endpoint = json!({ "url": url, "secret": WEBHOOK_SECRET, "account": null });
        let added = self
            .http
            .post(format!("{}/_admin/webhooks", provider.url()))
            .body(endpoint.to_string())
            .send()
            .await;
        added.unwrap().error_for_status().unwrap();
    }

    /// One try; an error where the process was killed under it, or was not there.
    pub(crate) async fn send(
        &self,
        (method, path): (&str, &str),
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, reqwest::Error> {
        let address = self.servers.address(fastrand::usize(..));
        let method_name = method.parse().unwrap();
        let mut request = self
            .http
            .request(method_name, format!("http://{address}{path}"))
            .header("content-type", "application/json")
            .body(body.to_vec());
        for (name, value) in self.signed((method, path), more, body) {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        let status = response.status();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let bytes = response.bytes().await?;
        Ok(Answer {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            replayed,
        })
    }

    fn signed(
        &self,
        (method, path): (&str, &str),
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<(String, String)> {
        let is_event = path.starts_with("/v1/psp/");
        let request_id = format!("req_{}", Uuid::now_v7().simple());
        let tenant = self.tenant.to_string();
        let mut headers: Vec<(&str, &str)> = vec![
            ("souk-tenant", &tenant),
            ("souk-principal", if is_event { "psp" } else { "key_1" }),
            (
                "souk-scopes",
                if is_event {
                    "none"
                } else {
                    "payments:read payments:write"
                },
            ),
            ("souk-region", "local"),
            ("souk-request-id", &request_id),
        ];
        headers.extend_from_slice(more);
        let message = MessageParts {
            method,
            path,
            query: None,
            headers: &headers,
            body,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let created = i64::try_from(now.as_secs()).unwrap();
        let signature = sign(&message, &signing_key(), created, 30).unwrap();
        let mut all: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.push(("content-digest".to_owned(), signature.content_digest));
        all.push(("signature-input".to_owned(), signature.signature_input));
        all.push(("signature".to_owned(), signature.signature));
        all
    }
}

async fn event(State(edge): State<Arc<Edge>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap();
    let path = format!("/v1/psp/stripe/{}", edge.tenant);
    let more = [("stripe-signature", signature)];
    let told = edge.send(("POST", &path), &more, &body).await;
    told.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status)
}
