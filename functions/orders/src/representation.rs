//! Orders in JSON.

use crate::totals::{AmountsJson, PricedLineJson};
use serde::Serialize;
use souk_app::StoredResponse;
use souk_domain::pricing::{CountryCode, QUOTE_BYTES_MAX};
use souk_domain::{
    CustomerReference, ORDER_LINES_MAX, Order, OrderId, OrderRequest, OrderStatus, QUANTITY_MAX,
    Quantity, RequestedLine, Timestamp,
};
use souk_runtime::fields::{Field, Object};
use std::collections::BTreeMap;

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

#[derive(Serialize)]
struct OrderJson<'a> {
    id: OrderId,
    status: OrderStatus,
    version: u64,
    #[serde(flatten)]
    amounts: AmountsJson<'a>,
    shipping_country: Option<CountryCode>,
    lines: Vec<PricedLineJson<'a>>,
    customer_reference: Option<&'a str>,
    placed_at: Timestamp,
    cancelled_at: Option<Timestamp>,
}

/// An order as an answer with `status`: body, `ETag` (its version), and `Location` for a new one.
pub(crate) fn order_response(status: u16, order: &Order) -> StoredResponse {
    let record = order.record();
    let json = OrderJson {
        id: record.id,
        status: record.status,
        version: record.version,
        amounts: AmountsJson::from(record),
        shipping_country: record.shipping_country,
        lines: record.lines.iter().map(PricedLineJson::from).collect(),
        customer_reference: record
            .customer_reference
            .as_ref()
            .map(CustomerReference::as_str),
        placed_at: record.placed_at,
        cancelled_at: record.cancelled_at,
    };
    let mut headers = BTreeMap::from([
        ("content-type".to_owned(), "application/json".to_owned()),
        ("etag".to_owned(), format!("\"{}\"", record.version)),
    ]);
    if status == 201 {
        headers.insert("location".to_owned(), format!("/v1/orders/{}", record.id));
    }
    // Serialising structs of strings and integers into memory cannot fail.
    let body = serde_json::to_vec(&json).unwrap_or_default();
    StoredResponse {
        status,
        headers,
        body,
    }
}
