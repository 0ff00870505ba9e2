//! What became of a request whose answer got lost.

use super::{Answer, Call, Shop, problem, tea};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use souk_testkit::TestTenant;

impl Shop {
    fn look_up(&self, segment: &str) -> Call {
        let mut call = self.call("GET", &format!("/v1/idempotency-keys/{segment}"));
        "idempotency_keys:read".clone_into(&mut call.scopes);
        call
    }

    async fn known(&self, segment: &str) -> Answer {
        self.send(self.look_up(segment).signed()).await
    }
}

fn encoded(key: &str) -> String {
    format!("={}", URL_SAFE_NO_PAD.encode(key))
}

fn report(key: &str, operation: &str, resource: &Value, status: u16) -> Value {
    json!({
        "key": key, "status": "finished", "operation": operation, "resource_id": resource,
        "response_status": status, "recovery_point": "finished",
        "created_at": "2026-11-21T08:00:00Z", "expires_at": "2026-11-22T08:00:00Z"
    })
}

#[tokio::test]
async fn who_lost_the_answer_finds_the_resource_by_the_key() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let unused = shop.known("lost").await;
    assert_eq!(unused.problem(), problem(404, "idempotency_key_unknown"));
    let order = shop.send(shop.order("lost", &tea(1)).signed()).await.json();
    for segment in ["lost".to_owned(), encoded("lost")] {
        let found = shop.known(&segment).await;
        assert_eq!(
            found.json(),
            report("lost", "place_order", &order["id"], 201)
        );
        assert_eq!(found.header("cache-control"), Some("no-store"));
    }
    // In quotes in the header, and with characters that no path has.
    let order = shop.send(shop.order("\"a/b, c?\"", &tea(2)).signed()).await;
    let found = shop.known(&encoded("a/b, c?")).await.json();
    assert_eq!(
        found,
        report("a/b, c?", "place_order", &order.json()["id"], 201)
    );

    // A refusal for good is an end as well, and a refusal for now leaves nothing.
    let path = "/v1/orders/ord_0197c0de8f2b7c3a9d4e5f6071829304";
    let mut refused = shop.command(path, "cancel", "");
    refused
        .headers
        .insert("idempotency-key".to_owned(), "refused".to_owned());
    let answer = shop.send(refused.signed()).await;
    assert_eq!(answer.problem(), problem(404, "order_not_found"));
    let found = shop.known("refused").await.json();
    assert_eq!(found["response_status"], 404);
    let short = shop.send(shop.order("short", &tea(1_000)).signed()).await;
    assert_eq!(short.problem(), problem(409, "insufficient_stock"));
    let none = shop.known("short").await;
    assert_eq!(none.problem(), problem(404, "idempotency_key_unknown"));
    let malformed = shop.known("=*").await;
    assert_eq!(malformed.problem(), problem(404, "idempotency_key_unknown"));
}

#[tokio::test]
async fn a_key_is_known_to_the_principal_who_used_it_and_to_nobody_else() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let own = shop.send(shop.order("k", &tea(1)).signed()).await.json();
    let stranger = TestTenant::create(&shop.db, &[("TEA", 250, 100)]).await;
    let colleague = |call: Call| Call {
        principal: "key_00000000000000000000000000000002",
        ..call
    };
    let elsewhere = |call: Call| Call {
        tenant: stranger.id,
        ..call
    };
    for segment in ["k".to_owned(), encoded("k")] {
        for call in [
            colleague(shop.look_up(&segment)),
            elsewhere(shop.look_up(&segment)),
        ] {
            let answer = shop.send(call.signed()).await;
            assert_eq!(answer.problem(), problem(404, "idempotency_key_unknown"));
        }
    }
    // Each may use the same key, and finds what is its own.
    let mut found = vec![shop.known("k").await.json()["resource_id"].clone()];
    assert_eq!(found[0], own["id"]);
    let theirs: [&dyn Fn(Call) -> Call; 2] = [&colleague, &elsewhere];
    for by in theirs {
        let order = shop
            .send(by(shop.order("k", &tea(1))).signed())
            .await
            .json();
        let report = shop.send(by(shop.look_up("k")).signed()).await.json();
        assert_eq!(report["resource_id"], order["id"]);
        assert!(!found.contains(&order["id"]), "{order}");
        found.push(order["id"].clone());
    }
    assert_eq!(shop.known("k").await.json()["resource_id"], own["id"]);
}
