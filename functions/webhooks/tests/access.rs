//! Every operation of this function against every kind of caller, on the real database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use access_matrix::{MARK, Matrix, Row, Shop, Stranger, USED_KEY, access_tests, guard, row};
use serde_json::{Value, json};
use souk_app::webhooks::{SealingKeys, enter_deliveries};
use souk_domain::webhook::TargetRules;
use souk_domain::{EventId, OrderId};
use souk_runtime::operations::Function;
use souk_testkit::{TestDatabase, TestTenant};
use souk_webhooks::{WebhooksState, router};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

#[path = "../../runtime/tests/edge/access_matrix.rs"]
mod access_matrix;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

const ENDPOINTS: &str = "/v1/webhook-endpoints";

fn settings(description: &str) -> Value {
    json!({ "url": "https://shop.example/hooks", "description": description })
}

/// Two events of an order that the first tenant's endpoints are told of: one on its way, and one that was
/// given up.
async fn events(first: &TestTenant, db: &TestDatabase) -> [EventId; 2] {
    let order = OrderId::from_uuid(Uuid::now_v7());
    let mut ids = [EventId::from_uuid(Uuid::nil()); 2];
    for (id, sequence) in ids.iter_mut().zip(1..) {
        let event = first.order_confirmed(order, sequence);
        *id = event.id;
        enter_deliveries(&first.tools, &event).await.unwrap();
    }
    db.execute(&format!(
        "UPDATE souk.webhook_deliveries SET status = 'failed', next_attempt_at = NULL, \
             settled_at = now() WHERE event_id = '{}'",
        ids[1].as_uuid()
    ))
    .await;
    ids
}

/// How each operation is asked for what is the first tenant's: an endpoint, one that is disabled, one to
/// delete, and what is on its way to them.
#[rustfmt::skip] // A table is read in columns.
fn rows([one, off, gone]: [&str; 3], [pending, failed]: [EventId; 2]) -> Vec<Row> {
    let unknown = || Stranger::Refused(404, "webhook_endpoint_not_found");
    let at = |id: &str, rest: &str| format!("{ENDPOINTS}/{id}{rest}");
    let range = Some(json!({ "since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z" }));
    vec![
        row("create_webhook_endpoint", ENDPOINTS, Some(settings("new")), Stranger::Own(201, "/version", json!(1))),
        row("list_webhook_endpoints", ENDPOINTS, None, Stranger::Own(200, "/webhook_endpoints", json!([]))),
        row("get_webhook_endpoint", &at(one, ""), None, unknown()),
        row("put_webhook_endpoint", &at(one, ""), Some(settings("other")), unknown()),
        row("rotate_webhook_secret", &at(one, "/rotate-secret"), Some(json!({})), unknown()),
        row("list_webhook_deliveries", &at(one, "/deliveries"), None, unknown()),
        row("get_webhook_delivery", &at(one, &format!("/deliveries/{pending}")), None, unknown()),
        row("replay_webhook_delivery", &at(one, &format!("/deliveries/{failed}/replay")), None, unknown()),
        row("replay_webhook_deliveries", &at(one, "/replays"), range, unknown()),
        row("enable_webhook_endpoint", &at(off, "/enable"), None, unknown()),
        row("disable_webhook_endpoint", &at(off, "/disable"), None, unknown()),
        row("delete_webhook_endpoint", &at(gone, ""), None, unknown()),
    ]
}

async fn open() -> Shop {
    let db = TestDatabase::create().await;
    let first = TestTenant::create(&db, &[]).await;
    let keys = BTreeMap::from([("k1".to_owned(), [7; 32])]);
    let state = WebhooksState {
        tools: first.tools.clone(),
        keys: Arc::new(SealingKeys::new("k1".to_owned(), &keys).unwrap()),
        rules: TargetRules::default(),
    };
    let matrix = Matrix {
        function: Function::Webhooks,
        app: router(state, guard(&first)),
        db,
        first,
        stranger_skus: &[],
    };
    let create = row(
        "create_webhook_endpoint",
        ENDPOINTS,
        Some(settings(MARK)),
        Stranger::SameForAll,
    );
    let mut ids = Vec::new();
    let mut secrets = vec![MARK.to_owned()];
    for key in [USED_KEY, "key-1", "key-2"] {
        let answer = matrix.first_does(&create, key).await.json();
        ids.push(answer["id"].as_str().unwrap().to_owned());
        secrets.push(answer["secret"].as_str().unwrap().to_owned());
    }
    secrets.extend(ids.iter().cloned());
    let disable = row(
        "disable_webhook_endpoint",
        &format!("{ENDPOINTS}/{}/disable", ids[1]),
        None,
        Stranger::SameForAll,
    );
    matrix.first_does(&disable, "key-3").await;
    let events = events(&matrix.first, &matrix.db).await;
    let rows = rows([&ids[0], &ids[1], &ids[2]], events);
    Shop {
        matrix,
        rows,
        secrets,
    }
}

access_tests!(open);
