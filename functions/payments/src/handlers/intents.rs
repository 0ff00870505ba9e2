//! Payment intents.

use super::intent_id;
use crate::PaymentsState;
use crate::bodies::{self, Confirmation};
use crate::representation::{attempts_response, intent_response, intents_response};
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use souk_app::payments::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent,
    PAYMENTS_PER_PAGE_MAX, cancel_payment_intent, capture_payment_intent, confirm_payment_intent,
    create_payment_intent, get_payment_intent, list_payment_attempts, list_payment_intents,
};
use souk_app::{Answer, AppError, StoredResponse};
use souk_domain::payment::{PaymentIntent, PaymentIntentFilter};
use souk_runtime::answer::{answered_and_rung, to_http};
use souk_runtime::conditional::unless_none_match;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::Problem;
use souk_runtime::query::Query;
use souk_runtime::request::{Command, CommandOn, read_body};

/// Payments on a page, where the client does not say.
const PAYMENTS_PER_PAGE_DEFAULT: u8 = 20;

/// `POST /v1/payment-intents`: 201 with the payment; the same again for the same key.
pub(crate) async fn create(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    command: Command,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = read_body(&headers, &body, bodies::new_intent)?;
    let new = body.value;
    let command = CreatePaymentIntent {
        once: command.once(Some(&body.json))?,
        order: new.order,
        capture_method: new.capture_method,
        payment_method: new.confirmation.payment_method,
        return_url: new.confirmation.return_url,
        confirm: new.confirm,
    };
    let respond = responder(201, &edge);
    let (tools, stripe) = (&state.tools, &state.stripe);
    let answer = create_payment_intent(tools, stripe, &edge.caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/payment-intents/{id}/confirm`: 200 with the payment as it is then.
pub(crate) async fn confirm(
    State(state): State<PaymentsState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, confirmation) = asked.once_with(bodies::confirmation)?;
    let Confirmation {
        payment_method,
        return_url,
    } = confirmation.unwrap_or_default();
    let command = ConfirmPaymentIntent {
        once,
        intent: intent_id(&asked.id)?,
        payment_method,
        return_url,
    };
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let (tools, stripe) = (&state.tools, &state.stripe);
    let answer = confirm_payment_intent(tools, stripe, caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/payment-intents/{id}/capture`: 200 with the payment as it is then.
pub(crate) async fn capture(
    State(state): State<PaymentsState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, capture) = asked.once_with(bodies::capture)?;
    let capture = capture.unwrap_or_default();
    let command = CapturePaymentIntent {
        once,
        intent: intent_id(&asked.id)?,
        amount_minor: capture.amount_minor,
        is_final: capture.is_final.unwrap_or(true),
    };
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let (tools, stripe) = (&state.tools, &state.stripe);
    let answer = capture_payment_intent(tools, stripe, caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/payment-intents/{id}/cancel`: 200 with the payment as it is then.
pub(crate) async fn cancel(
    State(state): State<PaymentsState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, reason) = asked.once_with(bodies::cancellation)?;
    let command = CancelPaymentIntent {
        once,
        intent: intent_id(&asked.id)?,
        reason: reason.flatten(),
    };
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let (tools, stripe) = (&state.tools, &state.stripe);
    let answer = cancel_payment_intent(tools, stripe, caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `GET /v1/payment-intents/{id}`: 200 with the payment, or 304 where the client has it in this version.
pub(crate) async fn read(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let intent = get_payment_intent(&state.tools, &edge.caller, intent_id(&id)?).await?;
    let mut response = intent_response(200, &intent);
    let revalidate = "private, no-cache".to_owned();
    response
        .headers
        .insert("cache-control".to_owned(), revalidate);
    unless_none_match(&headers, response)
}

/// `GET /v1/payment-intents`: 200 with a page of payments, the newest first.
pub(crate) async fn list(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::new(uri.query(), &["limit", "cursor", "order_id", "status"]);
    let limit = query.number(
        "limit",
        1..=PAYMENTS_PER_PAGE_MAX,
        PAYMENTS_PER_PAGE_DEFAULT,
    );
    let cursor = query.parsed::<String>("cursor");
    let filter = PaymentIntentFilter {
        order: query.parsed("order_id"),
        status: query.parsed("status"),
    };
    query.finish()?;
    let (tools, caller) = (&state.tools, &edge.caller);
    let page = list_payment_intents(tools, caller, &filter, cursor.as_deref(), limit).await?;
    Ok(to_http(intents_response(
        &page.intents,
        page.next_cursor.as_deref(),
    )))
}

/// `GET /v1/payment-intents/{id}/attempts`: 200 with all attempts at the payment, in order.
pub(crate) async fn attempts(
    State(state): State<PaymentsState>,
    Extension(edge): Extension<EdgeCaller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let attempts = list_payment_attempts(&state.tools, &edge.caller, intent_id(&id)?).await?;
    Ok(to_http(attempts_response(&attempts)))
}

/// The answer to a command on a payment: the payment, or why it was refused.
fn responder(
    status: u16,
    edge: &EdgeCaller,
) -> impl Fn(Result<&PaymentIntent, &AppError>) -> StoredResponse + Send + Sync + use<> {
    let request_id = edge.caller.request_id;
    move |outcome| match outcome {
        Ok(intent) => intent_response(status, intent),
        Err(error) => Problem::from(error).to_stored(request_id),
    }
}

async fn answered(state: &PaymentsState, answer: Answer) -> Response {
    answered_and_rung(state.doorbell.as_deref(), answer).await
}
