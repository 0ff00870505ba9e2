//! Bodies of requests and answers about the catalog, as the description has them.
#![allow(clippy::struct_field_names, reason = "the names are those of the JSON")]
#![allow(dead_code, reason = "their fields are the schemas")]

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An amount in the smallest unit of its currency.
#[derive(ToSchema)]
pub(super) struct Money {
    amount_minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum CatalogStatus {
    Active,
    /// Not sold any more.
    Archived,
}

#[derive(ToSchema)]
pub(super) struct ProductContent {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(max_length = 5000)]
    description: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

#[derive(ToSchema)]
pub(super) struct SkuContent {
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    product_code: Option<String>,
    #[schema(pattern = "^[a-z0-9_]{1,32}$")]
    tax_category: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

/// All prices in one currency; they replace what was there.
#[derive(ToSchema)]
pub(super) struct PriceSchedule {
    #[schema(max_items = 100)]
    prices: Vec<RequestedPrice>,
}

#[derive(ToSchema)]
pub(super) struct RequestedPrice {
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    amount_minor: i64,
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    #[schema(format = DateTime)]
    valid_until: Option<String>,
}

/// What was counted.
#[derive(ToSchema)]
pub(super) struct StockCount {
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    on_hand: i64,
    /// How many orders can take from it at the same time.
    #[schema(minimum = 1, maximum = 64)]
    buckets: Option<i64>,
}

#[derive(ToSchema)]
pub(super) struct CatalogImport {
    /// Objects with the columns of an import. A bad one is reported and does not spoil the others.
    #[schema(min_items = 1, max_items = 500)]
    rows: Vec<serde_json::Value>,
}

#[derive(ToSchema)]
pub(super) struct ImportReport {
    /// Rows.
    applied: u64,
    new_skus: u64,
    rejected: Vec<RejectedRow>,
}

#[derive(ToSchema)]
pub(super) struct RejectedRow {
    /// Which, from 0 on.
    row: u64,
    /// Where in the row (RFC 6901).
    pointer: String,
    reason: String,
}

#[derive(ToSchema)]
pub(super) struct Product {
    code: String,
    title: String,
    description: String,
    attributes: BTreeMap<String, String>,
    status: CatalogStatus,
    version: u64,
    #[schema(format = DateTime)]
    updated_at: String,
    /// The first of its variants, where one product was asked for.
    #[schema(nullable = false)]
    variants: Option<Vec<Sku>>,
    #[schema(nullable = false)]
    more_variants: Option<bool>,
}

#[derive(ToSchema)]
pub(super) struct ProductPage {
    products: Vec<Product>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// A variant.
#[derive(ToSchema)]
pub(super) struct Sku {
    sku: String,
    title: String,
    product_code: Option<String>,
    tax_category: String,
    attributes: BTreeMap<String, String>,
    status: CatalogStatus,
    version: u64,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Of this moment, by currency.
    prices: Vec<Money>,
    in_stock: bool,
}

#[derive(ToSchema)]
pub(super) struct Prices {
    sku: String,
    currency: String,
    /// All of them with their times for a key with `catalog:read`; the one of this moment for everyone.
    prices: Vec<Price>,
}

#[derive(ToSchema)]
pub(super) struct Price {
    amount_minor: i64,
    #[schema(format = DateTime, nullable = false)]
    valid_from: Option<String>,
    #[schema(format = DateTime, nullable = false)]
    valid_until: Option<String>,
}

/// Units: `on_hand` = `available` + `reserved`.
#[derive(ToSchema)]
pub(super) struct Stock {
    sku: String,
    on_hand: u64,
    available: u64,
    reserved: u64,
    sold: u64,
    locations: Vec<LocationStock>,
}

#[derive(ToSchema)]
pub(super) struct LocationStock {
    location: String,
    on_hand: u64,
    available: u64,
    reserved: u64,
    sold: u64,
    buckets: u64,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum TaxRounding {
    Line,
    Order,
}

/// Discounts, taxes and shipping.
#[derive(ToSchema)]
pub(super) struct PricingRules {
    prices_include_tax: Option<bool>,
    tax_rounding: Option<TaxRounding>,
    tax_rates: Option<Vec<TaxRate>>,
    discounts: Option<Vec<Discount>>,
    shipping_rates: Option<Vec<ShippingRate>>,
}

#[derive(ToSchema)]
pub(super) struct TaxRate {
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
    #[schema(pattern = "^[a-z0-9_]{1,32}$")]
    category: String,
    #[schema(minimum = 0, maximum = 1_000_000)]
    rate_ppm: i64,
}

#[derive(ToSchema)]
pub(super) struct ShippingRate {
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    #[schema(minimum = 0)]
    amount_minor: i64,
    #[schema(minimum = 0)]
    free_from_minor: Option<i64>,
    tax_category: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct Discount {
    name: String,
    code: Option<String>,
    priority: Option<i64>,
    combines: Option<bool>,
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    #[schema(format = DateTime)]
    valid_until: Option<String>,
    minimum_subtotal: Option<Vec<Money>>,
    /// `{"type":"percent","rate_ppm":…}`, `{"type":"amount","amounts":[…]}` or
    /// `{"type":"buy_get","sku":…,"buy":…,"get":…}`.
    #[schema(value_type = Object)]
    effect: serde_json::Value,
}
