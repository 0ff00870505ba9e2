//! Payments through the edge, with a simulated payment service provider that tells its events through
//! the edge as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use souk_e2e::variable;
use souk_psp_simulator::signature_of;
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Stack, eventually, new_key, send};

/// Cents of one unit of the demo shop's green tea.
const PRICE: i64 = 1_299;

struct Till {
    stack: Stack,
    psp_url: String,
}

/// Status, and the code of a problem or the status of a payment.
fn told(status: u16, body: &Value) -> (u16, String) {
    let word = body["code"].as_str().or(body["status"].as_str());
    (status, word.unwrap_or_default().to_owned())
}

impl Till {
    fn open() -> Self {
        Self {
            stack: Stack::from_environment(),
            psp_url: variable("SOUK_TEST_PSP_URL"),
        }
    }

    async fn order(&self) -> String {
        let (status, _, order) = send(self.stack.order(&new_key(), 1)).await;
        assert_eq!(status, 201, "{order}");
        order["id"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, http::HeaderMap, Value) {
        let request = self
            .stack
            .authorized(Method::POST, path)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body.to_string());
        send(request).await
    }

    /// A payment of a new order.
    async fn pay(&self, method: &str, capture: &str) -> Value {
        let body = json!({
            "order_id": self.order().await, "payment_method": method, "confirm": true,
            "capture_method": capture, "return_url": "https://demo.example/paid",
        });
        let (status, _, paid) = self.post("/v1/payment-intents", &new_key(), &body).await;
        assert_eq!(status, 201, "{paid}");
        paid
    }

    /// As it stands on the primary or the replica.
    async fn read(&self, intent: &Value) -> Value {
        let path = format!("/v1/payment-intents/{}", intent["id"].as_str().unwrap());
        send(self.stack.authorized(Method::GET, &path)).await.2
    }

    async fn eventually_is(&self, intent: &Value, status: &str) {
        eventually(status, async || self.read(intent).await["status"] == status).await;
    }

    /// What the provider knows of an intent.
    async fn at_the_provider(&self, intent: &Value) -> Value {
        let totals = self
            .stack
            .http
            .get(format!("{}/_admin/totals", self.psp_url));
        let (_, _, totals) = send(totals).await;
        totals["intents"][intent["id"].as_str().unwrap()].clone()
    }

    /// The provider's own id of the payment.
    async fn provider_id(&self, intent: &Value) -> String {
        let payments = self
            .stack
            .http
            .get(format!("{}/_admin/payments", self.psp_url));
        let (_, _, payments) = send(payments).await;
        let all = payments.as_array().unwrap();
        let own = all
            .iter()
            .find(|one| one["metadata"]["souk_payment_intent"] == intent["id"]);
        own.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_order_is_paid_once_however_often_that_is_asked() {
    let till = Till::open();
    let order = till.order().await;
    let body = json!({ "order_id": order, "payment_method": "pm_card_visa", "confirm": true });
    let key = new_key();
    let (status, headers, paid) = till.post("/v1/payment-intents", &key, &body).await;
    assert_eq!(told(status, &paid), (201, "succeeded".to_owned()), "{paid}");
    let (status, again_headers, again) = till.post("/v1/payment-intents", &key, &body).await;
    assert_eq!((status, &again), (201, &paid));
    assert_eq!(again_headers["idempotent-replayed"], "true");
    let (status, _, other) = till.post("/v1/payment-intents", &new_key(), &body).await;
    assert_eq!(status, 409, "{other}");
    let provider = till.at_the_provider(&paid).await;
    assert_eq!(
        (&provider["captured_minor"], &provider["payments"]),
        (&json!(PRICE), &json!(1))
    );
    let read = till
        .stack
        .authorized(Method::GET, &format!("/v1/orders/{order}"))
        .header("souk-consistency", headers["souk-consistency"].clone());
    let (_, _, read) = send(read).await;
    assert_eq!(read["payment_status"], "paid");
}

#[tokio::test]
async fn a_declined_card_is_followed_by_another() {
    let till = Till::open();
    let declined = till.pay("pm_card_chargeDeclined", "automatic").await;
    assert_eq!(declined["status"], "requires_payment_method", "{declined}");
    assert_eq!(declined["last_payment_error"]["code"], "card_declined");
    let path = format!(
        "/v1/payment-intents/{}/confirm",
        declined["id"].as_str().unwrap()
    );
    let body = json!({ "payment_method": "pm_card_visa" });
    let (status, _, paid) = till.post(&path, &new_key(), &body).await;
    assert_eq!(told(status, &paid), (200, "succeeded".to_owned()), "{paid}");
    assert_eq!(till.at_the_provider(&paid).await["payments"], 1);
}

/// The end is told by the provider's event alone, through the edge.
#[tokio::test]
async fn what_the_customer_does_at_the_bank_is_heard_of() {
    let till = Till::open();
    for (well, end) in [(true, "succeeded"), (false, "requires_payment_method")] {
        let waiting = till
            .pay("pm_card_authenticationRequired", "automatic")
            .await;
        assert_eq!(waiting["status"], "requires_action", "{waiting}");
        let payment = till.provider_id(&waiting).await;
        let done = till
            .stack
            .http
            .post(format!("{}/_admin/payments/{payment}/action", till.psp_url))
            .body(json!({ "well": well }).to_string());
        assert_eq!(send(done).await.0, 200);
        till.eventually_is(&waiting, end).await;
    }
}

#[tokio::test]
async fn money_is_held_captured_in_parts_and_given_back_in_parts() {
    let till = Till::open();
    let held = till.pay("pm_card_visa", "manual").await;
    assert_eq!(held["status"], "requires_capture", "{held}");
    let path = format!("/v1/payment-intents/{}", held["id"].as_str().unwrap());
    let part = json!({ "amount_minor": 400, "final": false });
    let (status, _, first) = till
        .post(&format!("{path}/capture"), &new_key(), &part)
        .await;
    assert_eq!(
        told(status, &first),
        (200, "requires_capture".to_owned()),
        "{first}"
    );
    let last = json!({ "amount_minor": 600 });
    let (status, _, last) = till
        .post(&format!("{path}/capture"), &new_key(), &last)
        .await;
    assert_eq!(told(status, &last), (200, "succeeded".to_owned()), "{last}");
    let refunds = format!("{path}/refunds");
    let back = json!({ "amount_minor": 700 });
    let (status, _, refund) = till.post(&refunds, &new_key(), &back).await;
    assert_eq!(
        told(status, &refund),
        (201, "succeeded".to_owned()),
        "{refund}"
    );
    let (status, _, refused) = till.post(&refunds, &new_key(), &back).await;
    assert_eq!(told(status, &refused), (409, "refund_too_large".to_owned()));
    let provider = till.at_the_provider(&held).await;
    assert_eq!(
        (&provider["captured_minor"], &provider["refunded_minor"]),
        (&json!(1_000), &json!(700))
    );
}

#[tokio::test]
async fn only_what_the_provider_has_signed_passes_whatever_the_host_is() {
    let till = Till::open();
    let event = json!({
        "id": format!("evt_{}", new_key().replace('-', "")), "object": "event",
        "type": "customer.created", "created": 1, "data": { "object": { "object": "customer" } },
    })
    .to_string();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let now = i64::try_from(now).unwrap();
    let secret = variable("SOUK_TEST_PSP_WEBHOOK_SECRET");
    let sign = |secret: &str, at_s| signature_of(&[secret], at_s, event.as_bytes());
    let good = sign(&secret, now);
    let tenant = till.stack.tenant_id.clone();
    let unknown = format!("ten_{}", "0".repeat(32));
    let altered = event.replace("created\":1", "created\":2");
    for (name, tenant, body, signature, expected) in [
        (
            "altered",
            &tenant,
            &altered,
            &good,
            (400, "psp_signature_invalid"),
        ),
        (
            "swapped",
            &tenant,
            &event,
            &sign("whsec_other", now),
            (400, "psp_signature_invalid"),
        ),
        (
            "stale",
            &tenant,
            &event,
            &sign(&secret, now - 400),
            (400, "psp_signature_invalid"),
        ),
        (
            "nobody's",
            &unknown,
            &event,
            &good,
            (404, "tenant_not_found"),
        ),
        ("good", &tenant, &event, &good, (204, "")),
        ("good, again", &tenant, &event, &good, (204, "")),
    ] {
        let request = till
            .stack
            .http
            .post(format!("{}/v1/psp/stripe/{tenant}", till.stack.edge_url))
            .header("content-type", "application/json; charset=utf-8")
            .header("stripe-signature", signature.as_str())
            .body(body.clone());
        let (status, _, answer) = send(request).await;
        let expected = (expected.0, expected.1.to_owned());
        assert_eq!(told(status, &answer), expected, "{name}: {answer}");
    }
}
