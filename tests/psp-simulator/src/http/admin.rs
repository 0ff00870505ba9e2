//! What a test or a person may do behind the PSP's back, under `/_admin/`.

use super::json::{self, Expanded};
use super::webhooks::Endpoint;
use super::{Front, Reply};
use crate::faults::Faults;
use crate::world::{ApiError, Call, Outcome, Request};
use http::Method;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    well: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Amount {
    amount: Option<i64>,
}

type Done = Result<Value, ApiError>;

pub(super) fn answer(front: &Front, head: &Parts, body: &[u8]) -> Reply {
    let segments: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let done = match (&head.method, segments.as_slice()) {
        (&Method::GET, ["_admin", "totals"]) => Ok(json!(front.simulator.totals())),
        (&Method::GET, ["_admin", "faults"]) => Ok(json!(front.simulator.world().faults())),
        (&Method::GET, ["_admin", "payments"]) => Ok(payments(front)),
        (&Method::POST, ["_admin", "faults"]) => parse::<Faults>(body).map(|faults| {
            front.simulator.set_faults(faults);
            json!(faults)
        }),
        (&Method::POST, ["_admin", "webhooks"]) => parse::<Endpoint>(body).map(|endpoint| {
            front.webhooks.add(endpoint);
            json!({})
        }),
        (&Method::POST, ["_admin", "clock"]) => parse::<Advance>(body).map(|advance| {
            front
                .clock
                .advance_ms(advance.advance_s.saturating_mul(1_000));
            json!({"now": front.simulator.now_ms().div_euclid(1_000)})
        }),
        (&Method::POST, ["_admin", "payments", id, what]) => payment(front, id, what, body),
        (&Method::POST, ["_admin", "disputes", id, "close"]) => parse(body).and_then(|own| {
            let Decision { well } = own;
            let now_ms = front.simulator.now_ms();
            let mut world = front.simulator.world();
            let closed = world.close_dispute(id, well, now_ms)?;
            Ok(json::dispute(&closed, world.movements()))
        }),
        _ => Err(ApiError::missing("admin url", head.uri.path())),
    };
    match done {
        Ok(body) => Reply::ok(body),
        Err(error) => Reply {
            status: error.status,
            body: json::error(&error),
        },
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid("body_invalid", error.to_string()))
}

fn payments(front: &Front) -> Value {
    let world = front.simulator.world();
    let expanded = Expanded {
        charge: true,
        refunds: true,
    };
    let shown = world
        .payments()
        .map(|payment| json::payment(payment, &world.refunds_of(&payment.id), expanded));
    Value::Array(shown.collect())
}

/// What the customer, the bank, or somebody with a key of the account does.
fn payment(front: &Front, id: &str, what: &str, body: &[u8]) -> Done {
    let now_ms = front.simulator.now_ms();
    let mut world = front.simulator.world();
    let account = world
        .payments()
        .find(|payment| payment.id == id)
        .map(|payment| payment.account.clone())
        .ok_or_else(|| ApiError::missing("payment_intent", id))?;
    let request = |call| Request {
        account,
        key: None,
        call,
    };
    let payment = id.to_owned();
    let done: Outcome = match what {
        "action" => world.complete_action(id, parse::<Decision>(body)?.well, now_ms),
        "dispute" => {
            let Amount { amount } = parse(body)?;
            let captured = world
                .payments()
                .find(|own| own.id == id)
                .map_or(0, |own| own.captured);
            let dispute = world.open_dispute(id, amount.unwrap_or(captured), now_ms)?;
            return Ok(json::dispute(&dispute, world.movements()));
        }
        "capture" => {
            let Amount { amount } = parse(body)?;
            let call = Call::Capture {
                payment,
                amount,
                is_final: true,
            };
            world.apply(&request(call), now_ms)
        }
        "refund" => {
            let Amount { amount } = parse(body)?;
            let call = Call::Refund {
                payment,
                amount,
                metadata: std::collections::BTreeMap::new(),
            };
            world.apply(&request(call), now_ms)
        }
        "cancel" => world.apply(&request(Call::Cancel { payment }), now_ms),
        _ => return Err(ApiError::missing("admin action", what)),
    };
    done.map(|_| json!({}))
}
