//! Sends events to who wants them, signed as Stripe does.

use super::Front;
use super::json::{self, Expanded};
use crate::world::{Event, World};
use core::time::Duration;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use std::sync::{Mutex, PoisonError};

/// How often it is looked whether an event is due.
const TICK: Duration = Duration::from_millis(10);
/// For an endpoint to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What was not taken is sent again after this time.
const AGAIN_MS: i64 = 2_000;

/// Who wants events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoint {
    /// `{tenant}` in it stands for the tenant that a payment's metadata names.
    pub(crate) url: String,
    /// Signs.
    pub(crate) secret: String,
    /// Events of this account only.
    pub(crate) account: Option<String>,
}

/// All who want events.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(Mutex<Vec<Endpoint>>);

impl Endpoints {
    pub(crate) fn add(&self, endpoint: Endpoint) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|own| own.url != endpoint.url);
        all.push(endpoint);
    }

    fn of(&self, account: &str) -> Vec<Endpoint> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wants = |own: &&Endpoint| own.account.as_deref().is_none_or(|own| own == account);
        all.iter().filter(wants).cloned().collect()
    }
}

/// The value of the header `Stripe-Signature` for `body`, signed at `at_s` with each of `secrets`.
pub fn signature_of(secrets: &[&str], at_s: i64, body: &[u8]) -> String {
    let mut header = format!("t={at_s}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(format!("{at_s}.").as_bytes());
        mac.update(body);
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    header
}

/// Sends what is due, for ever.
pub(super) async fn deliver(front: Front) {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .build()
        .expect("a client needs nothing");
    loop {
        for event in front.simulator.due_events() {
            if send(&front, &client, &event).await {
                front.simulator.delivered(&event);
            } else {
                let now_ms = front.simulator.now_ms();
                let again = event.clone();
                front.simulator.world().redeliver(again, AGAIN_MS, now_ms);
                front.simulator.delivered(&event);
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

fn object_of(world: &World, event: &Event) -> (Value, Option<String>) {
    if event.is_about_dispute() {
        let Ok(dispute) = world.dispute(&event.account, &event.object) else {
            return (Value::Null, None);
        };
        let payment = world.payment(&event.account, &dispute.payment).ok();
        let tenant = payment.and_then(|own| own.metadata.get("souk_tenant").cloned());
        return (json::dispute(dispute, world.movements()), tenant);
    }
    let Ok(payment) = world.payment(&event.account, &event.object) else {
        return (Value::Null, None);
    };
    let tenant = payment.metadata.get("souk_tenant").cloned();
    let expanded = Expanded {
        charge: false,
        refunds: false,
    };
    let object = match event.kind.split_once('.').map(|(family, _)| family) {
        Some("charge") => json::charge_of(payment),
        Some("refund") => {
            let refunds = world.refunds_of(&payment.id);
            refunds.last().map_or(Value::Null, json::refund)
        }
        _ => json::payment(payment, &[], expanded),
    };
    (object, tenant)
}

/// Whether all who want the event have taken it.
async fn send(front: &Front, client: &reqwest::Client, event: &Event) -> bool {
    let (object, tenant) = object_of(&front.simulator.world(), event);
    let body = json::event(event, &object).to_string();
    let at_s = front.simulator.now_ms().div_euclid(1_000);
    let mut all_took_it = true;
    for endpoint in front.webhooks.of(&event.account) {
        let url = endpoint
            .url
            .replace("{tenant}", tenant.as_deref().unwrap_or_default());
        let request = client
            .post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header(
                "stripe-signature",
                signature_of(&[&endpoint.secret], at_s, body.as_bytes()),
            )
            .body(body.clone());
        let taken = request.send().await;
        all_took_it &= taken.is_ok_and(|response| response.status().is_success());
    }
    all_took_it
}
