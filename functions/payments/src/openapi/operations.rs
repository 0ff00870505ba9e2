//! Operations on payments, as the description has them.
#![allow(dead_code, reason = "only what the macro makes of them is used")]

use super::schemas::{
    Dispute, DisputePage, PaymentAttempts, PaymentCancellation, PaymentCapture,
    PaymentConfirmation, PaymentIntent, PaymentIntentPage, PaymentIntentRequest,
    PaymentIntentStatus, Refund, RefundRequest, Refunds,
};
use serde_json::{Value, json};

/// Euros, as an example.
fn eur(amount_minor: i64) -> Value {
    json!({ "amount_minor": amount_minor, "currency": "EUR" })
}

/// A payment, as an example.
fn intent() -> Value {
    json!({
        "id": "pi_0197c0de8f2b7c3a9d4e5f6071829305",
        "order_id": "ord_0197c0de8f2b7c3a9d4e5f6071829304",
        "status": "succeeded",
        "capture_method": "automatic",
        "version": 3,
        "amount": eur(2598), "capturable": eur(0), "captured": eur(2598), "refunded": eur(0), "disputed": eur(0),
        "next_action": null, "last_payment_error": null, "review_reason": null,
        "cancellation_reason": null, "authorization_expires_at": null,
        "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:01Z",
    })
}

/// A refund, as an example.
fn refund() -> Value {
    json!({
        "id": "re_0197c0de8f2b7c3a9d4e5f6071829307",
        "payment_intent_id": "pi_0197c0de8f2b7c3a9d4e5f6071829305",
        "amount": eur(500), "status": "succeeded", "origin": "souk", "reason": "damaged", "failure": null,
        "created_at": "2026-11-21T09:00:00Z", "updated_at": "2026-11-21T09:00:01Z",
    })
}

/// A dispute, as an example.
fn dispute() -> Value {
    json!({
        "id": "dp_0197c0de8f2b7c3a9d4e5f6071829308",
        "payment_intent_id": "pi_0197c0de8f2b7c3a9d4e5f6071829305",
        "amount": eur(2598), "withdrawn": eur(2598), "status": "open", "reason": "fraudulent",
        "opened_at": "2026-11-25T08:00:00Z", "closed_at": null,
    })
}

/// A command on a payment that exists: its name, path and summary, and its body.
macro_rules! intent_command {
    ($name:ident, $path:tt, $summary:tt, $body:ty, $example:tt) => {
        #[utoipa::path(
            post,
            path = $path,
            summary = $summary,
            params(("id" = String, Path, description = "The payment's id", pattern = "^pi_[0-9a-f]{32}$", example = "pi_0197c0de8f2b7c3a9d4e5f6071829305")),
            request_body(content = Option<$body>, example = json!($example)),
            responses((
                status = 200,
                description = "As it is now. `processing` where the provider has not said yet how it ended",
                body = PaymentIntent,
                headers(("ETag" = String, description = "The version")),
                example = json!(intent()),
            )),
        )]
        fn $name() {}
    };
}

#[utoipa::path(
    post,
    path = "/v1/payment-intents",
    summary = "Makes the payment of an order, and confirms it where that is wished",
    request_body(content = PaymentIntentRequest, example = json!({ "order_id": "ord_0197c0de8f2b7c3a9d4e5f6071829304", "payment_method": "pm_card_visa", "confirm": true })),
    responses((
        status = 201,
        description = "The payment",
        body = PaymentIntent,
        headers(("ETag" = String, description = "The version"), ("Location" = String, description = "The payment's path")),
        example = json!(intent()),
    )),
)]
fn create() {}

intent_command!(
    confirm,
    "/v1/payment-intents/{id}/confirm",
    "Tries to pay with a payment method",
    PaymentConfirmation,
    { "payment_method": "pm_card_visa" }
);
intent_command!(
    capture,
    "/v1/payment-intents/{id}/capture",
    "Takes money that is authorized, all of it or a part",
    PaymentCapture,
    { "amount_minor": 1000, "final": false }
);
intent_command!(
    cancel,
    "/v1/payment-intents/{id}/cancel",
    "Gives a payment up, and lets its authorization go",
    PaymentCancellation,
    { "reason": "abandoned" }
);

#[utoipa::path(
    post,
    path = "/v1/payment-intents/{id}/refunds",
    summary = "Gives captured money back, all of it or a part",
    params(("id" = String, Path, description = "The payment's id", pattern = "^pi_[0-9a-f]{32}$", example = "pi_0197c0de8f2b7c3a9d4e5f6071829305")),
    request_body(content = Option<RefundRequest>, example = json!({ "amount_minor": 500, "reason": "damaged" })),
    responses((
        status = 201,
        description = "The refund. `pending` where the provider has not said yet how it ended",
        body = Refund,
        headers(("Location" = String, description = "The refund's path")),
        example = json!(refund()),
    )),
)]
fn refund_intent() {}

#[utoipa::path(
    get,
    path = "/v1/payment-intents",
    summary = "Payments, the newest first",
    params(("limit" = Option<i32>, Query, description = "Payments on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is"), ("order_id" = Option<String>, Query, description = "Only of this order", pattern = "^ord_[0-9a-f]{32}$"), ("status" = Option<PaymentIntentStatus>, Query, description = "Only in this status")),
    responses((
        status = 200,
        description = "A page of payments",
        body = PaymentIntentPage,
        example = json!({ "payment_intents": [intent()], "next_cursor": null }),
    )),
)]
fn list() {}

#[utoipa::path(
    get,
    path = "/v1/payment-intents/{id}",
    summary = "A payment",
    params(("id" = String, Path, description = "The payment's id", pattern = "^pi_[0-9a-f]{32}$", example = "pi_0197c0de8f2b7c3a9d4e5f6071829305"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The payment",
        body = PaymentIntent,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "`private, no-cache`")),
        example = json!(intent()),
    ), (status = 304, description = "It is what the client has")),
)]
fn read() {}

#[utoipa::path(
    get,
    path = "/v1/payment-intents/{id}/attempts",
    summary = "The attempts at a payment, the first one first",
    params(("id" = String, Path, description = "The payment's id", pattern = "^pi_[0-9a-f]{32}$", example = "pi_0197c0de8f2b7c3a9d4e5f6071829305")),
    responses((
        status = 200,
        description = "All attempts",
        body = PaymentAttempts,
        example = json!({ "attempts": [{
            "id": "pa_0197c0de8f2b7c3a9d4e5f6071829306", "status": "captured",
            "payment_method": "pm_card_visa", "failure": null,
            "created_at": "2026-11-21T08:00:00Z", "updated_at": "2026-11-21T08:00:01Z",
        }] }),
    )),
)]
fn attempts() {}

#[utoipa::path(
    get,
    path = "/v1/payment-intents/{id}/refunds",
    summary = "The refunds of a payment, the first one first",
    params(("id" = String, Path, description = "The payment's id", pattern = "^pi_[0-9a-f]{32}$", example = "pi_0197c0de8f2b7c3a9d4e5f6071829305")),
    responses((
        status = 200,
        description = "All refunds",
        body = Refunds,
        example = json!({ "refunds": [refund()] }),
    )),
)]
fn refunds() {}

#[utoipa::path(
    get,
    path = "/v1/refunds/{id}",
    summary = "A refund",
    params(("id" = String, Path, description = "The refund's id", pattern = "^re_[0-9a-f]{32}$", example = "re_0197c0de8f2b7c3a9d4e5f6071829307")),
    responses((status = 200, description = "The refund", body = Refund, example = json!(refund()))),
)]
fn read_refund() {}

#[utoipa::path(
    get,
    path = "/v1/disputes",
    summary = "Disputes, the newest first",
    params(("limit" = Option<i32>, Query, description = "Disputes on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is")),
    responses((
        status = 200,
        description = "A page of disputes",
        body = DisputePage,
        example = json!({ "disputes": [dispute()], "next_cursor": null }),
    )),
)]
fn disputes() {}

#[utoipa::path(
    get,
    path = "/v1/disputes/{id}",
    summary = "A dispute",
    params(("id" = String, Path, description = "The dispute's id", pattern = "^dp_[0-9a-f]{32}$", example = "dp_0197c0de8f2b7c3a9d4e5f6071829308")),
    responses((status = 200, description = "The dispute", body = Dispute, example = json!(dispute()))),
)]
fn read_dispute() {}

#[utoipa::path(
    post,
    path = "/v1/psp/stripe/{tenant}",
    summary = "Takes an event of the tenant's Stripe account",
    description = "For Stripe alone: the address of a webhook endpoint. The host does not matter.",
    params(("tenant" = String, Path, description = "The tenant's id", pattern = "^ten_[0-9a-f]{32}$", example = "ten_0197c0de8f2b7c3a9d4e5f6071829304")),
    request_body(content = Value, example = json!({ "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy", "type": "payment_intent.succeeded", "data": { "object": { "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent" } } })),
    responses((status = 204, description = "It is known, and what it says is written down")),
)]
fn stripe_event() {}
