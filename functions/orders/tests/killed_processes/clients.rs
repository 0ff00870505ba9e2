//! Clients that do not give up: whatever is not answered is sent again with the same key.

use crate::books::{SKUS, sku_name};
use crate::servers::{Servers, signing_key};
use core::time::Duration;
use fastrand::Rng;
use http::StatusCode;
use serde_json::{Value, json};
use souk_domain::TenantId;
use souk_runtime::signature::{MessageParts, sign};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Attempts of one request; with so many servers alive, far more than it takes.
const ATTEMPTS_MAX: u32 = 2_000;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// What one client wants.
pub(crate) struct Order {
    number: usize,
    lines: Vec<(usize, u32)>,
    life: &'static [Step],
    /// Sends the order twice at the same moment.
    impatient: bool,
}

/// A command on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Confirm,
    /// One unit of the first line.
    FulfilOne,
    /// All that is left.
    Fulfil,
    Complete,
    Cancel,
}

/// Lives of an order: as far as the whole way, and all the ways out.
const LIVES: [&[Step]; 9] = [
    &[],
    &[Step::Cancel],
    &[Step::Cancel],
    &[Step::Confirm],
    &[Step::Confirm, Step::Cancel],
    &[Step::Confirm, Step::FulfilOne],
    &[Step::Confirm, Step::Fulfil],
    &[Step::Confirm, Step::Fulfil, Step::Complete],
    &[Step::Confirm, Step::FulfilOne, Step::Fulfil, Step::Complete],
];

impl Step {
    const fn command(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::FulfilOne | Self::Fulfil => "fulfil",
            Self::Complete => "complete",
            Self::Cancel => "cancel",
        }
    }

    fn body(self) -> Option<Value> {
        let one = json!({ "lines": [{ "line_number": 1, "quantity": 1 }] });
        (self == Self::FulfilOne).then_some(one)
    }

    /// Where an order of so many units stands after it.
    const fn status(self, units: u32) -> &'static str {
        match self {
            Self::FulfilOne if units > 1 => "confirmed",
            Self::FulfilOne | Self::Fulfil => "fulfilled",
            Self::Confirm => "confirmed",
            Self::Complete => "completed",
            Self::Cancel => "cancelled",
        }
    }
}

impl Order {
    /// One to five lines; a sku may occur twice.
    pub(crate) fn random(number: usize, rng: &mut Rng) -> Self {
        let lines = (0..rng.usize(1..=5))
            .map(|_| (rng.usize(..SKUS), rng.u32(1..=3)))
            .collect();
        let life = rng.choice(LIVES).unwrap_or_default();
        Self {
            number,
            lines,
            life,
            impatient: rng.u8(..4) == 0,
        }
    }

    fn units(&self) -> u32 {
        self.lines.iter().map(|(_, quantity)| quantity).sum()
    }

    fn body(&self) -> Value {
        let line =
            |(sku, quantity): &(usize, u32)| json!({ "sku": sku_name(*sku), "quantity": quantity });
        json!({
            "currency": "EUR",
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "customer_reference": format!("client-{}", self.number),
        })
    }
}

/// What one client knows at its end.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Of the request that placed the order.
    pub(crate) key: String,
    /// The order that was acknowledged; none where too few units were left.
    pub(crate) order: Option<String>,
    /// Where the order must stand.
    pub(crate) status: &'static str,
}

pub(crate) struct Client {
    tenant: TenantId,
    servers: Arc<Servers>,
    in_flight: Arc<Semaphore>,
    http: reqwest::Client,
    rng: Rng,
}

/// An answer that will not change.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Client {
    pub(crate) fn new(
        tenant: TenantId,
        servers: Arc<Servers>,
        in_flight: Arc<Semaphore>,
        seed: u64,
    ) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ATTEMPT_TIMEOUT)
            .build()
            .unwrap();
        Self {
            tenant,
            servers,
            in_flight,
            http,
            rng: Rng::with_seed(seed),
        }
    }

    /// Places the order, then does what follows.
    pub(crate) async fn act(mut self, order: Order) -> Outcome {
        let key = format!("place-{}", order.number);
        let body = order.body();
        let (mut one, mut two) = (self.fork(), self.fork());
        let (first, second) =
            tokio::join!(one.until_answered("/v1/orders", &key, Some(&body)), async {
                if !order.impatient {
                    return None;
                }
                Some(two.until_answered("/v1/orders", &key, Some(&body)).await)
            });
        let mut id = placed(&first);
        if let Some(second) = second {
            let other = placed(&second);
            if let (Some(one), Some(two)) = (&id, &other) {
                assert_eq!(one, two, "one key, one order");
            }
            id = id.or(other);
        }
        let mut status = "placed";
        let mut open = order.units();
        for (number, step) in order.life.iter().enumerate() {
            let Some(id) = &id else { break };
            if *step == Step::Fulfil && open == 0 {
                continue;
            }
            let path = format!("/v1/orders/{id}/{}", step.command());
            let key = format!("step-{}-{number}", order.number);
            let done = self.until_answered(&path, &key, step.body().as_ref()).await;
            assert_eq!(done.status, 200, "{}", done.body);
            status = step.status(open);
            assert_eq!(done.body["status"], status, "{}", done.body);
            if *step == Step::FulfilOne {
                open -= 1;
            }
        }
        Outcome {
            key,
            order: id,
            status,
        }
    }

    fn fork(&mut self) -> Self {
        Self {
            tenant: self.tenant,
            servers: self.servers.clone(),
            in_flight: self.in_flight.clone(),
            http: self.http.clone(),
            rng: self.rng.fork(),
        }
    }

    /// Asks one server after the other until one gives an answer that will not change.
    async fn until_answered(&mut self, path: &str, key: &str, body: Option<&Value>) -> Answer {
        for _ in 0..ATTEMPTS_MAX {
            let permit = self.in_flight.clone().acquire_owned().await.unwrap();
            let sent = self.attempt(path, key, body).await;
            drop(permit);
            // The process was killed under the request, or was not there.
            let Ok((answer, replayed)) = sent else {
                tokio::task::yield_now().await;
                continue;
            };
            let code = answer.body["code"].as_str();
            match (answer.status.as_u16(), code) {
                (503, _) | (409, Some("idempotency_key_in_flight")) => {}
                (200 | 201, _) | (409, Some("insufficient_stock")) => {
                    self.servers.note_answer(replayed);
                    return answer;
                }
                _ => panic!("{path} {key}: {} {}", answer.status, answer.body),
            }
        }
        panic!("{path} {key}: no answer");
    }

    async fn attempt(
        &mut self,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Result<(Answer, bool), reqwest::Error> {
        let address = self.servers.address(self.rng.usize(..));
        let text = body.map_or_else(String::new, Value::to_string);
        let mut request = self
            .http
            .post(format!("http://{address}{path}"))
            .header("content-type", "application/json");
        for (name, value) in self.signed_headers(path, key, &text) {
            request = request.header(name, value);
        }
        let response = request.body(text).send().await?;
        let status = response.status();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).expect("every answer is JSON");
        Ok((Answer { status, body }, replayed))
    }

    fn signed_headers(&self, path: &str, key: &str, body: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("souk-tenant", self.tenant.to_string()),
            (
                "souk-principal",
                "key_00000000000000000000000000000001".to_owned(),
            ),
            ("souk-scopes", "orders:read orders:write".to_owned()),
            ("souk-region", "local".to_owned()),
            (
                "souk-request-id",
                format!("req_{}", Uuid::now_v7().simple()),
            ),
            ("idempotency-key", key.to_owned()),
        ];
        let pairs: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let message = MessageParts {
            method: "POST",
            path,
            query: None,
            headers: &pairs,
            body: body.as_bytes(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let created = i64::try_from(now.as_secs()).unwrap();
        let signature = sign(&message, &signing_key(), created, 30).unwrap();
        headers.push(("content-digest", signature.content_digest));
        headers.push(("signature-input", signature.signature_input));
        headers.push(("signature", signature.signature));
        headers
    }
}

/// The order of an answer that has one.
fn placed(answer: &Answer) -> Option<String> {
    (answer.status == 201).then(|| answer.body["id"].as_str().unwrap().to_owned())
}
