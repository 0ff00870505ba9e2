//! The payments function over HTTP, with the edge's signature, the real database and a simulated
//! payment service provider that is asked over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use axum::Router;
use axum::body::Body;
use futures::future::join;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use psp::{event_about, payment_of, signature};
use serde_json::{Value, json};
use signed_request::{identity, signed};
use souk_app::{Clock as _, Tools};
use souk_payments::{PaymentsState, router};
use souk_psp_simulator::{CallRates, Faults, Served};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, SigningKey};
use souk_testkit::{Probe, TestDatabase, TestTenant};
use tower::ServiceExt as _;

mod psp;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

/// Cents of one unit.
const PRICE: i64 = 1_299;

fn key() -> SigningKey {
    SigningKey::new("k1", vec![1; 32]).unwrap()
}

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
    tools: Tools,
    psp: Served,
    app: Router,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    fn told(&self) -> (u16, &str) {
        let code = self.body["code"].as_str();
        let word = code.or(self.body["status"].as_str());
        (self.status.as_u16(), word.unwrap_or_default())
    }

    fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    fn minor(&self, member: &str) -> i64 {
        self.body[member]["amount_minor"].as_i64().unwrap()
    }
}

impl Shop {
    async fn open() -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[("TEA", PRICE, 100)]).await;
        let psp = psp::start().await;
        let tools = psp::tools(&tenant, &psp);
        let state = PaymentsState {
            tools: tools.clone(),
            stripe: psp::stripe(&psp.url()),
            doorbell: None,
        };
        let guard = EdgeGuard::new(KeyRing::new(vec![key()]).unwrap(), psp.clock.clone());
        Self {
            app: router(state, guard),
            db,
            tenant,
            tools,
            psp,
        }
    }

    async fn order(&self, key: &str) -> String {
        psp::order(&self.tools, &self.tenant, key).await
    }

    /// By `principal`, with these headers besides.
    async fn send(
        &self,
        principal: &str,
        (method, path): (&str, &str),
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let scopes = "payments:read payments:write";
        let mut headers = identity(&self.tenant.id.to_string(), principal, scopes);
        headers.insert("content-type".to_owned(), "application/json".to_owned());
        for (name, value) in more {
            headers.insert((*name).to_owned(), (*value).to_owned());
        }
        let now = self.psp.clock.now().unix_s();
        self.ask(signed((method, path), &headers, body, (&key(), now)))
            .await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let more = [("idempotency-key", key)];
        self.send("key_1", ("POST", path), &more, &body.to_string())
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("key_1", ("GET", path), &[], "").await
    }

    /// A payment of a new order, confirmed with this payment method.
    async fn pay(&self, key: &str, method: &str, capture: &str) -> Answer {
        let order = self.order(&format!("order-{key}")).await;
        let body = json!({
            "order_id": order, "payment_method": method, "confirm": true,
            "capture_method": capture, "return_url": "https://tea.example/paid",
        });
        let paid = self.post("/v1/payment-intents", key, &body).await;
        assert_eq!(paid.status, 201, "{paid:?}");
        paid
    }

    async fn payment_status(&self, order: &Value) -> String {
        let id: souk_domain::OrderId = order.as_str().unwrap().parse().unwrap();
        for status in [
            "unpaid",
            "authorized",
            "paid",
            "partially_refunded",
            "refunded",
            "voided",
        ] {
            let sql = format!(
                "SELECT count(*) FROM souk.orders WHERE order_id = '{}' AND payment_status = '{status}'",
                id.as_uuid()
            );
            if Probe::new(&self.db.url()).number(&sql).await == 1 {
                return status.to_owned();
            }
        }
        panic!("{id} has no payment status");
    }

    /// Hands over an event as the edge does.
    async fn tell(&self, tenant: &str, body: &str, signature: &str) -> Answer {
        let path = format!("/v1/psp/stripe/{tenant}");
        let more = [("stripe-signature", signature)];
        self.send("psp", ("POST", &path), &more, body).await
    }
}

#[tokio::test]
async fn an_order_is_paid_once_and_the_answer_is_repeated() {
    let shop = Shop::open().await;
    let order = shop.order("order").await;
    let body = json!({ "order_id": order, "payment_method": "pm_card_visa", "confirm": true });
    let paid = shop.post("/v1/payment-intents", "pay", &body).await;
    assert_eq!(paid.told(), (201, "succeeded"), "{paid:?}");
    assert_eq!(
        (paid.minor("amount"), paid.minor("captured")),
        (PRICE, PRICE)
    );
    let path = format!("/v1/payment-intents/{}", paid.id());
    assert_eq!(paid.headers["location"], path.as_str());

    let again = shop.post("/v1/payment-intents", "pay", &body).await;
    assert_eq!(
        (again.told(), &again.body),
        ((201, "succeeded"), &paid.body)
    );
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let second = shop.post("/v1/payment-intents", "other", &body).await;
    assert_eq!(second.told().0, 409, "{second:?}");

    let totals = shop.psp.simulator.totals();
    assert_eq!(totals.captured_minor, PRICE);
    assert_eq!(totals.intents[paid.id()].payments, 1);
    assert_eq!(shop.payment_status(&json!(order)).await, "paid");

    let read = shop.get(&path).await;
    assert_eq!(read.body, paid.body);
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let known = [("if-none-match", tag.as_str())];
    let unchanged = shop.send("key_1", ("GET", &path), &known, "").await;
    assert_eq!(unchanged.status, 304);
    let listed = shop
        .get(&format!("/v1/payment-intents?order_id={order}"))
        .await;
    assert_eq!(listed.body["payment_intents"], json!([paid.body]));
}

#[tokio::test]
async fn a_declined_payment_is_tried_again_at_the_same_payment() {
    let shop = Shop::open().await;
    let declined = shop.pay("pay", "pm_card_chargeDeclined", "automatic").await;
    assert_eq!(declined.told(), (201, "requires_payment_method"));
    let error = &declined.body["last_payment_error"];
    assert_eq!(error["code"], "card_declined", "{declined:?}");
    assert_eq!(
        shop.payment_status(&declined.body["order_id"]).await,
        "unpaid"
    );

    let path = format!("/v1/payment-intents/{}", declined.id());
    let body = json!({ "payment_method": "pm_card_visa" });
    let paid = shop.post(&format!("{path}/confirm"), "again", &body).await;
    assert_eq!(paid.told(), (200, "succeeded"), "{paid:?}");
    assert_eq!(paid.body["last_payment_error"], Value::Null);
    let attempts = shop.get(&format!("{path}/attempts")).await;
    let attempts = attempts.body["attempts"].as_array().unwrap().clone();
    let statuses: Vec<&Value> = attempts.iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, ["failed", "captured"]);
    assert_eq!(
        shop.psp.simulator.totals().intents[declined.id()].payments,
        1
    );
}

#[tokio::test]
async fn what_the_customer_has_to_do_is_said_and_its_end_is_told_by_the_provider() {
    let shop = Shop::open().await;
    let waiting = shop
        .pay("pay", "pm_card_authenticationRequired", "automatic")
        .await;
    assert_eq!(waiting.told(), (201, "requires_action"), "{waiting:?}");
    let url = waiting.body["next_action"]["redirect_url"].as_str();
    assert!(
        url.is_some_and(|url| url.starts_with("http")),
        "{waiting:?}"
    );

    let payment = payment_of(&shop.psp, waiting.id());
    let now_ms = shop.psp.simulator.now_ms();
    let done = shop
        .psp
        .simulator
        .world()
        .complete_action(&payment, true, now_ms);
    done.unwrap();
    let event = event_about("evt_1", "payment_intent", &payment);
    let signature = signature(&shop.psp, &event, 0);
    let tenant = shop.tenant.id.to_string();
    for _ in 0..2 {
        let told = shop.tell(&tenant, &event, &signature).await;
        assert_eq!(told.status, 204, "{told:?}");
    }
    let path = format!("/v1/payment-intents/{}", waiting.id());
    let paid = shop.get(&path).await;
    assert_eq!(paid.told(), (200, "succeeded"), "{paid:?}");
    assert_eq!(shop.payment_status(&paid.body["order_id"]).await, "paid");
}

#[tokio::test]
async fn what_is_authorized_is_captured_in_parts_or_let_go() {
    let shop = Shop::open().await;
    let held = shop.pay("held", "pm_card_visa", "manual").await;
    assert_eq!(held.told(), (201, "requires_capture"), "{held:?}");
    assert_eq!(
        (held.minor("capturable"), held.minor("captured")),
        (PRICE, 0)
    );
    assert_eq!(
        shop.payment_status(&held.body["order_id"]).await,
        "authorized"
    );
    let path = format!("/v1/payment-intents/{}", held.id());
    let too_much = json!({ "amount_minor": PRICE + 1 });
    let refused = shop.post(&format!("{path}/capture"), "c0", &too_much).await;
    assert_eq!(refused.told(), (409, "capture_too_large"));
    let part = json!({ "amount_minor": 300, "final": false });
    let first = shop.post(&format!("{path}/capture"), "c1", &part).await;
    assert_eq!(first.told(), (200, "requires_capture"), "{first:?}");
    assert_eq!(first.minor("captured"), 300);
    let last = json!({ "amount_minor": 700 });
    let last = shop.post(&format!("{path}/capture"), "c2", &last).await;
    assert_eq!(last.told(), (200, "succeeded"), "{last:?}");
    assert_eq!(
        (last.minor("captured"), last.minor("capturable")),
        (1_000, 0)
    );
    assert_eq!(shop.psp.simulator.totals().captured_minor, 1_000);

    let other = shop.pay("other", "pm_card_visa", "manual").await;
    let path = format!("/v1/payment-intents/{}", other.id());
    let reason = json!({ "reason": "abandoned" });
    let canceled = shop.post(&format!("{path}/cancel"), "x", &reason).await;
    assert_eq!(canceled.told(), (200, "canceled"), "{canceled:?}");
    let late = shop
        .post(&format!("{path}/capture"), "c3", &json!({}))
        .await;
    assert_eq!(late.told(), (409, "payment_not_capturable"));
    assert_eq!(shop.psp.simulator.totals().captured_minor, 1_000);
}

#[tokio::test]
async fn of_two_refunds_of_more_than_was_captured_one_wins() {
    let shop = Shop::open().await;
    let paid = shop.pay("pay", "pm_card_visa", "automatic").await;
    let path = format!("/v1/payment-intents/{}/refunds", paid.id());
    let part = json!({ "amount_minor": 299, "reason": "damaged" });
    let refund = shop.post(&path, "r0", &part).await;
    assert_eq!(refund.told(), (201, "succeeded"), "{refund:?}");
    let location = refund.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(shop.get(&location).await.body, refund.body);
    let order = &paid.body["order_id"];
    assert_eq!(shop.payment_status(order).await, "partially_refunded");

    let most = json!({ "amount_minor": 600 });
    let (one, two) = join(shop.post(&path, "r1", &most), shop.post(&path, "r2", &most)).await;
    let mut told = [one.told(), two.told()];
    told.sort_unstable();
    assert_eq!(told, [(201, "succeeded"), (409, "refund_too_large")]);
    let rest = shop.post(&path, "r3", &json!({})).await;
    assert_eq!(
        (rest.told(), rest.minor("amount")),
        ((201, "succeeded"), 400)
    );
    assert_eq!(shop.payment_status(order).await, "refunded");
    assert_eq!(shop.psp.simulator.totals().refunded_minor, PRICE);
    let listed = shop.get(&path).await;
    assert_eq!(listed.body["refunds"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn only_what_the_provider_has_signed_is_taken() {
    let shop = Shop::open().await;
    let waiting = shop
        .pay("pay", "pm_card_authenticationRequired", "automatic")
        .await;
    let event = event_about(
        "evt_1",
        "payment_intent",
        &payment_of(&shop.psp, waiting.id()),
    );
    let good = signature(&shop.psp, &event, 0);
    let tenant = shop.tenant.id.to_string();
    let other = "ten_00000000000000000000000000000001";
    let swapped = souk_psp_simulator::signature_of(
        &["whsec_of_another"],
        shop.psp.clock.now().unix_s(),
        event.as_bytes(),
    );
    let altered = event.replace("evt_1", "evt_2");
    let stale = signature(&shop.psp, &event, 301);
    for (name, (tenant, body, signature), status, code) in [
        (
            "altered",
            (tenant.as_str(), &altered, &good),
            400,
            "psp_signature_invalid",
        ),
        (
            "swapped",
            (&tenant, &event, &swapped),
            400,
            "psp_signature_invalid",
        ),
        (
            "stale",
            (&tenant, &event, &stale),
            400,
            "psp_signature_invalid",
        ),
        (
            "unsigned",
            (&tenant, &event, &String::new()),
            400,
            "psp_signature_invalid",
        ),
        (
            "of another tenant",
            (other, &event, &good),
            404,
            "route_not_found",
        ),
    ] {
        let answer = shop.tell(tenant, body, signature).await;
        assert_eq!(answer.told(), (status, code), "{name}: {answer:?}");
    }
    let path = format!("/v1/psp/stripe/{tenant}");
    let more = [("stripe-signature", good.as_str())];
    for principal in ["anonymous", "key_1"] {
        let refused = shop.send(principal, ("POST", &path), &more, &event).await;
        assert_eq!(refused.told(), (403, "scope_missing"), "{principal}");
    }
    // The same, as it should be, is taken: so the refusals above are for the reasons named.
    assert_eq!(shop.tell(&tenant, &event, &good).await.status, 204);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_payment_processing_and_charges_nobody_twice() {
    let shop = Shop::open().await;
    let lost = CallRates {
        answer_lost: 1_000,
        ..CallRates::default()
    };
    shop.psp.simulator.set_faults(Faults {
        calls: lost,
        ..Faults::none(1)
    });
    let unknown = shop.pay("pay", "pm_card_visa", "automatic").await;
    assert_eq!(unknown.told(), (201, "processing"), "{unknown:?}");
    shop.psp.simulator.set_faults(Faults::none(1));
    let payment = payment_of(&shop.psp, unknown.id());
    let event = event_about("evt_1", "payment_intent", &payment);
    let signature = signature(&shop.psp, &event, 0);
    let told = shop
        .tell(&shop.tenant.id.to_string(), &event, &signature)
        .await;
    assert_eq!(told.status, 204, "{told:?}");
    let paid = shop
        .get(&format!("/v1/payment-intents/{}", unknown.id()))
        .await;
    assert_eq!(paid.told(), (200, "succeeded"), "{paid:?}");
    let totals = shop.psp.simulator.totals();
    assert_eq!(totals.captured_minor, PRICE);
    assert_eq!(totals.intents[unknown.id()].payments, 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_made() {
    let shop = Shop::open().await;
    let body = json!({
        "order_id": "order", "capture_method": "later", "payment_method": "4242424242424242",
        "confirm": "yes", "return_url": "http://tea.example", "amount": 1,
    });
    let refused = shop.post("/v1/payment-intents", "k", &body).await;
    assert_eq!(refused.told(), (422, "validation_failed"));
    let mut pointers: Vec<&str> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/amount",
            "/capture_method",
            "/confirm",
            "/order_id",
            "/payment_method",
            "/return_url"
        ]
    );
    let order = shop.order("order").await;
    let without = json!({ "order_id": order, "confirm": true });
    let refused = shop.post("/v1/payment-intents", "k2", &without).await;
    assert_eq!(refused.told(), (422, "payment_method_missing"));
    let unknown = json!({ "order_id": format!("ord_{}", "0".repeat(32)) });
    let refused = shop.post("/v1/payment-intents", "k3", &unknown).await;
    assert_eq!(refused.told(), (404, "order_not_found"));
    for (path, code) in [
        (
            format!("/v1/payment-intents/pi_{}", "0".repeat(32)),
            "payment_intent_not_found",
        ),
        (
            "/v1/payment-intents/x".to_owned(),
            "payment_intent_not_found",
        ),
        (
            format!("/v1/refunds/re_{}", "0".repeat(32)),
            "refund_not_found",
        ),
        (
            format!("/v1/disputes/dp_{}", "0".repeat(32)),
            "dispute_not_found",
        ),
    ] {
        assert_eq!(shop.get(&path).await.told(), (404, code), "{path}");
    }
    assert_eq!(shop.get("/v1/disputes").await.body["disputes"], json!([]));
    assert_eq!(shop.psp.simulator.totals().captured_minor, 0);
}
