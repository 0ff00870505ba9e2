//! The payment service provider of the tests: the simulator, and the adapter that asks it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use core::time::Duration;
use serde_json::json;
use souk_app::{Once, OrderWish, Tools, place_order};
use souk_domain::{IdempotencyKey, RequestFingerprint};
use souk_psp_simulator::{Faults, Served, Settings, serve, signature_of};
use souk_runtime::stripe::{Stripe, StripeAccounts, StripeSettings};
use souk_testkit::{TestTenant, order_request, respond};

/// What the provider signs its events with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_the_tests";

/// Short, since the simulator keeps silent as long as it is told to.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);
const SILENCE: Duration = Duration::from_millis(800);

/// Where the provider is, and what opens it.
pub(crate) fn stripe(url: &str) -> Stripe {
    let accounts = json!({ "default": {
        "secret_key": "sk_test", "webhook_secrets": [WEBHOOK_SECRET],
    } });
    let settings = StripeSettings {
        attempt_timeout: ATTEMPT_TIMEOUT,
        call_timeout: ATTEMPT_TIMEOUT * 3,
        // A breaker that is open would only make the faults fewer.
        breaker_failures_max: u32::MAX,
        ..StripeSettings::default()
    };
    let accounts = StripeAccounts::parse(&accounts.to_string()).unwrap();
    Stripe::new(accounts, Some(url), settings).unwrap()
}

/// A provider at which nothing goes wrong until it is told to.
pub(crate) async fn start() -> Served {
    let settings = Settings {
        faults: Faults::none(1),
        silence: SILENCE,
        ..Settings::default()
    };
    serve(settings).await.unwrap()
}

/// The tenant's tools, by the provider's clock: that of its events.
pub(crate) fn tools(tenant: &TestTenant, psp: &Served) -> Tools {
    Tools {
        clock: psp.clock.clone(),
        ..tenant.tools.clone()
    }
}

/// Places an order of one unit; returns its id.
pub(crate) async fn order(tools: &Tools, tenant: &TestTenant, key: &str) -> String {
    let once = Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "place_order",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    };
    let wish = OrderWish::from(order_request(&[("TEA", 1)]));
    let placed = place_order(tools, &tenant.caller(), &once, wish, respond).await;
    String::from_utf8(placed.unwrap().response.body).unwrap()
}

/// An event about what has the id `object` and is of this kind, as the provider writes it.
pub(crate) fn event_about(event: &str, kind: &str, object: &str) -> String {
    json!({
        "id": event, "object": "event", "type": format!("{kind}.updated"), "created": 1,
        "data": { "object": { "object": kind, "id": object } },
    })
    .to_string()
}

/// The provider's signature over an event, made `ago_s` seconds ago.
pub(crate) fn signature(psp: &Served, body: &str, ago_s: i64) -> String {
    let at_s = psp.simulator.now_ms().div_euclid(1_000) - ago_s;
    signature_of(&[WEBHOOK_SECRET], at_s, body.as_bytes())
}

/// The provider's own id of the payment that was made for an intent.
pub(crate) fn payment_of(psp: &Served, intent: &str) -> String {
    let world = psp.simulator.world();
    let mut payments = world.payments();
    let of_intent = payments
        .find(|one| one.metadata.get("souk_payment_intent").map(String::as_str) == Some(intent));
    of_intent
        .expect("the provider knows the payment")
        .id
        .clone()
}
