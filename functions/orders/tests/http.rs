//! The orders function over HTTP, with the edge's signature and the real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::semicolon_if_nothing_returned,
    reason = "tests"
)]

use axum::Router;
use axum::body::Body;
use futures::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use signed_request::{identity, signed};
use souk_app::{Clock as _, Shard, Shards, Tools};
use souk_domain::TenantId;
use souk_orders::{OrdersState, router};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, SigningKey};
use souk_testkit::{TestDatabase, TestReplica, TestTenant, quote_keys};
use std::collections::BTreeMap;
use tower::ServiceExt as _;
use uuid::Uuid;

#[path = "http/idempotency_keys.rs"]
mod idempotency_keys;
#[path = "http/quotes.rs"]
mod quotes;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

fn key(id: &str, byte: u8) -> SigningKey {
    SigningKey::new(id, vec![byte; 32]).unwrap()
}

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
    app: Router,
}

impl Shop {
    async fn open(skus: &[(&str, i64, u32)]) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, skus).await;
        let ring = KeyRing::new(vec![key("k1", 1), key("k2", 2)]).unwrap();
        let guard = EdgeGuard::new(ring, tenant.clock.clone());
        let app = router(
            OrdersState {
                tools: tenant.tools.clone(),
                doorbell: None,
                quote_keys: quote_keys(),
            },
            guard,
        );
        Self { db, tenant, app }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        Call {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: String::new(),
            tenant: self.tenant.id,
            principal: "key_00000000000000000000000000000001",
            scopes: "orders:read orders:write".to_owned(),
            signed_at: self.tenant.clock.now().unix_s(),
            signing_key: key("k1", 1),
        }
    }

    fn order(&self, idempotency_key: &str, body: &Value) -> Call {
        let mut call = self.call("POST", "/v1/orders");
        call.headers
            .insert("idempotency-key".to_owned(), idempotency_key.to_owned());
        call.body = body.to_string();
        call
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.app.clone().oneshot(request).await.unwrap()).await
    }
}

/// A request before it is signed.
#[derive(Clone)]
struct Call {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
    tenant: TenantId,
    principal: &'static str,
    scopes: String,
    signed_at: i64,
    signing_key: SigningKey,
}

impl Call {
    fn signed(&self) -> Request<Body> {
        let mut headers = identity(&self.tenant.to_string(), self.principal, &self.scopes);
        headers.extend(self.headers.clone());
        let signer = (&self.signing_key, self.signed_at);
        signed((&self.method, &self.path), &headers, &self.body, signer)
    }
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and problem code of an error.
    fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        (
            self.status.as_u16(),
            json["code"].as_str().unwrap().to_owned(),
        )
    }
}

fn tea(quantity: u32) -> Value {
    json!({ "currency": "EUR", "lines": [{ "sku": "TEA", "quantity": quantity }] })
}

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn an_order_is_placed_replayed_read_and_cancelled() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let created = shop.send(shop.order("\"k\"", &tea(2)).signed()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let order = created.json();
    assert_eq!(
        order["total"],
        json!({ "amount_minor": 500, "currency": "EUR" })
    );
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(created.header("location"), Some(path.as_str()));
    assert_eq!(created.header("etag"), Some("\"1\""));
    assert_eq!(
        created.header("idempotency-key-expires"),
        Some("2026-11-22T08:00:00Z")
    );
    assert_eq!(created.header("idempotent-replayed"), None);

    // The same key in its raw form, the same body in another spelling.
    let mut again = shop.order("k", &tea(2));
    again.body =
        "{ \"lines\": [ {\"quantity\": 2, \"sku\":\"TEA\"} ], \"currency\":\"EUR\" }".to_owned();
    let replayed = shop.send(again.signed()).await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        (replayed.status, &replayed.body),
        (created.status, &created.body)
    );
    assert_eq!(replayed.header("location"), created.header("location"));

    let read = shop.send(shop.call("GET", &path).signed()).await;
    assert_eq!((read.status, read.json()), (StatusCode::OK, order));

    let mut cancel = shop.call("POST", &format!("{path}/cancel"));
    cancel
        .headers
        .insert("idempotency-key".to_owned(), "c".to_owned());
    let cancelled = shop.send(cancel.signed()).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    assert_eq!(cancelled.json()["status"], "cancelled");
    assert_eq!(cancelled.header("etag"), Some("\"2\""));
    cancel
        .headers
        .insert("idempotency-key".to_owned(), "d".to_owned());
    let twice = shop.send(cancel.signed()).await;
    assert_eq!(twice.problem(), problem(409, "order_not_cancellable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_posts_with_one_key_make_one_order() {
    let shop = Shop::open(&[("TEA", 250, 1_000)]).await;
    let call = shop.order("same", &tea(1));
    let answers = join_all((0..200).map(|_| shop.send(call.signed()))).await;
    let (mut fresh, mut replayed, mut in_flight) = (Vec::new(), 0, 0);
    for answer in &answers {
        match answer.status.as_u16() {
            201 if answer.header("idempotent-replayed").is_none() => fresh.push(answer),
            201 => replayed += 1,
            409 => {
                assert_eq!(answer.problem(), problem(409, "idempotency_key_in_flight"));
                assert!(answer.header("retry-after").is_some());
                in_flight += 1;
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert_eq!(fresh.len(), 1);
    assert_eq!(replayed + in_flight, 199);
    for answer in answers.iter().filter(|a| a.status == StatusCode::CREATED) {
        assert_eq!(answer.body, fresh[0].body, "every answer is the one order");
    }
    assert_eq!(shop.db.number("SELECT count(*) FROM souk.orders").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_buyers_of_the_last_ten_units() {
    let shop = Shop::open(&[("TEA", 250, 10)]).await;
    let calls: Vec<Call> = (0..50)
        .map(|n| shop.order(&format!("buyer-{n}"), &tea(1)))
        .collect();
    let answers = join_all(calls.iter().map(|call| shop.send(call.signed()))).await;
    let created = answers
        .iter()
        .filter(|a| a.status == StatusCode::CREATED)
        .count();
    let short: Vec<_> = answers
        .iter()
        .filter(|a| a.status != StatusCode::CREATED)
        .collect();
    assert_eq!((created, short.len()), (10, 40));
    for answer in short {
        assert_eq!(answer.problem(), problem(409, "insufficient_stock"));
        assert_eq!(answer.json()["skus"], json!(["TEA"]));
    }
    assert_eq!(
        shop.db
            .number("SELECT available FROM souk.stock_levels")
            .await,
        0
    );
}

#[tokio::test]
async fn a_key_is_needed_and_belongs_to_one_request() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let mut missing = shop.order("k", &tea(1));
    missing.headers.remove("idempotency-key");
    assert_eq!(
        shop.send(missing.signed()).await.problem(),
        problem(400, "idempotency_key_missing")
    );
    for bad in ["a b", "\"open", &"x".repeat(256)] {
        let answer = shop.send(shop.order(bad, &tea(1)).signed()).await;
        assert_eq!(
            answer.problem(),
            problem(400, "idempotency_key_invalid"),
            "{bad}"
        );
    }
    let first = shop.send(shop.order("k", &tea(1)).signed()).await;
    let other_body = shop.send(shop.order("k", &tea(2)).signed()).await;
    assert_eq!(other_body.problem(), problem(422, "idempotency_key_reused"));
    assert_eq!(other_body.json()["first_resource_id"], first.json()["id"]);
    let path = format!("/v1/orders/{}/cancel", first.json()["id"].as_str().unwrap());
    let mut other_route = shop.call("POST", &path);
    other_route
        .headers
        .insert("idempotency-key".to_owned(), "k".to_owned());
    let other_route = shop.send(other_route.signed()).await;
    assert_eq!(
        other_route.problem(),
        problem(422, "idempotency_key_reused")
    );
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let mut call = shop.order("k", &json!(null));
    call.body = r#"{
        "currency": "EURO",
        "lines": [
            { "sku": "TEA", "quantity": 0 },
            { "sku": "no good", "quantity": 1000001 },
            { "sku": 7, "quantity": 1.0, "colour": "green" },
            { "sku": "TEA", "sku": "TEA" },
            []
        ],
        "customer_reference": "\u0000",
        "discount_codes": "none",
        "a/b": 1
    }"#
    .to_owned();
    let answer = shop.send(call.signed()).await;
    assert_eq!(answer.problem(), problem(422, "validation_failed"));
    let mut json = answer.json();
    assert!(json["request_id"].as_str().unwrap().starts_with("req_"));
    json["request_id"] = json!("req_…");
    insta::assert_json_snapshot!(json);
    for (body, expected) in [
        ("{", problem(400, "malformed_json")),
        (
            "{\"currency\":\"EUR\",\"lines\":[]}",
            problem(422, "validation_failed"),
        ),
        (
            "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"TEA\",\"quantity\":1}],\"x\":1}",
            problem(422, "validation_failed"),
        ),
    ] {
        let mut call = shop.order("k", &json!(null));
        call.body = body.to_owned();
        assert_eq!(shop.send(call.signed()).await.problem(), expected, "{body}");
    }
    // None of these used the key up.
    assert_eq!(
        shop.send(shop.order("k", &tea(1)).signed()).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_refusal_that_will_not_change_is_the_answer_of_its_key() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    for (body, expected) in [
        (
            "{\"currency\":\"USD\",\"lines\":[{\"sku\":\"TEA\",\"quantity\":1}]}",
            problem(422, "sku_not_sold"),
        ),
        (
            "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"GHOST\",\"quantity\":1}]}",
            problem(422, "sku_not_sold"),
        ),
    ] {
        let mut call = shop.order(&format!("key-{}", body.len()), &json!(null));
        call.body = body.to_owned();
        let first = shop.send(call.signed()).await;
        assert_eq!(first.problem(), expected, "{body}");
        assert!(first.headers.get("idempotent-replayed").is_none());
        let again = shop.send(call.signed()).await;
        assert_eq!(again.headers["idempotent-replayed"], "true");
        assert_eq!(again.json(), first.json());
    }
}

#[tokio::test]
async fn what_the_edge_has_not_signed_is_refused() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let call = shop.order("k", &tea(1));
    let now = call.signed_at;
    let altered = |change: fn(&mut Request<Body>)| {
        let mut request = call.signed();
        change(&mut request);
        request
    };
    let set = |name: &'static str, value: &'static str| {
        let mut request = call.signed();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let signed_at = |at: i64| {
        Call {
            signed_at: at,
            ..call.clone()
        }
        .signed()
    };
    let with_key = |signing_key| {
        Call {
            signing_key,
            ..call.clone()
        }
        .signed()
    };
    let hostile: Vec<(&str, Request<Body>)> = vec![
        (
            "unsigned",
            altered(|r| {
                r.headers_mut().remove("signature");
            }),
        ),
        (
            "no input",
            altered(|r| {
                r.headers_mut().remove("signature-input");
            }),
        ),
        (
            "no digest",
            altered(|r| {
                r.headers_mut().remove("content-digest");
            }),
        ),
        (
            "other body",
            altered(|r| {
                *r.body_mut() = Body::from(
                    "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"TEA\",\"quantity\":9}]}",
                )
            }),
        ),
        (
            "other path",
            altered(|r| *r.uri_mut() = "/v1/orders/".parse().unwrap()),
        ),
        (
            "added query",
            altered(|r| *r.uri_mut() = "/v1/orders?x=1".parse().unwrap()),
        ),
        (
            "other method",
            altered(|r| *r.method_mut() = http::Method::PUT),
        ),
        (
            "other tenant",
            set("souk-tenant", "ten_00000000000000000000000000000001"),
        ),
        (
            "more scopes",
            set("souk-scopes", "orders:read orders:write admin:all"),
        ),
        (
            "other principal",
            set("souk-principal", "key_00000000000000000000000000000009"),
        ),
        ("other key of idempotency", set("idempotency-key", "other")),
        ("smuggled header", set("souk-role", "admin")),
        (
            "tenant twice",
            altered(|r| {
                let tenant = r.headers()["souk-tenant"].clone();
                r.headers_mut().append("souk-tenant", tenant);
            }),
        ),
        ("stale", signed_at(now - 31)),
        ("from the future", signed_at(now + 60)),
        ("unknown key", with_key(key("k3", 3))),
        ("wrong secret", with_key(key("k1", 9))),
    ];
    for (name, request) in hostile {
        let answer = shop.send(request).await;
        assert_eq!(
            answer.problem(),
            problem(401, "edge_signature_invalid"),
            "{name}"
        );
    }
    let unsigned = Request::get("/v1/orders/ord_1")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        shop.send(unsigned).await.problem(),
        problem(401, "edge_signature_invalid")
    );
    assert_eq!(shop.db.number("SELECT count(*) FROM souk.orders").await, 0);
    // Both live keys are accepted, as during a rotation.
    assert_eq!(
        shop.send(with_key(key("k2", 2))).await.status,
        StatusCode::CREATED
    );
    let replayed = shop.send(call.signed()).await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn scopes_tenants_and_routes_are_checked() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let created = shop.send(shop.order("k", &tea(1)).signed()).await.json();
    let path = format!("/v1/orders/{}", created["id"].as_str().unwrap());
    let reader = |call: Call| {
        Call {
            scopes: "orders:read".to_owned(),
            ..call
        }
        .signed()
    };
    let writer = |call: Call| {
        Call {
            scopes: "orders:write".to_owned(),
            ..call
        }
        .signed()
    };
    let answers = [
        (
            shop.send(reader(shop.order("l", &tea(1)))).await,
            problem(403, "scope_missing"),
        ),
        (
            shop.send(writer(shop.call("GET", &path))).await,
            problem(403, "scope_missing"),
        ),
        (
            shop.send(reader(shop.call("POST", &format!("{path}/cancel"))))
                .await,
            problem(403, "scope_missing"),
        ),
        (
            shop.send(shop.call("GET", "/v1/orders/nonsense").signed())
                .await,
            problem(404, "order_not_found"),
        ),
        (
            shop.send(shop.call("GET", "/v1/nothing").signed()).await,
            problem(404, "route_not_found"),
        ),
        (
            shop.send(shop.call("DELETE", "/v1/orders").signed()).await,
            problem(405, "method_not_allowed"),
        ),
    ];
    for (answer, expected) in answers {
        assert_eq!(answer.problem(), expected);
    }
    let wrong_method = shop.send(shop.call("DELETE", "/v1/orders").signed()).await;
    assert_eq!(wrong_method.header("allow"), Some("POST,GET,HEAD"));
    let head = shop.send(shop.call("HEAD", &path).signed()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    let stranger = TestTenant::create(&shop.db, &[("TEA", 250, 100)]).await;
    let foreign = Call {
        tenant: stranger.id,
        ..shop.call("GET", &path)
    };
    assert_eq!(
        shop.send(foreign.signed()).await.problem(),
        problem(404, "order_not_found")
    );
}

#[tokio::test]
async fn too_large_or_too_deep_a_body_is_refused() {
    let shop = Shop::open(&[]).await;
    let mut deep = shop.order("k", &json!(null));
    deep.body = "[".repeat(100_000);
    assert_eq!(
        shop.send(deep.signed()).await.problem(),
        problem(400, "body_too_deep")
    );
    let mut call = shop.order("k", &json!(null));
    call.body = " ".repeat(256 * 1024 + 1);
    assert_eq!(
        shop.send(call.signed()).await.problem(),
        problem(413, "body_too_large")
    );
}

#[tokio::test]
async fn health_needs_no_signature_and_tells_whether_the_database_answers() {
    let shop = Shop::open(&[]).await;
    let ask = || Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(shop.send(ask()).await.status, StatusCode::NO_CONTENT);
    shop.tenant.tools.db.close().await;
    assert_eq!(
        shop.send(ask()).await.problem(),
        problem(503, "database_unavailable")
    );
}

/// The shop's functions with a replica beside its database.
fn with_replica(shop: &Shop, replica: &TestReplica) -> Router {
    let shard =
        Shard::new("a".parse().unwrap(), shop.db.app()).with_replica(replica.by_role("souk_app"));
    on_shards(shop, Shards::one(shard))
}

fn on_shards(shop: &Shop, db: Shards) -> Router {
    let ring = KeyRing::new(vec![key("k1", 1)]).unwrap();
    let tools = Tools {
        db,
        ..shop.tenant.tools.clone()
    };
    let state = OrdersState {
        tools,
        doorbell: None,
        quote_keys: quote_keys(),
    };
    router(state, EdgeGuard::new(ring, shop.tenant.clock.clone()))
}

#[tokio::test]
async fn who_has_written_reads_it_with_the_token_also_while_the_replica_is_behind() {
    let mut shop = Shop::open(&[("TEA", 500, 10)]).await;
    let mut replica = TestReplica::of(&shop.db).await;
    shop.app = with_replica(&shop, &replica);
    replica.pause().await;
    let body = json!({"currency": "EUR", "lines": [{"sku": "TEA", "quantity": 1}]});
    let call = shop.order("k1", &body);
    let placed = shop.send(call.signed()).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    let token = placed.headers["souk-consistency"]
        .to_str()
        .unwrap()
        .to_owned();
    let replayed = shop.send(call.signed()).await;
    let token_of_replay = replayed.headers["souk-consistency"]
        .to_str()
        .unwrap()
        .to_owned();

    let path = placed.headers["location"].to_str().unwrap().to_owned();
    let plain = shop.call("GET", &path);
    let with = |token: &str| {
        let mut call = plain.clone();
        call.headers
            .insert("souk-consistency".to_owned(), token.to_owned());
        call
    };
    // From the replica, which has not heard of it.
    assert_eq!(
        shop.send(plain.signed()).await.status,
        StatusCode::NOT_FOUND
    );
    for token in [&token, &token_of_replay] {
        let read = shop.send(with(token).signed()).await;
        assert_eq!(read.status, StatusCode::OK, "{token}: {read:?}");
    }
    replica.resume().await;
    replica.until_caught_up().await;
    assert_eq!(shop.send(plain.signed()).await.status, StatusCode::OK);
    assert_eq!(
        shop.send(with(&token).signed()).await.status,
        StatusCode::OK
    );

    let refused = shop.send(with("a:0/1").signed()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert_eq!(refused.json()["code"], "consistency_token_invalid");
}

impl Shop {
    /// A command on the order at `path`, with a key of its own.
    fn command(&self, path: &str, name: &str, body: &str) -> Call {
        let mut call = self.call("POST", &format!("{path}/{name}"));
        call.headers
            .insert("idempotency-key".to_owned(), Uuid::now_v7().to_string());
        body.clone_into(&mut call.body);
        call
    }

    /// Places an order of `quantity` of TEA, and returns its path.
    async fn placed(&self, key: &str, quantity: u32) -> String {
        let created = self.send(self.order(key, &tea(quantity)).signed()).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        format!("/v1/orders/{}", created.json()["id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn where_the_edge_says_where_a_tenant_is_nobody_waits_for_the_directory() {
    let shop = Shop::open(&[("TEA", 250, 5)]).await;
    // It answers, but does not know the tenant.
    let directory = TestDatabase::create_directory().await;
    for (hint, status) in [
        (None, 503),
        (Some("b"), 503),
        (Some("no shard"), 503),
        (Some("a"), 200),
    ] {
        let shard = Shard::new("a".parse().unwrap(), shop.db.app());
        let app = on_shards(
            &shop,
            Shards::placed_by(directory.directory_reader(), [shard]),
        );
        let mut call = shop.call("GET", "/v1/orders");
        if let Some(hint) = hint {
            call.headers
                .insert("souk-shard".to_owned(), hint.to_owned());
        }
        let answer = Answer::read(app.oneshot(call.signed()).await.unwrap()).await;
        assert_eq!(answer.status, status, "{hint:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_order_goes_all_the_way_and_its_timeline_tells_it() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let path = shop.placed("k", 3).await;
    let early = shop.send(shop.command(&path, "fulfil", "").signed()).await;
    assert_eq!(early.problem(), problem(409, "order_not_fulfillable"));
    let confirmed = shop.send(shop.command(&path, "confirm", "").signed()).await;
    assert_eq!(confirmed.json()["status"], "confirmed");
    assert_eq!(confirmed.json()["reservation_expires_at"], Value::Null);
    let part = r#"{ "lines": [{ "line_number": 1, "quantity": 2 }] }"#;
    let part = shop
        .send(shop.command(&path, "fulfil", part).signed())
        .await;
    assert_eq!(part.json()["status"], "confirmed");
    assert_eq!(part.json()["lines"][0]["fulfilled_quantity"], 2);
    let late = shop.send(shop.command(&path, "cancel", "").signed()).await;
    assert_eq!(late.problem(), problem(409, "order_not_cancellable"));
    let much = r#"{ "lines": [{ "line_number": 1, "quantity": 2 }] }"#;
    let much = shop
        .send(shop.command(&path, "fulfil", much).signed())
        .await;
    assert_eq!(much.problem(), problem(422, "fulfilment_too_large"));
    assert_eq!(much.json()["open_units"], 1);
    let rest = shop.send(shop.command(&path, "fulfil", "").signed()).await;
    assert_eq!(rest.json()["status"], "fulfilled");
    let completed = shop
        .send(shop.command(&path, "complete", "").signed())
        .await;
    assert_eq!(completed.json()["status"], "completed");
    assert_eq!(completed.header("etag"), Some("\"5\""));

    let timeline = shop
        .send(shop.call("GET", &format!("{path}/timeline")).signed())
        .await;
    let json = timeline.json();
    let types: Vec<&str> = json["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "order.placed.v1",
            "order.confirmed.v1",
            "order.fulfilled.v1",
            "order.fulfilled.v1",
            "order.completed.v1"
        ]
    );
    let first = shop
        .send(
            shop.call("GET", &format!("{path}/timeline?limit=2"))
                .signed(),
        )
        .await;
    assert_eq!(first.json()["next_cursor"], "2");
    let next = shop.call("GET", &format!("{path}/timeline?limit=2&cursor=2"));
    assert_eq!(
        shop.send(next.signed()).await.json()["entries"][0]["sequence"],
        3
    );
}

#[tokio::test]
async fn an_order_is_cancelled_with_a_reason_that_is_a_word() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let path = shop.placed("k", 1).await;
    for bad in [
        r#"{ "reason": "Two words" }"#,
        r#"{ "reason": "reservation_expired" }"#,
        r#"{ "because": "x" }"#,
        "[]",
    ] {
        let refused = shop.send(shop.command(&path, "cancel", bad).signed()).await;
        assert_eq!(
            refused.problem(),
            problem(422, "validation_failed"),
            "{bad}"
        );
    }
    let reason = r#"{ "reason": "customer_request" }"#;
    let cancelled = shop
        .send(shop.command(&path, "cancel", reason).signed())
        .await;
    assert_eq!(cancelled.json()["cancel_reason"], "customer_request");
    for bad in [
        r#"{ "lines": [] }"#,
        r#"{ "lines": [{ "line_number": 0, "quantity": 1 }] }"#,
        r#"{ "lines": [{ "line_number": 1, "quantity": 1 }, { "line_number": 1, "quantity": 1 }] }"#,
    ] {
        let refused = shop.send(shop.command(&path, "fulfil", bad).signed()).await;
        assert_eq!(
            refused.problem(),
            problem(422, "validation_failed"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn preconditions_are_held_to() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let path = shop.placed("k", 1).await;
    let confirm = |if_match: &str| {
        let mut call = shop.command(&path, "confirm", "");
        call.headers
            .insert("if-match".to_owned(), if_match.to_owned());
        call
    };
    for bad in ["1", "\"1", "\"1\" \"2\""] {
        let refused = shop.send(confirm(bad).signed()).await;
        assert_eq!(
            refused.problem(),
            problem(400, "precondition_invalid"),
            "{bad}"
        );
    }
    let stale = confirm("\"7\", W/\"1\"");
    let refused = shop.send(stale.signed()).await;
    assert_eq!(refused.problem(), problem(412, "precondition_failed"));
    assert_eq!(refused.json()["current_version"], 1);
    assert_eq!(
        shop.send(stale.signed())
            .await
            .header("idempotent-replayed"),
        Some("true")
    );
    let done = shop.send(confirm("\"7\", \"1\"").signed()).await;
    assert_eq!(
        (done.status, done.header("etag")),
        (StatusCode::OK, Some("\"2\""))
    );
    let again = shop.send(confirm("*").signed()).await;
    assert_eq!(again.problem(), problem(409, "order_not_confirmable"));

    let mut read = shop.call("GET", &path);
    read.headers
        .insert("if-none-match".to_owned(), "W/\"2\"".to_owned());
    let known = shop.send(read.signed()).await;
    assert_eq!(
        (known.status, known.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    assert_eq!(known.header("etag"), Some("\"2\""));
    read.headers
        .insert("if-none-match".to_owned(), "\"1\"".to_owned());
    assert_eq!(shop.send(read.signed()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn orders_are_listed_by_pages_and_every_wrong_parameter_is_named() {
    let shop = Shop::open(&[("TEA", 250, 100)]).await;
    let mut paths = Vec::new();
    for n in 0..5 {
        paths.push(shop.placed(&format!("k{n}"), 1).await);
        shop.tenant.clock.advance_ms(1_000);
    }
    let list = |query: &str| shop.call("GET", &format!("/v1/orders?{query}"));
    let first = shop
        .send(list("limit=2&status=placed").signed())
        .await
        .json();
    let shown = |page: &Value, n: usize| {
        format!("/v1/orders/{}", page["orders"][n]["id"].as_str().unwrap())
    };
    assert_eq!(
        [shown(&first, 0), shown(&first, 1)],
        [paths[4].clone(), paths[3].clone()]
    );
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = shop
        .send(list(&format!("status=placed&cursor={cursor}")).signed())
        .await
        .json();
    assert_eq!(next["orders"].as_array().unwrap().len(), 3);
    assert_eq!(next["next_cursor"], Value::Null);
    let foreign = shop.send(list(&format!("cursor={cursor}")).signed()).await;
    assert_eq!(foreign.problem(), problem(400, "cursor_invalid"));
    let window = "placed_from=2026-11-21T08:00:01Z&placed_before=2026-11-21T08:00:03%2B00:00";
    let window = shop.send(list(window).signed()).await.json();
    assert_eq!(window["orders"].as_array().unwrap().len(), 2);

    let wrong = "limit=101&status=lost&placed_from=yesterday&placed_before=x&customer_reference=&page=2&status=placed";
    let refused = shop.send(list(wrong).signed()).await;
    assert_eq!(refused.problem(), problem(400, "query_invalid"));
    let json = refused.json();
    let mut named: Vec<&str> = json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["parameter"].as_str().unwrap())
        .collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(
        named,
        [
            "customer_reference",
            "limit",
            "page",
            "placed_before",
            "placed_from",
            "status"
        ]
    );
}
