//! Operations on orders, as the description has them.
#![allow(dead_code, reason = "only what the macro makes of them is used")]

use super::schemas::{
    Cancellation, Fulfilment, Order, OrderPage, OrderRequest, Quote, QuoteRequest, Timeline,
};
use serde_json::{Value, json};

/// An order, as an example.
fn order() -> Value {
    let eur = |amount_minor: i64| json!({ "amount_minor": amount_minor, "currency": "EUR" });
    json!({
        "id": "ord_0197c0de8f2b7c3a9d4e5f6071829304",
        "status": "placed",
        "payment_status": "unpaid",
        "version": 1,
        "subtotal": eur(2598), "discount": eur(0), "shipping": eur(0), "tax": eur(0),
        "tax_included": true, "total": eur(2598), "captured": eur(0), "refunded": eur(0),
        "breakdown": { "discounts": [], "taxes": [], "shipping": null },
        "lines": [{
            "line_number": 1, "sku": "TEA-GREEN-100G", "quantity": 2, "fulfilled_quantity": 0,
            "unit_price": eur(1299), "line_total": eur(2598), "discount": eur(0), "tax": eur(0),
            "tax_rate_ppm": 0,
        }],
        "customer_reference": null, "shipping_country": null,
        "reservation_expires_at": "2026-11-21T08:15:00Z", "placed_at": "2026-11-21T08:00:00Z",
        "confirmed_at": null, "fulfilled_at": null, "completed_at": null, "cancelled_at": null,
        "cancel_reason": null,
    })
}

/// A quote, as an example.
fn quoted() -> Value {
    let eur = |amount_minor: i64| json!({ "amount_minor": amount_minor, "currency": "EUR" });
    json!({
        "quote": "eyJ2IjoxfQ.c2lnbmF0dXJl", "expires_at": "2026-11-21T08:10:00Z",
        "subtotal": eur(2598), "discount": eur(0), "shipping": eur(0), "tax": eur(0),
        "tax_included": true, "total": eur(2598),
        "breakdown": { "discounts": [], "taxes": [], "shipping": null },
        "shipping_country": null,
        "lines": [{
            "line_number": 1, "sku": "TEA-GREEN-100G", "quantity": 2, "unit_price": eur(1299),
            "line_total": eur(2598), "discount": eur(0), "tax": eur(0), "tax_rate_ppm": 0,
        }],
    })
}

#[utoipa::path(
    post,
    path = "/v1/orders",
    summary = "Places an order, and reserves its stock",
    request_body(content = OrderRequest, example = json!({ "currency": "EUR", "lines": [{ "sku": "TEA-GREEN-100G", "quantity": 2 }] })),
    responses((
        status = 201,
        description = "The order",
        body = Order,
        headers(("ETag" = String, description = "The version"), ("Location" = String, description = "The order's path")),
        example = json!(order()),
    )),
)]
fn place() {}

#[utoipa::path(
    get,
    path = "/v1/orders",
    summary = "Orders, the newest first",
    params(("limit" = Option<i32>, Query, description = "Orders on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is"), ("status" = Option<super::schemas::OrderStatus>, Query, description = "Only of this status"), ("customer_reference" = Option<String>, Query, description = "Only with this reference", min_length = 1, max_length = 128), ("placed_from" = Option<String>, Query, description = "Only placed at this time or later", format = DateTime), ("placed_before" = Option<String>, Query, description = "Only placed before this time", format = DateTime)),
    responses((
        status = 200,
        description = "A page of orders",
        body = OrderPage,
        example = json!({ "orders": [order()], "next_cursor": null }),
    )),
)]
fn list() {}

#[utoipa::path(
    get,
    path = "/v1/orders/{id}",
    summary = "An order",
    params(("id" = String, Path, description = "The order's id", pattern = "^ord_[0-9a-f]{32}$", example = "ord_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The order",
        body = Order,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "`private, no-cache`")),
        example = json!(order()),
    ), (status = 304, description = "It is what the client has")),
)]
fn read() {}

#[utoipa::path(
    get,
    path = "/v1/orders/{id}/timeline",
    summary = "What happened to an order, in order",
    params(("id" = String, Path, description = "The order's id", pattern = "^ord_[0-9a-f]{32}$", example = "ord_0197c0de8f2b7c3a9d4e5f6071829304"), ("limit" = Option<i32>, Query, description = "Entries on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is")),
    responses((
        status = 200,
        description = "A page of its timeline",
        body = Timeline,
        example = json!({
            "entries": [{
                "sequence": 1, "type": "order.placed.v1", "event_id": null,
                "occurred_at": "2026-11-21T08:00:00Z", "principal": "shop", "request_id": null,
                "data": {},
            }],
            "next_cursor": null,
        }),
    )),
)]
fn timeline() {}

/// A command on an order that exists: its name, path and summary, and its body if it has one.
macro_rules! order_command {
    ($name:ident, $path:tt, $summary:tt $(, $body:ty, $example:tt)?) => {
        #[utoipa::path(
            post,
            path = $path,
            summary = $summary,
            params(("id" = String, Path, description = "The order's id", pattern = "^ord_[0-9a-f]{32}$", example = "ord_0197c0de8f2b7c3a9d4e5f6071829304"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
            $(request_body(content = $body, example = json!($example)),)?
            responses((
                status = 200,
                description = "As it is now",
                body = Order,
                headers(("ETag" = String, description = "The version")),
                example = json!(order()),
            )),
        )]
        fn $name() {}
    };
}

order_command!(
    confirm,
    "/v1/orders/{id}/confirm",
    "Confirms a placed order: its reservation does not expire any more"
);
order_command!(
    complete,
    "/v1/orders/{id}/complete",
    "Completes a fulfilled order"
);
order_command!(
    fulfil,
    "/v1/orders/{id}/fulfil",
    "Fulfils units of lines, or all that is left",
    Option<Fulfilment>,
    { "lines": [{ "line_number": 1, "quantity": 1 }] }
);
order_command!(
    cancel,
    "/v1/orders/{id}/cancel",
    "Cancels an order, and gives its stock back",
    Option<Cancellation>,
    { "reason": "customer_request" }
);

#[utoipa::path(
    post,
    path = "/v1/quotes",
    summary = "What an order would cost, fixed for ten minutes",
    request_body(content = QuoteRequest, example = json!({ "currency": "EUR", "lines": [{ "sku": "TEA-GREEN-100G", "quantity": 2 }] })),
    responses((
        status = 200,
        description = "The numbers, and the quote that fixes them",
        body = Quote,
        headers(("Cache-Control" = String, description = "`no-store`")),
        example = json!(quoted()),
    )),
)]
fn quote() {}
