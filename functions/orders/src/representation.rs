//! Orders in JSON.

use serde::{Deserialize, Serialize};
use souk_app::StoredResponse;
use souk_domain::{
    Currency, CustomerReference, Money, Order, OrderError, OrderId, OrderLine, OrderRequest,
    OrderStatus, Quantity, RequestedLine, Sku, Timestamp,
};
use souk_runtime::problem::{FieldError, Problem};
use std::collections::BTreeMap;

/// Body of `POST /v1/orders`, as sent: every field in a type that takes more than is allowed, so that
/// all that is wrong can be said at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOrder {
    currency: String,
    lines: Vec<CreateOrderLine>,
    customer_reference: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateOrderLine {
    sku: String,
    quantity: i64,
}

impl CreateOrder {
    /// Checks every field.
    pub(crate) fn validate(self) -> Result<OrderRequest, Problem> {
        let mut errors = Vec::new();
        let mut note =
            |pointer: String, reason: String| errors.push(FieldError { pointer, reason });
        let currency: Option<Currency> = self
            .currency
            .parse()
            .map_err(|e: souk_domain::MoneyError| note("/currency".to_owned(), e.to_string()))
            .ok();
        let mut lines = Vec::with_capacity(self.lines.len().min(souk_domain::ORDER_LINES_MAX));
        for (index, line) in self.lines.into_iter().enumerate() {
            let sku: Option<Sku> = line
                .sku
                .parse()
                .map_err(|e: OrderError| note(format!("/lines/{index}/sku"), e.to_string()))
                .ok();
            let quantity = u32::try_from(line.quantity)
                .map_err(|_| OrderError::InvalidQuantity)
                .and_then(Quantity::new)
                .map_err(|e| note(format!("/lines/{index}/quantity"), e.to_string()))
                .ok();
            lines.extend(
                sku.zip(quantity)
                    .map(|(sku, quantity)| RequestedLine { sku, quantity }),
            );
        }
        let customer_reference: Option<CustomerReference> =
            self.customer_reference.and_then(|text| {
                text.parse()
                    .map_err(|e: OrderError| note("/customer_reference".to_owned(), e.to_string()))
                    .ok()
            });
        match currency {
            Some(currency) if errors.is_empty() => {
                OrderRequest::new(currency, lines, customer_reference).map_err(|error| {
                    let pointer = "/lines".to_owned();
                    Problem::validation(vec![FieldError {
                        pointer,
                        reason: error.to_string(),
                    }])
                })
            }
            _ => Err(Problem::validation(errors)),
        }
    }
}

#[derive(Serialize)]
struct OrderJson<'a> {
    id: OrderId,
    status: OrderStatus,
    version: u64,
    total: Money,
    lines: Vec<OrderLineJson<'a>>,
    customer_reference: Option<&'a str>,
    placed_at: Timestamp,
    cancelled_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct OrderLineJson<'a> {
    line_number: u16,
    sku: &'a Sku,
    quantity: u32,
    unit_price: Money,
    line_total: Money,
}

impl<'a> From<&'a OrderLine> for OrderLineJson<'a> {
    fn from(line: &'a OrderLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: &line.sku,
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            line_total: line.line_total,
        }
    }
}

/// An order as an answer with `status`: body, `ETag` (its version), and `Location` for a new one.
pub(crate) fn order_response(status: u16, order: &Order) -> StoredResponse {
    let record = order.record();
    let json = OrderJson {
        id: record.id,
        status: record.status,
        version: record.version,
        total: record.total,
        lines: record.lines.iter().map(OrderLineJson::from).collect(),
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
