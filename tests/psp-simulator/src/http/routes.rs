//! Which request is which call.

use super::form::Form;
use super::json::{self, Expanded};
use super::{Front, Reply};
use crate::faults::CallFault;
use crate::world::{Answer, ApiError, Call, Movement, NewPayment, Outcome, Request, World};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

/// Objects of a page, at most.
const PAGE_MAX: usize = 100;
const PAGE_USUAL: usize = 10;

type Read = Result<Value, ApiError>;

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whose request it is: the account that it names, else that of its key.
fn account_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let unauthorized = || ApiError {
        status: 401,
        ..ApiError::invalid("unauthorized", "You did not provide an API key.")
    };
    let authorization = header(headers, "authorization").ok_or_else(unauthorized)?;
    let key = authorization
        .strip_prefix("Bearer ")
        .filter(|key| key.starts_with("sk_"))
        .ok_or_else(unauthorized)?;
    if header(headers, "stripe-version").is_none() {
        return Err(ApiError::invalid("version_missing", "Pin a Stripe-Version"));
    }
    Ok(header(headers, "stripe-account").unwrap_or_else(|| key.to_owned()))
}

pub(super) async fn answer(front: &Front, head: &Parts, body: &[u8]) -> (CallFault, Reply) {
    let refused = |error: ApiError| Reply {
        status: error.status,
        body: json::error(&error),
    };
    let account = match account_of(&head.headers) {
        Ok(account) => account,
        Err(error) => return (CallFault::None, refused(error)),
    };
    if head.method == Method::GET {
        let fault = front.simulator.world().draw_read();
        if let Some(error) = turned_away(fault) {
            return (fault, refused(error));
        }
        let form = Form::parse(head.uri.query().unwrap_or_default().as_bytes());
        let world = front.simulator.world();
        let read = read(&world, &account, head.uri.path(), &form);
        return (fault, read.map_or_else(refused, Reply::ok));
    }
    let form = Form::parse(body);
    let call = match call(head, &form) {
        Ok(call) => call,
        Err(error) => return (CallFault::None, refused(error)),
    };
    let request = Request {
        account,
        key: header(&head.headers, "idempotency-key"),
        call,
    };
    if request.key.is_none() {
        let error = ApiError::invalid("idempotency_key_missing", "Send an Idempotency-Key");
        return (CallFault::None, refused(error));
    }
    let now_ms = front.simulator.now_ms();
    let (fault, outcome, events) = {
        let mut world = front.simulator.world();
        let fault = world.draw_call();
        let events = world.events().len();
        (fault, world.apply_faulty(&request, fault, now_ms), events)
    };
    front.simulator.early_events(events).await;
    let world = front.simulator.world();
    let reply = show(&world, &outcome, &form).map_or_else(refused, Reply::ok);
    (fault, reply)
}

/// What a read is refused with, by a fault that is no matter of the wire.
fn turned_away(fault: CallFault) -> Option<ApiError> {
    match fault {
        CallFault::TooManyRequests => Some(ApiError::too_many_requests()),
        CallFault::ErrorBefore => Some(ApiError::internal()),
        _ => None,
    }
}

fn show(world: &World, outcome: &Outcome, form: &Form) -> Read {
    match outcome {
        Ok(Answer::Payment(payment)) => {
            let refunds = if payment.refunded > 0 {
                world.refunds_of(&payment.id)
            } else {
                Vec::new()
            };
            Ok(json::payment(payment, &refunds, expanded(form, "")))
        }
        Ok(Answer::Refund(refund)) => Ok(json::refund(refund)),
        Err(error) => Err(error.clone()),
    }
}

fn expanded(form: &Form, prefix: &str) -> Expanded {
    Expanded {
        charge: form.expands(&format!("{prefix}latest_charge")),
        refunds: form.expands(&format!("{prefix}latest_charge.refunds")),
    }
}

fn unknown_url(head: &Parts) -> ApiError {
    let message = format!("Unrecognized request URL ({} {})", head.method, head.uri);
    ApiError {
        status: 404,
        ..ApiError::invalid("url_unknown", message)
    }
}

fn call(head: &Parts, form: &Form) -> Result<Call, ApiError> {
    let segments: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["v1", "payment_intents"] => create(form),
        ["v1", "payment_intents", id, "confirm"] => {
            form.only(&["payment_method", "return_url", "expand"])?;
            Ok(Call::Confirm {
                payment: (*id).to_owned(),
                payment_method: form.text("payment_method"),
                return_url: form.text("return_url"),
            })
        }
        ["v1", "payment_intents", id, "capture"] => {
            form.only(&["amount_to_capture", "final_capture", "metadata", "expand"])?;
            Ok(Call::Capture {
                payment: (*id).to_owned(),
                amount: form.number("amount_to_capture")?,
                is_final: form.get("final_capture") != Some("false"),
            })
        }
        ["v1", "payment_intents", id, "cancel"] => {
            form.only(&["cancellation_reason", "expand"])?;
            Ok(Call::Cancel {
                payment: (*id).to_owned(),
            })
        }
        ["v1", "refunds"] => {
            form.only(&["payment_intent", "amount", "reason", "metadata", "expand"])?;
            Ok(Call::Refund {
                payment: required(form, "payment_intent")?,
                amount: form.number("amount")?,
                metadata: form.metadata(),
            })
        }
        _ => Err(unknown_url(head)),
    }
}

fn create(form: &Form) -> Result<Call, ApiError> {
    form.only(&[
        "amount",
        "currency",
        "capture_method",
        "payment_method",
        "payment_method_types",
        "payment_method_options",
        "confirm",
        "return_url",
        "metadata",
        "expand",
        "off_session",
    ])?;
    let currency = required(form, "currency")?;
    let known = currency
        .to_ascii_uppercase()
        .parse::<souk_domain::Currency>();
    if known.is_err() {
        return Err(ApiError::invalid("parameter_invalid", "Invalid currency"));
    }
    let amount = form
        .number("amount")?
        .ok_or_else(|| ApiError::invalid("parameter_missing", "Missing: amount"))?;
    Ok(Call::Create(NewPayment {
        amount,
        currency,
        manual_capture: form.get("capture_method") == Some("manual"),
        payment_method: form.text("payment_method"),
        confirm: form.get("confirm") == Some("true"),
        return_url: form.text("return_url"),
        metadata: form.metadata(),
    }))
}

fn required(form: &Form, name: &str) -> Result<String, ApiError> {
    form.text(name)
        .ok_or_else(|| ApiError::invalid("parameter_missing", format!("Missing: {name}")))
}

fn read(world: &World, account: &str, path: &str, form: &Form) -> Read {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["v1", "payment_intents"] => {
            let expanded = expanded(form, "data.");
            let own = world.payments().rev().filter(|own| own.account == account);
            let own = own.filter(|payment| created_within(form, payment.created_ms));
            page(
                form,
                own,
                |payment| &payment.id,
                |payment| json::payment(payment, &world.refunds_of(&payment.id), expanded),
            )
        }
        ["v1", "payment_intents", id] => {
            let payment = world.payment(account, id)?;
            let refunds = world.refunds_of(id);
            Ok(json::payment(payment, &refunds, expanded(form, "")))
        }
        ["v1", "refunds"] => {
            let of = form.get("payment_intent");
            let own = world.refunds().rev().filter(|own| own.account == account);
            let own = own.filter(|refund| of.is_none_or(|id| refund.payment == id));
            page(form, own, |refund| &refund.id, json::refund)
        }
        ["v1", "balance_transactions"] => {
            let own = world.movements().iter().rev();
            let own = own.filter(|own| own.account == account);
            let own = own.filter(|movement| created_within(form, movement.created_ms));
            let whole = form.expands("data.source");
            page(
                form,
                own,
                |movement| &movement.id,
                |movement| {
                    let source = whole.then(|| source_of(world, movement)).flatten();
                    json::movement(movement, source)
                },
            )
        }
        ["v1", "disputes"] => {
            let own = world.disputes().filter(|own| own.account == account);
            page(
                form,
                own,
                |dispute| &dispute.id,
                |dispute| json::dispute(dispute, world.movements()),
            )
        }
        ["v1", "disputes", id] => {
            let dispute = world.dispute(account, id)?;
            Ok(json::dispute(dispute, world.movements()))
        }
        _ => Err(ApiError::missing("url", path)),
    }
}

fn source_of(world: &World, movement: &Movement) -> Option<Value> {
    match movement.category {
        "charge" => {
            let payment = world.payment(&movement.account, &movement.payment);
            payment.ok().map(json::charge_of)
        }
        "refund" | "refund_failure" => {
            let mut refunds = world.refunds();
            let refund = refunds.find(|refund| refund.id == movement.source);
            refund.map(json::refund)
        }
        _ => {
            let dispute = world.dispute(&movement.account, &movement.source);
            let shown = dispute.map(|dispute| json::dispute(dispute, world.movements()));
            shown.ok()
        }
    }
}

fn created_within(form: &Form, created_ms: i64) -> bool {
    let seconds = created_ms.div_euclid(1_000);
    let bound = |name: &str| form.number(&format!("created[{name}]")).ok().flatten();
    bound("gte").is_none_or(|from| seconds >= from)
        && bound("gt").is_none_or(|from| seconds > from)
        && bound("lt").is_none_or(|until| seconds < until)
        && bound("lte").is_none_or(|until| seconds <= until)
}

fn page<'a, T: 'a>(
    form: &Form,
    all: impl Iterator<Item = &'a T>,
    id: impl Fn(&T) -> &String,
    show: impl Fn(&T) -> Value,
) -> Read {
    let limit = form.number("limit")?.unwrap_or(0);
    let limit = match usize::try_from(limit) {
        Ok(0) => PAGE_USUAL,
        Ok(limit) => limit.min(PAGE_MAX),
        Err(_) => return Err(ApiError::invalid("parameter_invalid", "limit")),
    };
    let after = form.get("starting_after");
    let mut rest = all
        .skip_while(|one| after.is_some_and(|after| id(one) != after))
        .skip(usize::from(after.is_some()));
    let shown: Vec<Value> = rest.by_ref().take(limit).map(show).collect();
    Ok(json::list(&shown, rest.next().is_some()))
}
