//! The catalog in JSON.

use serde::Serialize;
use souk_app::{
    Audience, ImportReport, LocationStock, Offer, ProductOffer, ProductPage, StoredResponse,
};
use souk_domain::catalog::{
    Attributes, CatalogStatus, Location, PriceSchedule, Product, ProductCode, Title,
};
use souk_domain::pricing::TaxCategory;
use souk_domain::{Money, Sku, Timestamp};
use souk_runtime::answer::json_response;

/// What is said of one bad row at most: an import's answer is kept with its key.
const REASONS_PER_ROW_MAX: usize = 4;

#[derive(Serialize)]
struct ProductJson<'a> {
    code: &'a ProductCode,
    title: &'a Title,
    description: &'a str,
    attributes: &'a Attributes,
    status: CatalogStatus,
    version: u64,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<Vec<SkuJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_variants: Option<bool>,
}

impl<'a> From<&'a Product> for ProductJson<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            code: &product.code,
            title: &product.content.title,
            description: product.content.description.as_str(),
            attributes: &product.content.attributes,
            status: product.status,
            version: product.version,
            updated_at: product.updated_at,
            variants: None,
            more_variants: None,
        }
    }
}

#[derive(Serialize)]
struct SkuJson<'a> {
    sku: &'a Sku,
    title: &'a Title,
    product_code: Option<&'a ProductCode>,
    tax_category: &'a TaxCategory,
    attributes: &'a Attributes,
    status: CatalogStatus,
    version: u64,
    updated_at: Timestamp,
    prices: Vec<Money>,
    in_stock: bool,
}

impl<'a> SkuJson<'a> {
    fn new(offer: &'a Offer, now: Timestamp) -> Self {
        let variant = &offer.variant;
        Self {
            sku: &variant.sku,
            title: &variant.content.title,
            product_code: variant.content.product.as_ref(),
            tax_category: &variant.content.tax_category,
            attributes: &variant.content.attributes,
            status: variant.status,
            version: variant.version,
            updated_at: variant.updated_at,
            prices: offer
                .prices_at(now)
                .map(|window| window.unit_price)
                .collect(),
            in_stock: offer.in_stock,
        }
    }
}

/// A product alone.
pub(crate) fn product_response(status: u16, product: &Product) -> StoredResponse {
    json_response(status, &ProductJson::from(product))
}

/// A product with its variants, at the prices of `now`.
pub(crate) fn product_offer_response(offer: &ProductOffer, now: Timestamp) -> StoredResponse {
    let variants = offer.variants.iter();
    let json = ProductJson {
        variants: Some(variants.map(|offer| SkuJson::new(offer, now)).collect()),
        more_variants: Some(offer.more_variants),
        ..ProductJson::from(&offer.product)
    };
    json_response(200, &json)
}

#[derive(Serialize)]
struct PageJson<'a> {
    products: Vec<ProductJson<'a>>,
    next_cursor: Option<String>,
}

/// A page of products; `next_cursor` leads to the next.
pub(crate) fn page_response(page: &ProductPage, next_cursor: Option<String>) -> StoredResponse {
    let json = PageJson {
        products: page.products.iter().map(ProductJson::from).collect(),
        next_cursor,
    };
    json_response(200, &json)
}

/// A variant, at the prices of `now`.
pub(crate) fn sku_response(status: u16, offer: &Offer, now: Timestamp) -> StoredResponse {
    json_response(status, &SkuJson::new(offer, now))
}

#[derive(Serialize)]
struct PricesJson<'a> {
    sku: &'a Sku,
    currency: &'a str,
    prices: Vec<PriceJson>,
}

#[derive(Serialize)]
struct PriceJson {
    amount_minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
}

/// Prices in one currency: all of them, with their times, for the shop; for the public what holds at
/// `now`, since what a shop plans, and what it once asked, is its own affair.
pub(crate) fn prices_response(
    sku: &Sku,
    schedule: &PriceSchedule,
    audience: Audience,
    now: Timestamp,
) -> StoredResponse {
    let windows = schedule.windows().iter();
    let prices = match audience {
        Audience::Shop => windows
            .map(|window| PriceJson {
                amount_minor: window.unit_price.amount_minor(),
                valid_from: Some(window.valid_from),
                valid_until: window.valid_until,
            })
            .collect(),
        Audience::Public => windows
            .filter(|window| window.holds_at(now))
            .map(|window| PriceJson {
                amount_minor: window.unit_price.amount_minor(),
                valid_from: None,
                valid_until: None,
            })
            .collect(),
    };
    let json = PricesJson {
        sku,
        currency: schedule.currency().code(),
        prices,
    };
    json_response(200, &json)
}

#[derive(Serialize)]
struct UnitsJson {
    on_hand: u64,
    available: u64,
    reserved: u64,
    sold: u64,
}

impl UnitsJson {
    fn sum<'a>(of: impl Iterator<Item = &'a LocationStock>) -> Self {
        let mut sum = Self {
            on_hand: 0,
            available: 0,
            reserved: 0,
            sold: 0,
        };
        for stock in of {
            sum.available = sum.available.saturating_add(stock.available);
            sum.reserved = sum.reserved.saturating_add(stock.reserved);
            sum.sold = sum.sold.saturating_add(stock.sold);
        }
        sum.on_hand = sum.available.saturating_add(sum.reserved);
        sum
    }
}

#[derive(Serialize)]
struct LocationJson<'a> {
    location: &'a Location,
    #[serde(flatten)]
    units: UnitsJson,
    buckets: u64,
}

impl<'a> From<&'a LocationStock> for LocationJson<'a> {
    fn from(stock: &'a LocationStock) -> Self {
        Self {
            location: &stock.location,
            units: UnitsJson::sum(core::iter::once(stock)),
            buckets: stock.buckets,
        }
    }
}

#[derive(Serialize)]
struct StockJson<'a> {
    sku: &'a Sku,
    #[serde(flatten)]
    units: UnitsJson,
    locations: Vec<LocationJson<'a>>,
}

/// The stock of a variant at all its locations.
pub(crate) fn stock_response(sku: &Sku, locations: &[LocationStock]) -> StoredResponse {
    let json = StockJson {
        sku,
        units: UnitsJson::sum(locations.iter()),
        locations: locations.iter().map(LocationJson::from).collect(),
    };
    json_response(200, &json)
}

/// The stock at one location.
pub(crate) fn location_response(stock: &LocationStock) -> StoredResponse {
    json_response(200, &LocationJson::from(stock))
}

#[derive(Serialize)]
struct ImportJson<'a> {
    applied: usize,
    new_skus: u64,
    rejected: Vec<RejectionJson<'a>>,
}

#[derive(Serialize)]
struct RejectionJson<'a> {
    row: usize,
    pointer: &'a str,
    reason: &'a str,
}

/// What has become of an import.
pub(crate) fn import_response(report: &ImportReport) -> StoredResponse {
    let of_one_row = report.rejected.chunk_by(|one, next| one.row == next.row);
    let rejected = of_one_row
        .flat_map(|reasons| reasons.iter().take(REASONS_PER_ROW_MAX))
        .map(|rejection| RejectionJson {
            row: rejection.row,
            pointer: &rejection.violation.pointer,
            reason: &rejection.violation.reason,
        })
        .collect();
    let json = ImportJson {
        applied: report.applied,
        new_skus: report.new_skus,
        rejected,
    };
    json_response(200, &json)
}
