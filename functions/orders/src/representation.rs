//! Orders in JSON.

pub(crate) mod commands;
pub(crate) mod timeline;

use crate::totals::{AmountsJson, PricedLineJson};
use serde::Serialize;
use souk_app::{OrderPage, StoredResponse};
use souk_domain::pricing::{CountryCode, QUOTE_BYTES_MAX};
use souk_domain::{
    CancelReason, CustomerReference, Money, ORDER_LINES_MAX, Order, OrderId, OrderLine,
    OrderRequest, OrderStatus, PaymentStatus, QUANTITY_MAX, Quantity, RequestedLine, Timestamp,
};
use souk_runtime::answer::json_response;
use souk_runtime::fields::{Field, Object};

/// Discount codes of an order at most.
const DISCOUNT_CODES_MAX: usize = 16;

/// What an order and a quote are asked for by.
const REQUEST_MEMBERS: [&str; 5] = [
    "currency",
    "lines",
    "customer_reference",
    "shipping_country",
    "discount_codes",
];
/// What an order may be asked for by besides.
const ORDER_MEMBERS: [&str; 6] = [
    "currency",
    "lines",
    "customer_reference",
    "shipping_country",
    "discount_codes",
    "quote",
];

/// Body of `POST /v1/quotes`.
pub(crate) fn order_request(body: &Field<'_>) -> Option<OrderRequest> {
    request(&body.object(&REQUEST_MEMBERS)?)
}

/// Body of `POST /v1/orders`: that of a quote and, if it is to have the quote's numbers, the quote.
pub(crate) fn new_order(body: &Field<'_>) -> Option<(OrderRequest, Option<String>)> {
    let body = body.object(&ORDER_MEMBERS)?;
    let quote = body.optional("quote", |field| {
        let text = field.text()?;
        if text.len() > QUOTE_BYTES_MAX {
            return field.refuse(format!("has more than {QUOTE_BYTES_MAX} bytes"));
        }
        Some(text.to_owned())
    });
    Some((request(&body)?, quote?))
}

fn request(body: &Object<'_>) -> Option<OrderRequest> {
    let currency = body.required("currency", Field::parse);
    let lines = body.required("lines", |field| field.list(1..=ORDER_LINES_MAX, line));
    let customer_reference = body.optional("customer_reference", Field::parse);
    let shipping_country = body.optional("shipping_country", Field::parse);
    let discount_codes = body.optional("discount_codes", |field| {
        field.list(0..=DISCOUNT_CODES_MAX, Field::parse)
    });
    let request = OrderRequest::new(currency?, lines?, customer_reference?).ok()?;
    Some(
        request
            .shipped_to(shipping_country?)
            .with_discount_codes(discount_codes?.unwrap_or_default()),
    )
}

fn line(line: &Field<'_>) -> Option<RequestedLine> {
    let line = line.object(&["sku", "quantity"])?;
    let sku = line.required("sku", Field::parse);
    let quantity = line.required("quantity", |field| {
        let units = field.integer(1..=i64::from(QUANTITY_MAX))?;
        u32::try_from(units)
            .ok()
            .and_then(|units| Quantity::new(units).ok())
    });
    Some(RequestedLine {
        sku: sku?,
        quantity: quantity?,
    })
}

/// An order.
#[derive(Serialize)]
struct OrderJson<'a> {
    id: OrderId,
    status: OrderStatus,
    payment_status: PaymentStatus,
    version: u64,
    #[serde(flatten)]
    amounts: AmountsJson<'a>,
    captured: Money,
    refunded: Money,
    shipping_country: Option<CountryCode>,
    lines: Vec<OrderLineJson<'a>>,
    customer_reference: Option<&'a str>,
    reservation_expires_at: Option<Timestamp>,
    placed_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    fulfilled_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
    cancel_reason: Option<&'a str>,
}

/// A line of an order.
#[derive(Serialize)]
struct OrderLineJson<'a> {
    #[serde(flatten)]
    priced: PricedLineJson<'a>,
    fulfilled_quantity: u32,
}

/// A page of orders.
#[derive(Serialize)]
struct OrderListJson<'a> {
    orders: Vec<OrderJson<'a>>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<&'a str>,
}

impl<'a> From<&'a OrderLine> for OrderLineJson<'a> {
    fn from(line: &'a OrderLine) -> Self {
        Self {
            priced: PricedLineJson::from(line),
            fulfilled_quantity: line.fulfilled_quantity,
        }
    }
}

impl<'a> From<&'a Order> for OrderJson<'a> {
    fn from(order: &'a Order) -> Self {
        let record = order.record();
        Self {
            id: record.id,
            status: record.status,
            payment_status: record.payment_status,
            version: record.version,
            amounts: AmountsJson::from(record),
            captured: record.captured,
            refunded: record.refunded,
            shipping_country: record.shipping_country,
            lines: record.lines.iter().map(OrderLineJson::from).collect(),
            customer_reference: record
                .customer_reference
                .as_ref()
                .map(CustomerReference::as_str),
            reservation_expires_at: record.reservation_expires_at,
            placed_at: record.placed_at,
            confirmed_at: record.confirmed_at,
            fulfilled_at: record.fulfilled_at,
            completed_at: record.completed_at,
            cancelled_at: record.cancelled_at,
            cancel_reason: record.cancel_reason.as_ref().map(CancelReason::as_str),
        }
    }
}

/// An order as an answer with `status`: body, `ETag` (its version), and `Location` for a new one.
pub(crate) fn order_response(status: u16, order: &Order) -> StoredResponse {
    let mut response = json_response(status, &OrderJson::from(order));
    let tag = format!("\"{}\"", order.version());
    response.headers.insert("etag".to_owned(), tag);
    if status == 201 {
        let location = format!("/v1/orders/{}", order.id());
        response.headers.insert("location".to_owned(), location);
    }
    response
}

/// 200 with a page of orders.
pub(crate) fn list_response(page: &OrderPage) -> StoredResponse {
    let json = OrderListJson {
        orders: page.orders.iter().map(OrderJson::from).collect(),
        next_cursor: page.next_cursor.as_deref(),
    };
    json_response(200, &json)
}
