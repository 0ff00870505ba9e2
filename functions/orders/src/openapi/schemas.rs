//! Bodies of requests and answers about orders, as the description has them.
#![allow(dead_code, reason = "their fields are the schemas")]

use utoipa::ToSchema;

/// An amount in the smallest unit of its currency.
#[derive(ToSchema)]
pub(super) struct Money {
    amount_minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

/// What is ordered.
#[derive(ToSchema)]
pub(super) struct QuoteRequest {
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    #[schema(min_items = 1, max_items = 64)]
    lines: Vec<RequestedLine>,
    /// 1 to 128 printable characters.
    #[schema(min_length = 1, max_length = 128)]
    customer_reference: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "DE")]
    shipping_country: Option<String>,
    #[schema(max_items = 16)]
    discount_codes: Option<Vec<String>>,
}

/// What is ordered, and the quote that fixes its numbers.
#[derive(ToSchema)]
pub(super) struct OrderRequest {
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    #[schema(min_items = 1, max_items = 64)]
    lines: Vec<RequestedLine>,
    /// 1 to 128 printable characters.
    #[schema(min_length = 1, max_length = 128)]
    customer_reference: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "DE")]
    shipping_country: Option<String>,
    #[schema(max_items = 16)]
    discount_codes: Option<Vec<String>>,
    /// Of `POST /v1/quotes`, for the same request.
    quote: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct RequestedLine {
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G")]
    sku: String,
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

#[derive(ToSchema)]
pub(super) struct Cancellation {
    reason: Option<String>,
}

/// Units of lines; all that is left where there are none.
#[derive(ToSchema)]
pub(super) struct Fulfilment {
    #[schema(min_items = 1, max_items = 64)]
    lines: Option<Vec<FulfilledLine>>,
}

#[derive(ToSchema)]
pub(super) struct FulfilledLine {
    #[schema(minimum = 1, maximum = 65_535)]
    line_number: i64,
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum OrderStatus {
    Placed,
    Confirmed,
    Fulfilled,
    Completed,
    Cancelled,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Unpaid,
    Authorized,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
}

/// An order: `total` = `subtotal` - `discount` + `shipping`, and + `tax` where that is not included.
#[derive(ToSchema)]
pub(super) struct Order {
    #[schema(pattern = "^ord_[0-9a-f]{32}$")]
    id: String,
    status: OrderStatus,
    payment_status: PaymentStatus,
    /// Raised by each change; its `ETag`.
    version: u64,
    subtotal: Money,
    discount: Money,
    shipping: Money,
    tax: Money,
    tax_included: bool,
    total: Money,
    /// What of the total was taken.
    captured: Money,
    /// What of that went back.
    refunded: Money,
    breakdown: Breakdown,
    lines: Vec<OrderLine>,
    customer_reference: Option<String>,
    shipping_country: Option<String>,
    /// Until when a placed order holds its stock.
    #[schema(format = DateTime)]
    reservation_expires_at: Option<String>,
    #[schema(format = DateTime)]
    placed_at: String,
    #[schema(format = DateTime)]
    confirmed_at: Option<String>,
    #[schema(format = DateTime)]
    fulfilled_at: Option<String>,
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    #[schema(format = DateTime)]
    cancelled_at: Option<String>,
    cancel_reason: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct OrderLine {
    line_number: u16,
    sku: String,
    quantity: u32,
    fulfilled_quantity: Option<u32>,
    unit_price: Money,
    line_total: Money,
    discount: Money,
    tax: Money,
    /// Parts per million.
    tax_rate_ppm: u32,
}

/// Which discounts, taxes and shipping make up the numbers.
#[derive(ToSchema)]
pub(super) struct Breakdown {
    discounts: Vec<AppliedDiscount>,
    taxes: Vec<TaxPart>,
    shipping: Option<ShippingPart>,
}

#[derive(ToSchema)]
pub(super) struct AppliedDiscount {
    name: String,
    code: Option<String>,
    amount: Money,
}

#[derive(ToSchema)]
pub(super) struct TaxPart {
    rate_ppm: u32,
    base: Money,
    amount: Money,
}

#[derive(ToSchema)]
pub(super) struct ShippingPart {
    country: String,
    amount: Money,
    tax: Money,
    tax_rate_ppm: u32,
}

#[derive(ToSchema)]
pub(super) struct OrderPage {
    orders: Vec<Order>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct Timeline {
    entries: Vec<TimelineEntry>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct TimelineEntry {
    /// Its place, from 1 without gaps: the order's version afterwards.
    sequence: u64,
    #[schema(rename = "type", example = "order.placed.v1")]
    event_type: String,
    event_id: Option<String>,
    #[schema(format = DateTime)]
    occurred_at: String,
    principal: Option<String>,
    request_id: Option<String>,
    /// The event's data.
    data: serde_json::Value,
}

/// The numbers that an order of the same will have, and the quote that fixes them.
#[allow(clippy::struct_field_names, reason = "the names are those of the JSON")]
#[derive(ToSchema)]
pub(super) struct Quote {
    /// To be sent with the order.
    quote: String,
    #[schema(format = DateTime)]
    expires_at: String,
    subtotal: Money,
    discount: Money,
    shipping: Money,
    tax: Money,
    tax_included: bool,
    total: Money,
    breakdown: Breakdown,
    shipping_country: Option<String>,
    lines: Vec<OrderLine>,
}
