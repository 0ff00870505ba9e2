//! Bodies of requests.

use souk_domain::Currency;
use souk_domain::catalog::{
    ATTRIBUTES_MAX, IMPORT_ROWS_MAX, ImportFields, PRICE_WINDOWS_MAX, PriceSchedule,
    ProductContent, RequestedPrice, RequestedProduct, RequestedStock, RequestedVariant,
    StockSetting, VariantContent, Violation,
};
use souk_runtime::fields::{Field, Object};
use std::collections::BTreeMap;

/// Body of `PUT /v1/products/{code}`.
pub(crate) fn product(body: &Field<'_>) -> Option<ProductContent> {
    let object = body.object(&["title", "description", "attributes"])?;
    let title = object.required("title", text);
    let description = object.optional("description", text);
    let attributes = attributes(&object);
    let requested = RequestedProduct {
        title: title?,
        description: description?,
        attributes: attributes?,
    };
    checked(body, requested.check())
}

/// Body of `PUT /v1/skus/{sku}`.
pub(crate) fn variant(body: &Field<'_>) -> Option<VariantContent> {
    let object = body.object(&["title", "product_code", "tax_category", "attributes"])?;
    let title = object.required("title", text);
    let product_code = object.optional("product_code", text);
    let tax_category = object.optional("tax_category", text);
    let attributes = attributes(&object);
    let requested = RequestedVariant {
        title: title?,
        product_code: product_code?,
        tax_category: tax_category?,
        attributes: attributes?,
    };
    checked(body, requested.check())
}

/// Body of `PUT /v1/skus/{sku}/prices/{currency}`.
pub(crate) fn prices(body: &Field<'_>, currency: Currency) -> Option<PriceSchedule> {
    let object = body.object(&["prices"])?;
    let prices = object.required("prices", |list| list.list(0..=PRICE_WINDOWS_MAX, price))?;
    checked(body, PriceSchedule::check(currency, &prices))
}

fn price(item: &Field<'_>) -> Option<RequestedPrice> {
    let object = item.object(&["amount_minor", "valid_from", "valid_until"])?;
    let amount_minor = object.required("amount_minor", integer);
    let valid_from = object.optional("valid_from", text);
    let valid_until = object.optional("valid_until", text);
    Some(RequestedPrice {
        amount_minor: amount_minor?,
        valid_from: valid_from?,
        valid_until: valid_until?,
    })
}

/// Body of `PUT /v1/skus/{sku}/stock/{location}`.
pub(crate) fn stock(body: &Field<'_>) -> Option<StockSetting> {
    let object = body.object(&["on_hand", "buckets"])?;
    let on_hand = object.required("on_hand", integer);
    let buckets = object.optional("buckets", integer);
    let requested = RequestedStock {
        on_hand: on_hand?,
        buckets: buckets?,
    };
    checked(body, requested.check())
}

/// Body of `POST /v1/catalog-imports`. Its rows are read one by one later: a bad one does not spoil the
/// others.
pub(crate) fn import(body: &Field<'_>) -> Option<Vec<ImportFields>> {
    let object = body.object(&["rows"])?;
    object.required("rows", |rows| {
        rows.list(1..=IMPORT_ROWS_MAX, |row| {
            Some(ImportFields::from(row.value()))
        })
    })
}

fn attributes(object: &Object<'_>) -> Option<BTreeMap<String, String>> {
    let entries = object.optional("attributes", |map| {
        map.map(ATTRIBUTES_MAX, |name, value| {
            Some((name.to_owned(), text(value)?))
        })
    });
    Some(entries?.unwrap_or_default().into_iter().collect())
}

fn text(field: &Field<'_>) -> Option<String> {
    field.text().map(str::to_owned)
}

/// Its bounds are the domain's to check.
fn integer(field: &Field<'_>) -> Option<i64> {
    field.integer(i64::MIN..=i64::MAX)
}

fn checked<T>(body: &Field<'_>, result: Result<T, Vec<Violation>>) -> Option<T> {
    result
        .map_err(|violations| {
            for violation in violations {
                body.refuse_at::<()>(&violation.pointer, violation.reason);
            }
        })
        .ok()
}
