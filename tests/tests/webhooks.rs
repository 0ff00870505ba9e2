//! Webhooks, all the way: an order through the edge, its events through outbox, relay and queue, the
//! webhooks function, and an HTTP server on the other side that verifies what it gets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use souk_domain::webhook::{WebhookSecret, signatures};
use souk_domain::{EventId, Timestamp};
use std::sync::{Arc, Mutex};
use support::{Stack, eventually, new_key, send};

/// What came, in the order in which it did.
type Inbox = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A tenant's system, which answers with one status and keeps what it is told.
struct Receiver {
    url: String,
    inbox: Inbox,
}

impl Receiver {
    async fn open(status: StatusCode) -> Self {
        let inbox = Inbox::default();
        let keep = move |State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes| async move {
            let text = String::from_utf8(body.to_vec()).unwrap();
            inbox.lock().unwrap().push((headers, text));
            status
        };
        let router = Router::new().fallback(keep).with_state(Arc::clone(&inbox));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inbox }
    }

    /// What came about an order.
    fn of(&self, order: &Value) -> Vec<(HeaderMap, Value)> {
        let inbox = self.inbox.lock().unwrap();
        let told = inbox.iter().map(|(headers, body)| {
            let body: Value = serde_json::from_str(body).unwrap();
            (headers.clone(), body)
        });
        told.filter(|(_, body)| body["data"]["order_id"] == order["id"])
            .collect()
    }
}

async fn endpoint(stack: &Stack, receiver: &Receiver) -> Value {
    let body = json!({ "url": receiver.url, "event_types": ["order.*"], "ordered": true });
    let made = stack
        .authorized(Method::POST, "/v1/webhook-endpoints")
        .header("idempotency-key", new_key())
        .header("content-type", "application/json")
        .body(body.to_string());
    let (status, _, made) = send(made).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn placed_and_cancelled(stack: &Stack) -> Value {
    let (status, _, order) = send(stack.order(&new_key(), 1)).await;
    assert_eq!(status, 201, "{order}");
    let path = format!("/v1/orders/{}/cancel", order["id"].as_str().unwrap());
    let cancel = stack
        .authorized(Method::POST, &path)
        .header("idempotency-key", new_key())
        .header("content-type", "application/json")
        .body("{}");
    let (status, _, cancelled) = send(cancel).await;
    assert_eq!(status, 200, "{cancelled}");
    order
}

async fn ended(stack: &Stack, endpoint: &Value) {
    let path = format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
    let gone = stack
        .authorized(Method::DELETE, &path)
        .header("idempotency-key", new_key());
    let (status, _, answer) = send(gone).await;
    assert!(status < 300, "{status} {answer}");
}

#[tokio::test]
async fn an_order_is_told_to_the_tenants_system_in_order_and_signed() {
    let stack = Stack::from_environment();
    let receiver = Receiver::open(StatusCode::OK).await;
    let endpoint = endpoint(&stack, &receiver).await;
    let secret: WebhookSecret = endpoint["secret"].as_str().unwrap().parse().unwrap();
    let order = placed_and_cancelled(&stack).await;
    eventually("both events", async || receiver.of(&order).len() >= 2).await;

    let told = receiver.of(&order);
    let types: Vec<&str> = told
        .iter()
        .filter_map(|(_, b)| b["type"].as_str())
        .collect();
    assert_eq!(types, ["order.placed.v1", "order.cancelled.v1"]);
    let inbox = receiver.inbox.lock().unwrap().clone();
    for (headers, body) in &inbox {
        let id: EventId = headers["webhook-id"].to_str().unwrap().parse().unwrap();
        let at: i64 = headers["webhook-timestamp"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let at = Timestamp::from_unix_ms(at * 1_000).unwrap();
        let wanted = signatures(core::slice::from_ref(&secret), id, at, body);
        assert_eq!(headers["webhook-signature"].to_str().unwrap(), wanted);
    }
    ended(&stack, &endpoint).await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_nothing_more() {
    let stack = Stack::from_environment();
    let receiver = Receiver::open(StatusCode::GONE).await;
    let endpoint = endpoint(&stack, &receiver).await;
    placed_and_cancelled(&stack).await;
    let path = format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
    let read = async || send(stack.authorized(Method::GET, &path)).await.2;
    eventually("disabled", async || read().await["status"] == "disabled").await;
    assert_eq!(read().await["disabled"]["by"], "gone");
    assert_eq!(receiver.inbox.lock().unwrap().len(), 1);
    ended(&stack, &endpoint).await;
}
