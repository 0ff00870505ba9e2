//! Operations on the catalog, as the description has them.
#![allow(dead_code, reason = "only what the macro makes of them is used")]

use super::schemas::{
    CatalogImport, ImportReport, LocationStock, PriceSchedule, Prices, PricingRules, Product,
    ProductContent, ProductPage, Sku, SkuContent, Stock, StockCount,
};

#[utoipa::path(
    get,
    path = "/v1/products",
    summary = "Products, by their codes",
    params(("limit" = Option<i32>, Query, description = "Products on a page", minimum = 1, maximum = 100), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, as it is"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "A page of products",
        body = ProductPage,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept"), ("Vary" = String, description = "`Authorization, Souk-Consistency`")),
        example = json!({ "products": [{ "code": "TEA", "title": "Tea", "description": "", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z" }], "next_cursor": null }),
    ), (status = 304, description = "It is what the client has")),
)]
fn list_products() {}

#[utoipa::path(
    get,
    path = "/v1/products/{code}",
    summary = "A product and its first variants",
    params(("code" = String, Path, description = "The product's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The product",
        body = Product,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept"), ("Vary" = String, description = "`Authorization, Souk-Consistency`")),
        example = json!({ "code": "TEA", "title": "Tea", "description": "", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z" }),
    ), (status = 304, description = "It is what the client has")),
)]
fn get_product() {}

#[utoipa::path(
    put,
    path = "/v1/products/{code}",
    summary = "Makes or changes a product",
    params(("code" = String, Path, description = "The product's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = ProductContent, example = json!({ "title": "Tea", "description": "Loose leaves", "attributes": { "origin": "Assam" } })),
    responses((
        status = 200,
        description = "As it is now",
        body = Product,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "code": "TEA", "title": "Tea", "description": "", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z" }),
    ), (
        status = 201,
        description = "It is new",
        body = Product,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "code": "TEA", "title": "Tea", "description": "", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn put_product() {}

#[utoipa::path(
    delete,
    path = "/v1/products/{code}",
    summary = "Archives a product with its variants",
    params(("code" = String, Path, description = "The product's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "As it is now",
        body = Product,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "code": "TEA", "title": "Tea", "description": "", "attributes": {}, "status": "archived", "version": 1, "updated_at": "2026-11-21T08:00:00Z" }),
    )),
)]
fn delete_product() {}

#[utoipa::path(
    get,
    path = "/v1/skus/{sku}",
    summary = "A variant, its prices of the moment, and whether it is in stock",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The variant",
        body = Sku,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept"), ("Vary" = String, description = "`Authorization, Souk-Consistency`")),
        example = json!({ "sku": "TEA-GREEN-100G", "title": "Green tea, 100 g", "product_code": "TEA", "tax_category": "standard", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z", "prices": [{ "amount_minor": 1299, "currency": "EUR" }], "in_stock": true }),
    ), (status = 304, description = "It is what the client has")),
)]
fn get_sku() {}

#[utoipa::path(
    put,
    path = "/v1/skus/{sku}",
    summary = "Makes or changes a variant",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = SkuContent, example = json!({ "title": "Green tea, 100 g", "tax_category": "standard" })),
    responses((
        status = 200,
        description = "As it is now",
        body = Sku,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "sku": "TEA-GREEN-100G", "title": "Green tea, 100 g", "product_code": "TEA", "tax_category": "standard", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z", "prices": [{ "amount_minor": 1299, "currency": "EUR" }], "in_stock": true }),
    ), (
        status = 201,
        description = "It is new",
        body = Sku,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "sku": "TEA-GREEN-100G", "title": "Green tea, 100 g", "product_code": "TEA", "tax_category": "standard", "attributes": {}, "status": "active", "version": 1, "updated_at": "2026-11-21T08:00:00Z", "prices": [{ "amount_minor": 1299, "currency": "EUR" }], "in_stock": true }),
    )),
)]
fn put_sku() {}

#[utoipa::path(
    delete,
    path = "/v1/skus/{sku}",
    summary = "Archives a variant",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    responses((
        status = 200,
        description = "As it is now",
        body = Sku,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "sku": "TEA-GREEN-100G", "title": "Green tea, 100 g", "product_code": "TEA", "tax_category": "standard", "attributes": {}, "status": "archived", "version": 1, "updated_at": "2026-11-21T08:00:00Z", "prices": [{ "amount_minor": 1299, "currency": "EUR" }], "in_stock": true }),
    )),
)]
fn delete_sku() {}

#[utoipa::path(
    get,
    path = "/v1/skus/{sku}/prices/{currency}",
    summary = "Prices of a variant in one currency",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("currency" = String, Path, description = "ISO 4217", pattern = "^[A-Z]{3}$", example = "EUR"), ("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The prices",
        body = Prices,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept"), ("Vary" = String, description = "`Authorization, Souk-Consistency`")),
        example = json!({ "sku": "TEA-GREEN-100G", "currency": "EUR", "prices": [{ "amount_minor": 1299 }] }),
    ), (status = 304, description = "It is what the client has")),
)]
fn get_prices() {}

#[utoipa::path(
    put,
    path = "/v1/skus/{sku}/prices/{currency}",
    summary = "Replaces the prices of a variant in one currency",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("currency" = String, Path, description = "ISO 4217", pattern = "^[A-Z]{3}$", example = "EUR")),
    request_body(content = PriceSchedule, example = json!({ "prices": [{ "amount_minor": 1299 }] })),
    responses((
        status = 200,
        description = "As it is now",
        body = Prices,
        headers(("ETag" = String, description = "The version")),
        example = json!({ "sku": "TEA-GREEN-100G", "currency": "EUR", "prices": [{ "amount_minor": 1299 }] }),
    )),
)]
fn put_prices() {}

#[utoipa::path(
    get,
    path = "/v1/skus/{sku}/stock",
    summary = "The stock of a variant, summed and by location",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G")),
    responses((
        status = 200,
        description = "The stock",
        body = Stock,
        headers(("Cache-Control" = String, description = "How long it may be kept")),
        example = json!({ "sku": "TEA-GREEN-100G", "on_hand": 100, "available": 98, "reserved": 2, "sold": 0, "locations": [{ "location": "main", "on_hand": 100, "available": 98, "reserved": 2, "sold": 0, "buckets": 1 }] }),
    )),
)]
fn get_stock() {}

#[utoipa::path(
    put,
    path = "/v1/skus/{sku}/stock/{location}",
    summary = "Sets what was counted at a location",
    params(("sku" = String, Path, description = "The variant's code", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "TEA-GREEN-100G"), ("location" = String, Path, description = "The location's name", pattern = "^[a-z0-9_-]{1,32}$", example = "main")),
    request_body(content = StockCount, example = json!({ "on_hand": 100, "buckets": 1 })),
    responses((
        status = 200,
        description = "As it is now",
        body = LocationStock,
        headers(("Cache-Control" = String, description = "How long it may be kept")),
        example = json!({ "location": "main", "on_hand": 100, "available": 98, "reserved": 2, "sold": 0, "buckets": 1 }),
    )),
)]
fn put_stock() {}

#[utoipa::path(
    post,
    path = "/v1/catalog-imports",
    summary = "Applies rows, and reports what is wrong with the others",
    request_body(content = CatalogImport, example = json!({ "rows": [{ "sku": "TEA-GREEN-100G", "title": "Green tea, 100 g" }] })),
    responses((
        status = 200,
        description = "What became of the rows",
        body = ImportReport,
        example = json!({ "applied": 1, "new_skus": 0, "rejected": [] }),
    )),
)]
fn import_catalog() {}

#[utoipa::path(
    get,
    path = "/v1/pricing-rules",
    summary = "Discounts, taxes and shipping",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` that the client has: 304 where it is still the same")),
    responses((
        status = 200,
        description = "The rules, which can be put as they are",
        body = PricingRules,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept")),
        example = json!({ "prices_include_tax": true, "tax_rounding": "line", "tax_rates": [{ "country": "DE", "category": "standard", "rate_ppm": 190_000 }], "discounts": [], "shipping_rates": [] }),
    ), (status = 304, description = "It is what the client has")),
)]
fn get_pricing_rules() {}

#[utoipa::path(
    put,
    path = "/v1/pricing-rules",
    summary = "Replaces discounts, taxes and shipping",
    params(("If-Match" = Option<String>, Header, description = "The version that it must still have: the `ETag` of an answer", example = "\"1\"")),
    request_body(content = PricingRules, example = json!({ "prices_include_tax": true, "tax_rounding": "line", "tax_rates": [{ "country": "DE", "category": "standard", "rate_ppm": 190_000 }], "discounts": [], "shipping_rates": [] })),
    responses((
        status = 200,
        description = "The rules as they are now",
        body = PricingRules,
        headers(("ETag" = String, description = "The version"), ("Cache-Control" = String, description = "How long it may be kept")),
        example = json!({ "prices_include_tax": true, "tax_rounding": "line", "tax_rates": [{ "country": "DE", "category": "standard", "rate_ppm": 190_000 }], "discounts": [], "shipping_rates": [] }),
    )),
)]
fn put_pricing_rules() {}
