//! Clients that do not give up: whatever is not answered is sent again with the same key.

use crate::books::PRICE;
use crate::edge::Edge;
use fastrand::Rng;
use serde_json::{Value, json};
use std::sync::Arc;

/// Attempts of one request; with so many servers alive, far more than it takes.
const ATTEMPTS_MAX: u32 = 4_000;

/// What becomes of an order's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Pay,
    DeclinedThenPay,
    HoldThenCapture,
    HoldThenCancel,
    PayThenRefundAPart,
    PayThenRefundTwice,
}

impl Life {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let all = [
            Self::Pay,
            Self::Pay,
            Self::DeclinedThenPay,
            Self::HoldThenCapture,
            Self::HoldThenCancel,
            Self::PayThenRefundAPart,
            Self::PayThenRefundTwice,
        ];
        rng.choice(all).unwrap()
    }

    /// What is captured, and what goes back, in the end.
    pub(crate) const fn expected(self) -> (i64, i64) {
        match self {
            Self::Pay | Self::DeclinedThenPay => (PRICE, 0),
            Self::HoldThenCapture => (1_000, 0),
            Self::HoldThenCancel => (0, 0),
            Self::PayThenRefundAPart => (PRICE, 300),
            Self::PayThenRefundTwice => (PRICE, PRICE),
        }
    }
}

/// What one client knows at its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) intent: String,
    pub(crate) life: Life,
    /// The payment as it was shown last.
    pub(crate) shown: Value,
}

pub(crate) struct Client {
    edge: Arc<Edge>,
    rng: Rng,
}

impl Client {
    pub(crate) const fn new(edge: Arc<Edge>, rng: Rng) -> Self {
        Self { edge, rng }
    }

    pub(crate) async fn act(mut self, order: String, life: Life) -> Ended {
        let edge = self.edge.clone();
        let _at_once = edge.room.acquire().await.unwrap();
        let holds = matches!(life, Life::HoldThenCapture | Life::HoldThenCancel);
        let declined = life == Life::DeclinedThenPay;
        let body = json!({
            "order_id": order,
            "payment_method": if declined { "pm_card_chargeDeclined" } else { "pm_card_visa" },
            "capture_method": if holds { "manual" } else { "automatic" },
            "confirm": true,
        });
        let key = format!("pay-{order}");
        let made = self.command("/v1/payment-intents", &key, &body).await;
        let intent = made["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/payment-intents/{intent}");
        let mut shown = self.until_known(&path).await;
        // A call that certainly never got to the provider has failed like a card that is declined.
        let mut attempt = 0;
        while shown["status"] == "requires_payment_method" {
            attempt += 1;
            let again = json!({ "payment_method": "pm_card_visa" });
            let key = format!("confirm-{attempt}-{order}");
            self.command(&format!("{path}/confirm"), &key, &again).await;
            shown = self.until_known(&path).await;
        }
        match life {
            Life::Pay | Life::DeclinedThenPay => {}
            Life::HoldThenCapture => {
                self.until(
                    &path,
                    "capture",
                    json!({ "amount_minor": 1_000 }),
                    "succeeded",
                )
                .await;
            }
            Life::HoldThenCancel => {
                self.until(&path, "cancel", json!({}), "canceled").await;
            }
            Life::PayThenRefundAPart => {
                self.refund(&path, 300).await;
            }
            Life::PayThenRefundTwice => {
                self.refund(&path, 300).await;
                self.refund(&path, PRICE - 300).await;
            }
        }
        let shown = self.until_known(&path).await;
        Ended {
            intent,
            life,
            shown,
        }
    }

    /// Gives the command until the payment has come there: one that the provider refused may be given
    /// again, with a new key.
    async fn until(&mut self, path: &str, command: &str, body: Value, status: &str) {
        for attempt in 0..ATTEMPTS_MAX {
            let shown = self.until_known(path).await;
            if shown["status"] == status {
                return;
            }
            let key = format!("{command}-{attempt}-{path}");
            self.command(&format!("{path}/{command}"), &key, &body)
                .await;
            self.edge.swept.notified().await;
        }
        panic!("{path}: never {status}");
    }

    /// A refund that has failed is asked for again.
    async fn refund(&mut self, path: &str, amount_minor: i64) {
        for attempt in 0..ATTEMPTS_MAX {
            let key = format!("refund-{amount_minor}-{attempt}-{path}");
            let body = json!({ "amount_minor": amount_minor });
            let refund = self.command(&format!("{path}/refunds"), &key, &body).await;
            let refund = format!("/v1/refunds/{}", refund["id"].as_str().unwrap());
            let mut shown = self.read(&refund).await;
            while shown["status"] == "pending" {
                self.edge.swept.notified().await;
                shown = self.read(&refund).await;
            }
            if shown["status"] == "succeeded" {
                return;
            }
        }
        panic!("{path}: no refund");
    }

    /// The payment, as soon as nobody waits for the provider.
    async fn until_known(&mut self, path: &str) -> Value {
        for _ in 0..ATTEMPTS_MAX {
            let shown = self.read(path).await;
            if shown["status"] != "processing" {
                return shown;
            }
            self.edge.swept.notified().await;
        }
        panic!("{path}: for ever processing");
    }

    async fn read(&mut self, path: &str) -> Value {
        for _ in 0..ATTEMPTS_MAX {
            let sent = self.edge.send(("GET", path), &[], b"").await;
            if let Ok(answer) = sent
                && answer.status == 200
            {
                return answer.body;
            }
            tokio::task::yield_now().await;
        }
        panic!("{path}: no answer");
    }

    /// Asks one server after the other until one gives an answer that will not change.
    async fn command(&mut self, path: &str, key: &str, body: &Value) -> Value {
        let text = body.to_string();
        for _ in 0..ATTEMPTS_MAX {
            let more = [("idempotency-key", key)];
            let twice = self.rng.u8(..8) == 0;
            let one = self.edge.send(("POST", path), &more, text.as_bytes());
            let sent = if twice {
                let two = self.edge.send(("POST", path), &more, text.as_bytes());
                let (one, two) = futures::join!(one, two);
                one.or(two)
            } else {
                one.await
            };
            // The process was killed under the request, or was not there.
            let Ok(answer) = sent else {
                tokio::task::yield_now().await;
                continue;
            };
            let code = answer.body["code"].as_str();
            match (answer.status.as_u16(), code) {
                (503, _)
                | (409, Some("idempotency_key_in_flight" | "payment_operation_pending")) => {
                    self.edge.swept.notified().await;
                }
                // What an earlier command wanted has come about meanwhile.
                (409, Some("payment_not_capturable" | "payment_not_cancelable")) => {
                    return answer.body;
                }
                (200 | 201, _) => {
                    self.edge.servers.note_answer(answer.replayed);
                    return answer.body;
                }
                _ => panic!("{path} {key}: {} {}", answer.status, answer.body),
            }
        }
        panic!("{path} {key}: no answer");
    }
}
