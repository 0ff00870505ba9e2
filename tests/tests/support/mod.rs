//! The running stack, as a test sees it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use souk_e2e::variable;
use std::time::Duration;
use tokio::time::Instant;

/// How long an effect may take to arrive at the other end of the road.
pub(crate) const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Stack {
    pub(crate) http: reqwest::Client,
    pub(crate) edge_url: String,
    pub(crate) edge_host: String,
    pub(crate) api_key: String,
    pub(crate) origin_url: String,
    pub(crate) tenant_id: String,
}

impl Stack {
    pub(crate) fn from_environment() -> Self {
        Self {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .expect("a client can be built"),
            edge_url: variable("SOUK_TEST_EDGE_URL"),
            edge_host: variable("SOUK_TEST_EDGE_HOST"),
            api_key: variable("SOUK_TEST_API_KEY"),
            origin_url: variable("SOUK_TEST_ORIGIN_URL"),
            tenant_id: variable("SOUK_TEST_TENANT_ID"),
        }
    }

    /// The same stack, as the tenant on the other shard.
    pub(crate) fn of_second_tenant() -> Self {
        Self {
            edge_host: variable("SOUK_TEST_SECOND_EDGE_HOST"),
            api_key: variable("SOUK_TEST_SECOND_API_KEY"),
            tenant_id: variable("SOUK_TEST_SECOND_TENANT_ID"),
            ..Self::from_environment()
        }
    }

    /// A request through the edge, for the demo tenant, without credentials.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.edge_url))
            .header("host", &self.edge_host)
    }

    /// A request through the edge with the demo tenant's API key.
    pub(crate) fn authorized(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path)
            .header("authorization", format!("Bearer {}", self.api_key))
    }

    pub(crate) fn order(&self, key: &str, quantity: u32) -> RequestBuilder {
        self.authorized(Method::POST, "/v1/orders")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(order_body(quantity).to_string())
    }
}

pub(crate) fn order_body(quantity: u32) -> Value {
    json!({ "currency": "EUR", "lines": [{ "sku": "TEA-GREEN-100G", "quantity": quantity }] })
}

pub(crate) fn new_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) async fn send(request: RequestBuilder) -> (u16, http::HeaderMap, Value) {
    let response = request.send().await.expect("the edge answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("the answer has a body");
    let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, headers, json)
}

/// Asks until `probe` says yes; panics after [`ARRIVAL_TIMEOUT`] with `what`.
pub(crate) async fn eventually<F, Fut>(what: &str, probe: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    eventually_within(ARRIVAL_TIMEOUT, what, probe).await;
}

/// The same with another limit.
pub(crate) async fn eventually_within<F, Fut>(limit: Duration, what: &str, probe: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let give_up_at = Instant::now() + limit;
    while !probe().await {
        assert!(
            Instant::now() < give_up_at,
            "{what} did not come about in {limit:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
