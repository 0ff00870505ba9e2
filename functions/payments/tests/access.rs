//! Every operation of this function against every kind of caller, on the real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use access_matrix::{MARK, Matrix, Row, Shop, Stranger, USED_KEY, access_tests, guard, row};
use serde_json::{Value, json};
use souk_payments::{PaymentsState, router};
use souk_runtime::operations::Function;
use souk_testkit::{TestDatabase, TestTenant};

#[path = "../../runtime/tests/edge/access_matrix.rs"]
mod access_matrix;
mod psp;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

/// An amount that occurs nowhere else.
const PRICE: i64 = 987_654_321;

/// A row whose answer to a stranger is of no interest.
fn step(operation: &'static str, path: &str, body: Option<Value>) -> Row {
    row(operation, path, body, Stranger::SameForAll)
}

/// A payment of the order, by a method that the bank approves.
async fn pay(matrix: &Matrix, key: &str, order: &str, capture: &str) -> String {
    let body = json!({
        "order_id": order, "payment_method": "pm_card_visa", "confirm": true,
        "capture_method": capture,
    });
    let paid = step("create_payment_intent", "/v1/payment-intents", Some(body));
    let intent = matrix.first_does(&paid, key).await.json();
    intent["id"].as_str().unwrap().to_owned()
}

/// A shop with payments in each state that a command needs, a refund and a dispute.
async fn open() -> Shop {
    let db = TestDatabase::create().await;
    let first = TestTenant::create(&db, &[("TEA", PRICE, 100)]).await;
    // It lives as long as the test's process.
    let psp = Box::leak(Box::new(psp::start().await));
    let tools = psp::tools(&first, psp);
    let state = PaymentsState {
        tools: tools.clone(),
        stripe: psp::stripe(&psp.url()),
        doorbell: None,
    };
    let mut orders = Vec::new();
    for n in 0..5 {
        orders.push(psp::order(&tools, &first, &format!("order-{n}")).await);
    }
    let matrix = Matrix {
        function: Function::Payments,
        app: router(state, guard(&first)),
        db,
        first,
        stranger_skus: &[],
    };
    let paid = pay(&matrix, USED_KEY, &orders[0], "automatic").await;
    let held = pay(&matrix, "held", &orders[1], "manual").await;
    let other_held = pay(&matrix, "other-held", &orders[2], "manual").await;
    let body = json!({ "order_id": orders[3], "payment_method": "pm_card_visa" });
    let open = step("create_payment_intent", "/v1/payment-intents", Some(body));
    let open = matrix.first_does(&open, "open").await.json();
    let open = open["id"].as_str().unwrap().to_owned();
    let refunds = format!("/v1/payment-intents/{paid}/refunds");
    let reason = MARK.replace('-', "_");
    let part = Some(json!({ "amount_minor": 1, "reason": reason }));
    let refund = step("refund_payment_intent", &refunds, part);
    let refund = matrix.first_does(&refund, "refund").await.json();
    let refund = refund["id"].as_str().unwrap().to_owned();
    let dispute = dispute(&matrix, psp, &paid).await;
    let rows = rows(
        &matrix,
        psp,
        &[
            &paid,
            &held,
            &other_held,
            &open,
            &orders[4],
            &refund,
            &dispute,
        ],
    );
    Shop {
        rows,
        secrets: vec![
            reason,
            PRICE.to_string(),
            paid,
            held,
            other_held,
            open,
            refund,
            dispute,
        ],
        matrix,
    }
}

/// The bank takes the payment back; returns the dispute's id.
async fn dispute(matrix: &Matrix, psp: &souk_psp_simulator::Served, intent: &str) -> String {
    let payment = psp::payment_of(psp, intent);
    let now_ms = psp.simulator.now_ms();
    let opened = psp.simulator.world().open_dispute(&payment, 100, now_ms);
    let told = event_row(matrix, psp, "evt_dispute", ("dispute", &opened.unwrap().id));
    matrix.first_does(&told, "none").await;
    let list = step("list_disputes", "/v1/disputes", None);
    let listed = matrix.first_does(&list, "none").await.json();
    listed["disputes"][0]["id"].as_str().unwrap().to_owned()
}

fn event_row(
    matrix: &Matrix,
    psp: &souk_psp_simulator::Served,
    id: &str,
    (kind, object): (&str, &str),
) -> Row {
    let path = format!("/v1/psp/stripe/{}", matrix.first.id);
    let body = psp::event_about(id, kind, object);
    let signature = psp::signature(psp, &body, 0);
    let refused = Stranger::Refused(404, "route_not_found");
    let body = serde_json::from_str(&body).ok();
    Row {
        headers: vec![("stripe-signature", signature)],
        ..row("receive_stripe_event", &path, body, refused)
    }
}

#[rustfmt::skip] // A table is read in columns.
fn rows(matrix: &Matrix, psp: &souk_psp_simulator::Served, ids: &[&str; 7]) -> Vec<Row> {
    let [paid, held, other_held, open, order, refund, dispute] = ids;
    let unknown = || Stranger::Refused(404, "payment_intent_not_found");
    let intent = |id: &str, more: &str| format!("/v1/payment-intents/{id}{more}");
    let payment = psp::payment_of(psp, paid);
    vec![
        row("create_payment_intent", "/v1/payment-intents", Some(json!({ "order_id": order })), Stranger::Refused(404, "order_not_found")),
        row("list_payment_intents", "/v1/payment-intents", None, Stranger::Own(200, "/payment_intents", json!([]))),
        row("list_payment_intents", "/v1/payment-intents?status=succeeded", None, Stranger::Own(200, "/payment_intents", json!([]))),
        row("get_payment_intent", &intent(paid, ""), None, unknown()),
        row("list_payment_attempts", &intent(paid, "/attempts"), None, unknown()),
        row("confirm_payment_intent", &intent(open, "/confirm"), None, unknown()),
        row("capture_payment_intent", &intent(held, "/capture"), None, unknown()),
        row("cancel_payment_intent", &intent(other_held, "/cancel"), None, unknown()),
        row("refund_payment_intent", &intent(paid, "/refunds"), Some(json!({ "amount_minor": 1 })), unknown()),
        row("list_refunds", &intent(paid, "/refunds"), None, unknown()),
        row("get_refund", &format!("/v1/refunds/{refund}"), None, Stranger::Refused(404, "refund_not_found")),
        row("list_disputes", "/v1/disputes", None, Stranger::Own(200, "/disputes", json!([]))),
        row("get_dispute", &format!("/v1/disputes/{dispute}"), None, Stranger::Refused(404, "dispute_not_found")),
        event_row(matrix, psp, "evt_row", ("payment_intent", &payment)),
    ]
}

access_tests!(open);
