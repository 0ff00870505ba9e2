//! Every operation of this function against every kind of caller, on the real database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use access_matrix::{MARK, Matrix, Row, Shop, Stranger, USED_KEY, access_tests, guard, row};
use serde_json::{Value, json};
use souk_catalog::{CatalogState, router};
use souk_runtime::operations::Function;
use souk_testkit::{TestDatabase, TestTenant};

#[path = "../../runtime/tests/edge/access_matrix.rs"]
mod access_matrix;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

/// Numbers that occur nowhere else, not in an id by chance either.
const PRICE: i64 = 987_654_321;
const UNITS: i64 = 87_654_321;

fn titled(title: &str) -> Value {
    json!({ "title": title })
}

fn rules(discount: &str) -> Value {
    json!({
        "prices_include_tax": true, "tax_rounding": "line", "tax_rates": [], "shipping_rates": [],
        "discounts": [{
            "name": discount, "priority": 0, "combines": true,
            "effect": { "type": "percent", "rate_ppm": 1 }
        }]
    })
}

/// What is the first tenant's at the start. Of a stranger's answer to these nothing is asked.
fn stock_of_the_first() -> Vec<Row> {
    let step = |operation, path: &str, body| row(operation, path, body, Stranger::SameForAll);
    let variant = Some(json!({ "title": MARK, "product_code": "P" }));
    let prices = Some(json!({ "prices": [{ "amount_minor": PRICE }] }));
    let stock = Some(json!({ "on_hand": UNITS }));
    vec![
        step("put_product", "/v1/products/P", Some(titled(MARK))),
        step("put_product", "/v1/products/OLD", Some(titled(MARK))),
        step("put_sku", "/v1/skus/S", variant),
        step("put_sku", "/v1/skus/S-OLD", Some(titled(MARK))),
        step("put_prices", "/v1/skus/S/prices/EUR", prices),
        step("put_stock", "/v1/skus/S/stock/main", stock),
        step("put_pricing_rules", "/v1/pricing-rules", Some(rules(MARK))),
    ]
}

/// How each operation is asked for what is the first tenant's.
#[rustfmt::skip] // A table is read in columns.
fn rows() -> Vec<Row> {
    let no_product = || Stranger::Refused(404, "product_not_found");
    let no_sku = || Stranger::Refused(404, "sku_not_found");
    let new = || Stranger::Own(201, "/version", json!(1));
    let orphan = Some(json!({ "title": "T", "product_code": "P" }));
    let prices = Some(json!({ "prices": [{ "amount_minor": 1 }] }));
    let stock = Some(json!({ "on_hand": 1 }));
    let import = Some(json!({ "rows": [
        { "sku": "S", "title": "T", "currency": "EUR", "amount_minor": 1, "on_hand": 1 }
    ] }));
    vec![
        row("get_pricing_rules", "/v1/pricing-rules", None, Stranger::Own(200, "/discounts", json!([]))),
        row("put_pricing_rules", "/v1/pricing-rules", Some(rules("other")), Stranger::Own(200, "/discounts/0/name", json!("other"))),
        row("list_products", "/v1/products", None, Stranger::Own(200, "/products", json!([]))),
        row("get_product", "/v1/products/P", None, no_product()),
        row("put_product", "/v1/products/P", Some(titled("T")), new()),
        row("delete_product", "/v1/products/OLD", None, no_product()),
        row("get_sku", "/v1/skus/S", None, no_sku()),
        row("put_sku", "/v1/skus/S", Some(titled("T")), new()),
        row("put_sku", "/v1/skus/S", orphan, Stranger::Refused(422, "product_unknown")),
        row("delete_sku", "/v1/skus/S-OLD", None, no_sku()),
        row("get_prices", "/v1/skus/S/prices/EUR", None, no_sku()),
        row("put_prices", "/v1/skus/S/prices/EUR", prices, no_sku()),
        row("get_stock", "/v1/skus/S/stock", None, no_sku()),
        row("put_stock", "/v1/skus/S/stock/main", stock, no_sku()),
        row("import_catalog", "/v1/catalog-imports", import, Stranger::Own(200, "/new_skus", json!(1))),
    ]
}

/// A shop with something of everything.
async fn open() -> Shop {
    let db = TestDatabase::create().await;
    let first = TestTenant::create(&db, &[]).await;
    let state = CatalogState {
        tools: first.tools.clone(),
    };
    let matrix = Matrix {
        function: Function::Catalog,
        app: router(state, guard(&first)),
        db,
        first,
        stranger_skus: &[],
    };
    for (n, step) in stock_of_the_first().iter().enumerate() {
        let key = if n == 0 {
            USED_KEY.to_owned()
        } else {
            format!("key-{n}")
        };
        matrix.first_does(step, &key).await;
    }
    Shop {
        matrix,
        rows: rows(),
        secrets: vec![MARK.to_owned(), PRICE.to_string(), UNITS.to_string()],
    }
}

access_tests!(open);
