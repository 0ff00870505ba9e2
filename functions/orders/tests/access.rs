//! Every operation of this function against every kind of caller, on the real database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use access_matrix::{MARK, Matrix, Row, Shop, Stranger, USED_KEY, access_tests, guard, row};
use serde_json::{Value, json};
use souk_orders::{OrdersState, router};
use souk_runtime::operations::Function;
use souk_testkit::{TestDatabase, TestTenant, quote_keys};

#[path = "../../runtime/tests/edge/access_matrix.rs"]
mod access_matrix;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

/// Sold by everybody, at prices of their own.
const SHARED: &str = "TEA";
const STRANGERS_PRICE: i64 = 777;

fn basket(sku: &str) -> Value {
    json!({ "currency": "EUR", "lines": [{ "sku": sku, "quantity": 1 }] })
}

/// A row whose answer to a stranger is of no interest.
fn step(operation: &'static str, path: &str, body: Option<Value>) -> Row {
    row(operation, path, body, Stranger::SameForAll)
}

async fn place(matrix: &Matrix, key: &str, body: Value) -> String {
    let placed = step("place_order", "/v1/orders", Some(body));
    let order = matrix.first_does(&placed, key).await.json();
    order["id"].as_str().unwrap().to_owned()
}

/// A shop with orders in each state that a command needs.
async fn open() -> Shop {
    let db = TestDatabase::create().await;
    let first = TestTenant::create(&db, &[(SHARED, 250, 100), ("OWN", 900, 100)]).await;
    let state = OrdersState {
        tools: first.tools.clone(),
        doorbell: None,
        quote_keys: quote_keys(),
    };
    let matrix = Matrix {
        function: Function::Orders,
        app: router(state, guard(&first)),
        db,
        first,
        stranger_skus: &[(SHARED, STRANGERS_PRICE, 100)],
    };
    let mut ids = vec![place(&matrix, USED_KEY, basket(SHARED)).await];
    for n in 1..5 {
        let mut body = basket("OWN");
        body["customer_reference"] = json!(MARK);
        ids.push(place(&matrix, &format!("key-{n}"), body).await);
    }
    let steps = [
        ("confirm_order", &ids[3], "confirm"),
        ("confirm_order", &ids[4], "confirm"),
        ("fulfil_order", &ids[4], "fulfil"),
    ];
    for (n, (operation, id, command)) in steps.into_iter().enumerate() {
        let path = format!("/v1/orders/{id}/{command}");
        matrix
            .first_does(&step(operation, &path, None), &format!("step-{n}"))
            .await;
    }
    Shop {
        matrix,
        rows: rows(&ids),
        secrets: [vec![MARK.to_owned(), "OWN".to_owned()], ids].concat(),
    }
}

/// Of the orders the first three are placed, then one is confirmed and one fulfilled.
#[rustfmt::skip] // A table is read in columns.
fn rows(ids: &[String]) -> Vec<Row> {
    let unknown = || Stranger::Refused(404, "order_not_found");
    let not_sold = || Stranger::Refused(422, "sku_not_sold");
    let price = |status, pointer| Stranger::Own(status, pointer, json!(STRANGERS_PRICE));
    let of = |n: usize, more: &str| format!("/v1/orders/{}{more}", ids[n]);
    vec![
        row("place_order", "/v1/orders", Some(basket(SHARED)), price(201, "/total/amount_minor")),
        row("place_order", "/v1/orders", Some(basket("OWN")), not_sold()),
        row("list_orders", "/v1/orders", None, Stranger::Own(200, "/orders", json!([]))),
        row("list_orders", &format!("/v1/orders?customer_reference={MARK}"), None, Stranger::Own(200, "/orders", json!([]))),
        row("get_order", &of(1, ""), None, unknown()),
        row("get_order_timeline", &of(1, "/timeline"), None, unknown()),
        row("cancel_order", &of(1, "/cancel"), None, unknown()),
        row("confirm_order", &of(2, "/confirm"), None, unknown()),
        row("fulfil_order", &of(3, "/fulfil"), None, unknown()),
        row("complete_order", &of(4, "/complete"), None, unknown()),
        row("quote", "/v1/quotes", Some(basket(SHARED)), price(200, "/total/amount_minor")),
        row("quote", "/v1/quotes", Some(basket("OWN")), not_sold()),
        row("get_idempotency_key", &format!("/v1/idempotency-keys/{USED_KEY}"), None, Stranger::Refused(404, "idempotency_key_unknown")),
        row("get_openapi", "/openapi.json", None, Stranger::SameForAll),
        row("get_problem", "/problems/order-not-found", None, Stranger::SameForAll),
    ]
}

access_tests!(open);
