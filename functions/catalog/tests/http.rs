//! The catalog function over HTTP, with the edge's signature and the real database.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests"
)]

use axum::Router;
use futures::future::join_all;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use signed_request::{identity, signed};
use souk_app::Clock as _;
use souk_catalog::{CatalogState, router};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, SigningKey};
use souk_testkit::{TestDatabase, TestTenant};
use std::collections::BTreeMap;
use tower::ServiceExt as _;
use uuid::Uuid;

#[path = "http/pricing_rules.rs"]
mod pricing_rules;
#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

const SHOP: &str = "catalog:read catalog:write inventory:read inventory:write";
const PUBLIC: &str = "";

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
    app: Router,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        (
            self.status,
            self.json()["code"].as_str().unwrap().to_owned(),
        )
    }

    fn pointers(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().unwrap().clone();
        let pointers = errors
            .iter()
            .map(|e| e["pointer"].as_str().unwrap().to_owned());
        pointers.collect()
    }
}

impl Shop {
    async fn open(skus: &[(&str, i64, u32)]) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, skus).await;
        let ring = KeyRing::new(vec![SigningKey::new("k1", vec![1; 32]).unwrap()]).unwrap();
        let guard = EdgeGuard::new(ring, tenant.clock.clone());
        let app = router(
            CatalogState {
                tools: tenant.tools.clone(),
            },
            guard,
        );
        Self { db, tenant, app }
    }

    /// `target` is method and path; a command gets a key of its own unless `headers` has one.
    async fn call(
        &self,
        target: &str,
        scopes: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let (method, path) = target.split_once(' ').unwrap();
        let principal = "key_00000000000000000000000000000001";
        let mut all = identity(&self.tenant.id.to_string(), principal, scopes);
        if method != "GET" {
            all.insert("idempotency-key".to_owned(), Uuid::now_v7().to_string());
        }
        if body.is_some() {
            all.insert("content-type".to_owned(), "application/json".to_owned());
        }
        all.extend(
            headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        let body = body.map(Value::to_string).unwrap_or_default();
        let key = SigningKey::new("k1", vec![1; 32]).unwrap();
        let now = self.tenant.clock.now().unix_s();
        let request = signed((method, path), &all, &body, (&key, now));
        let (parts, body) = self
            .app
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let headers = parts.headers.iter();
        Answer {
            status: parts.status.as_u16(),
            headers: headers
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
                .collect(),
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&format!("PUT {path}"), SHOP, &[], Some(&body))
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(&format!("GET {path}"), PUBLIC, &[], None).await
    }

    async fn revision(&self) -> i64 {
        self.db
            .number("SELECT sum(revision)::bigint FROM souk.catalog_revisions")
            .await
    }
}

fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_product_is_made_shown_changed_and_archived_with_its_variants() {
    let shop = Shop::open(&[]).await;
    let made = shop
        .put(
            "/v1/products/TEA",
            json!({ "title": "Tea", "attributes": { "origin": "Assam" } }),
        )
        .await;
    assert_eq!((made.status, &made.json()["version"]), (201, &json!(1)));
    assert_eq!(
        shop.put("/v1/products/TEA", json!({ "title": "Fine tea" }))
            .await
            .status,
        200
    );
    let before = shop.revision().await;
    let sku = shop
        .put(
            "/v1/skus/TEA-1",
            json!({ "title": "1 kg", "product_code": "TEA" }),
        )
        .await;
    assert_eq!(sku.status, 201);
    assert_eq!(shop.revision().await, before + 1);
    shop.put(
        "/v1/skus/TEA-1/prices/EUR",
        json!({ "prices": [{ "amount_minor": 1299 }] }),
    )
    .await;
    shop.put(
        "/v1/skus/TEA-1/prices/JPY",
        json!({ "prices": [{ "amount_minor": 2100 }] }),
    )
    .await;
    assert_eq!(shop.revision().await, before + 3);

    let shown = shop.get("/v1/products/TEA").await.json();
    assert_eq!(
        (&shown["title"], &shown["attributes"]),
        (&json!("Fine tea"), &json!({}))
    );
    assert_eq!(
        shown["variants"][0]["prices"],
        json!([
            { "amount_minor": 1299, "currency": "EUR" },
            { "amount_minor": 2100, "currency": "JPY" }
        ])
    );
    assert_eq!(shown["variants"][0]["in_stock"], json!(false));

    let archived = shop.call("DELETE /v1/products/TEA", SHOP, &[], None).await;
    assert_eq!(
        (archived.status, &archived.json()["status"]),
        (200, &json!("archived"))
    );
    assert_eq!(shop.revision().await, before + 4);
    assert_eq!(
        shop.get("/v1/products/TEA").await.problem(),
        problem(404, "product_not_found")
    );
    assert_eq!(
        shop.get("/v1/skus/TEA-1").await.problem(),
        problem(404, "sku_not_found")
    );
    let prices = shop.get("/v1/skus/TEA-1/prices/EUR").await;
    assert_eq!(prices.problem(), problem(404, "sku_not_found"));
    let by_shop = shop.call("GET /v1/products/TEA", SHOP, &[], None).await;
    assert_eq!(by_shop.json()["variants"][0]["status"], json!("archived"));
    // Archiving again changes nothing; putting again offers it again.
    let again = shop
        .call("DELETE /v1/products/TEA", SHOP, &[], None)
        .await
        .json();
    assert_eq!(again["version"], archived.json()["version"]);
    let orphan = shop
        .put(
            "/v1/skus/TEA-1",
            json!({ "title": "x", "product_code": "TEA" }),
        )
        .await;
    assert_eq!(orphan.problem(), problem(422, "product_archived"));
    assert_eq!(
        shop.put("/v1/products/TEA", json!({ "title": "Tea" }))
            .await
            .status,
        200
    );
    assert_eq!(
        shop.get("/v1/products/TEA").await.json()["variants"],
        json!([])
    );
}

#[tokio::test]
async fn answers_can_be_kept_until_they_change() {
    let shop = Shop::open(&[("TEA", 250, 1)]).await;
    let first = shop.get("/v1/skus/TEA").await;
    assert_eq!(
        first.header("cache-control"),
        Some("public, max-age=60, stale-while-revalidate=600")
    );
    assert_eq!(
        first.header("vary"),
        Some("Authorization, Souk-Consistency")
    );
    let tag = first.header("etag").unwrap().to_owned();
    let if_none_match = |tag: String| {
        let shop = &shop;
        async move {
            let headers = [("if-none-match", tag.as_str())];
            shop.call("GET /v1/skus/TEA", PUBLIC, &headers, None).await
        }
    };
    let known = if_none_match(tag.clone()).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), Some(tag.as_str()));
    assert_eq!(known.header("cache-control"), first.header("cache-control"));
    // What changes the answer changes the tag, whether or not the sku was written.
    shop.put("/v1/skus/TEA/stock/main", json!({ "on_hand": 0 }))
        .await;
    let sold_out = if_none_match(tag).await;
    assert_eq!(
        (sold_out.status, &sold_out.json()["in_stock"]),
        (200, &json!(false))
    );
    // A price that is about to change is not kept beyond it.
    let soon = "2026-11-21T08:00:30Z";
    let prices = json!({ "prices": [
        { "amount_minor": 250, "valid_until": soon }, { "amount_minor": 300, "valid_from": soon }
    ] });
    assert_eq!(
        shop.put("/v1/skus/TEA/prices/EUR", prices).await.status,
        200
    );
    let short = shop.get("/v1/skus/TEA").await;
    assert_eq!(
        short.header("cache-control"),
        Some("public, max-age=30, stale-while-revalidate=0")
    );
    shop.tenant.clock.advance_ms(30_000);
    let later = shop.get("/v1/skus/TEA").await;
    assert_eq!(later.json()["prices"][0]["amount_minor"], json!(300));
    assert_ne!(later.header("etag"), short.header("etag"));
    // The shop's own view is nobody else's, and stock is never kept.
    let own = shop.call("GET /v1/skus/TEA", SHOP, &[], None).await;
    assert_eq!(own.header("cache-control"), Some("private, no-cache"));
    let stock = shop.call("GET /v1/skus/TEA/stock", SHOP, &[], None).await;
    assert_eq!(stock.header("cache-control"), Some("no-store"));
    let bad = shop
        .call("GET /v1/skus/TEA", PUBLIC, &[("if-none-match", "x")], None)
        .await;
    assert_eq!(bad.problem(), problem(400, "precondition_invalid"));
}

#[tokio::test]
async fn the_public_sees_the_price_of_the_moment_and_the_shop_all_of_them() {
    let shop = Shop::open(&[("TEA", 250, 1)]).await;
    let prices = json!({ "prices": [
        { "amount_minor": 200, "valid_until": "2026-11-20T00:00:00Z" },
        { "amount_minor": 250, "valid_from": "2026-11-20T00:00:00Z", "valid_until": "2026-11-27T00:00:00Z" },
        { "amount_minor": 150, "valid_from": "2026-11-27T00:00:00+01:00", "valid_until": "2026-11-28T00:00:00Z" }
    ] });
    let overlapping = shop.put("/v1/skus/TEA/prices/EUR", prices).await;
    assert_eq!(overlapping.problem(), problem(422, "validation_failed"));
    assert_eq!(overlapping.pointers(), ["/prices/2/valid_from"]);
    let prices = json!({ "prices": [
        { "amount_minor": 200, "valid_until": "2026-11-20T00:00:00Z" },
        { "amount_minor": 250, "valid_from": "2026-11-20T00:00:00Z", "valid_until": "2026-11-27T00:00:00Z" },
        { "amount_minor": 150, "valid_from": "2026-11-27T00:00:00Z" }
    ] });
    assert_eq!(
        shop.put("/v1/skus/TEA/prices/EUR", prices).await.status,
        200
    );
    let path = "/v1/skus/TEA/prices/EUR";
    assert_eq!(
        shop.get(path).await.json()["prices"],
        json!([{ "amount_minor": 250 }])
    );
    let own = shop
        .call(&format!("GET {path}"), SHOP, &[], None)
        .await
        .json();
    assert_eq!(own["prices"].as_array().unwrap().len(), 3);
    assert_eq!(
        own["prices"][2]["valid_from"],
        json!("2026-11-27T00:00:00Z")
    );
    assert_eq!(
        shop.get("/v1/skus/TEA/prices/USD").await.json()["prices"],
        json!([])
    );
    let ended = shop.put(path, json!({ "prices": [] })).await;
    assert_eq!(ended.json()["prices"], json!([]));
    assert_eq!(shop.get("/v1/skus/TEA").await.json()["prices"], json!([]));
    let unknown = shop
        .put("/v1/skus/NONE/prices/EUR", json!({ "prices": [] }))
        .await;
    assert_eq!(unknown.problem(), problem(404, "sku_not_found"));
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_is_told() {
    let shop = Shop::open(&[]).await;
    let made = shop
        .put("/v1/products/TEA", json!({ "title": "Tea" }))
        .await;
    let tag = made.header("etag").unwrap().to_owned();
    let change = |title: &'static str, tag: &str| {
        let (shop, tag) = (&shop, tag.to_owned());
        async move {
            let body = json!({ "title": title });
            let headers = [("if-match", tag.as_str())];
            shop.call("PUT /v1/products/TEA", SHOP, &headers, Some(&body))
                .await
        }
    };
    let both = join_all(["one", "two"].map(|title| change(title, &tag))).await;
    let mut statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let refused = both.iter().find(|answer| answer.status == 412).unwrap();
    assert_eq!(refused.problem(), problem(412, "precondition_failed"));
    assert_eq!(refused.json()["current_version"], json!(2));
    let headers = [("if-match", "*")];
    let body = json!({ "title": "New" });
    let new = shop
        .call("PUT /v1/skus/NEW", SHOP, &headers, Some(&body))
        .await;
    assert_eq!(new.problem(), problem(412, "precondition_failed"));
    let stale = shop
        .call(
            "DELETE /v1/products/TEA",
            SHOP,
            &[("if-match", "\"1\"")],
            None,
        )
        .await;
    assert_eq!(stale.problem(), problem(412, "precondition_failed"));
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer_whatever_has_changed_since() {
    let shop = Shop::open(&[("TEA", 250, 10)]).await;
    let key = [("idempotency-key", "count-1")];
    let body = json!({ "on_hand": 7, "buckets": 3 });
    let target = "PUT /v1/skus/TEA/stock/main";
    let first = shop.call(target, SHOP, &key, Some(&body)).await;
    assert_eq!(
        first.json(),
        json!({ "location": "main", "on_hand": 7, "available": 7, "reserved": 0, "sold": 0, "buckets": 3 })
    );
    shop.put("/v1/skus/TEA/stock/main", json!({ "on_hand": 1 }))
        .await;
    let again = shop.call(target, SHOP, &key, Some(&body)).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    let stock = shop
        .call("GET /v1/skus/TEA/stock", SHOP, &[], None)
        .await
        .json();
    assert_eq!(
        (&stock["on_hand"], &stock["locations"][0]["buckets"]),
        (&json!(1), &json!(3))
    );
    // A refusal that will not change is kept as well.
    let key = [("idempotency-key", "late")];
    let target = "DELETE /v1/skus/LATER";
    let first = shop.call(target, SHOP, &key, None).await;
    assert_eq!(first.problem(), problem(404, "sku_not_found"));
    shop.put("/v1/skus/LATER", json!({ "title": "Later" }))
        .await;
    let again = shop.call(target, SHOP, &key, None).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let shop = Shop::open(&[("TEA", 250, 10)]).await;
    let product = json!({ "title": "", "description": 1, "attributes": { "a b": "x" }, "more": 1 });
    let refused = shop.put("/v1/products/TEA", product).await;
    assert_eq!(refused.pointers(), ["/more", "/description"]);
    let sku = json!({ "title": " ", "product_code": "ü", "tax_category": "A", "attributes": { "a b": "x" } });
    let refused = shop.put("/v1/skus/TEA", sku).await;
    assert_eq!(
        refused.pointers(),
        [
            "/title",
            "/product_code",
            "/tax_category",
            "/attributes/a b"
        ]
    );
    let refused = shop
        .put(
            "/v1/skus/TEA/stock/main",
            json!({ "on_hand": -1, "buckets": 65 }),
        )
        .await;
    assert_eq!(refused.pointers(), ["/on_hand", "/buckets"]);
    for path in [
        "/v1/skus/a%20b",
        "/v1/products/a%20b",
        "/v1/skus/TEA/stock/MAIN",
    ] {
        let refused = shop.put(path, json!({ "title": "x", "on_hand": 1 })).await;
        assert_eq!(
            refused.problem(),
            problem(422, "validation_failed"),
            "{path}"
        );
    }
    let unknown = shop
        .put(
            "/v1/skus/NEW",
            json!({ "title": "x", "product_code": "NONE" }),
        )
        .await;
    assert_eq!(unknown.problem(), problem(422, "product_unknown"));
    let query = shop.get("/v1/products?limit=101&colour=red").await;
    assert_eq!(query.problem(), problem(400, "query_invalid"));
    let cursor = shop.get("/v1/products?cursor=x").await;
    assert_eq!(cursor.problem(), problem(400, "cursor_invalid"));
}

#[tokio::test]
async fn who_follows_the_cursors_sees_every_product_once() {
    let shop = Shop::open(&[]).await;
    let codes: Vec<String> = (0..23).map(|n| format!("P-{n:02}")).collect();
    let rows: Vec<Value> = codes
        .iter()
        .map(
            |code| json!({ "sku": code, "title": "t", "product_code": code, "product_title": "p" }),
        )
        .collect();
    let imported = shop
        .call(
            "POST /v1/catalog-imports",
            SHOP,
            &[],
            Some(&json!({ "rows": rows })),
        )
        .await;
    assert_eq!(
        imported.json(),
        json!({ "applied": 23, "new_skus": 23, "rejected": [] })
    );
    shop.call("DELETE /v1/products/P-05", SHOP, &[], None).await;
    let mut seen = Vec::new();
    let mut path = "/v1/products?limit=5".to_owned();
    loop {
        let page = shop.get(&path).await.json();
        let products = page["products"].as_array().unwrap().clone();
        assert!(products.len() <= 5);
        seen.extend(
            products
                .iter()
                .map(|p| p["code"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/products?limit=5&cursor={cursor}");
    }
    let offered: Vec<String> = codes.into_iter().filter(|code| code != "P-05").collect();
    assert_eq!(seen, offered);
}

#[tokio::test]
async fn an_import_applies_good_rows_reports_bad_ones_and_is_applied_once() {
    let shop = Shop::open(&[("OLD", 250, 10)]).await;
    shop.db
        .execute("UPDATE souk.stock_levels SET available = 4, reserved = 6")
        .await;
    let rows = json!({ "rows": [
        { "sku": "NEW", "title": "New", "product_code": "P", "product_title": "Product",
          "currency": "EUR", "amount_minor": 100, "on_hand": 5, "buckets": 2 },
        { "sku": "OLD", "title": "Changed", "on_hand": 5 },
        { "sku": "bad sku", "title": "", "colour": "red" },
        "no object",
        { "sku": "LOST", "title": "Lost", "product_code": "NONE" },
        { "sku": "OLD", "title": "Older", "currency": "EUR", "amount_minor": 300,
          "tax_category": "reduced", "location": "berlin", "on_hand": 9 },
    ] });
    let key = [("idempotency-key", "chunk-1")];
    let before = shop.revision().await;
    let first = shop
        .call("POST /v1/catalog-imports", SHOP, &key, Some(&rows))
        .await;
    assert_eq!(first.status, 200, "{first:?}");
    let report = first.json();
    assert_eq!(
        (&report["applied"], &report["new_skus"]),
        (&json!(2), &json!(1))
    );
    let rejected: Vec<(u64, &str)> = report["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["row"].as_u64().unwrap(), r["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rejected,
        [
            (1, "/on_hand"),
            (2, "/colour"),
            (2, "/sku"),
            (2, "/title"),
            (3, ""),
            (4, "/product_code")
        ]
    );
    assert_eq!(shop.revision().await, before + 1);
    let old = shop.get("/v1/skus/OLD").await.json();
    assert_eq!(
        (&old["title"], &old["tax_category"]),
        (&json!("Older"), &json!("reduced"))
    );
    let stock = shop
        .call("GET /v1/skus/OLD/stock", SHOP, &[], None)
        .await
        .json();
    assert_eq!(
        (&stock["available"], &stock["reserved"]),
        (&json!(13), &json!(6))
    );
    assert_eq!(
        shop.get("/v1/products/P").await.json()["variants"][0]["sku"],
        json!("NEW")
    );

    // Whatever has happened since: the same chunk again is an answer, not an effect.
    shop.put("/v1/skus/NEW/stock/main", json!({ "on_hand": 1 }))
        .await;
    let again = shop
        .call("POST /v1/catalog-imports", SHOP, &key, Some(&rows))
        .await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    let stock = shop
        .call("GET /v1/skus/NEW/stock", SHOP, &[], None)
        .await
        .json();
    assert_eq!(
        (&stock["on_hand"], &stock["locations"][0]["buckets"]),
        (&json!(1), &json!(2))
    );
    let nothing = shop
        .call(
            "POST /v1/catalog-imports",
            SHOP,
            &[],
            Some(&json!({ "rows": [] })),
        )
        .await;
    assert_eq!(nothing.problem(), problem(422, "validation_failed"));
}

#[tokio::test]
async fn imports_that_cross_each_other_neither_lock_up_nor_lose_rows() {
    let shop = Shop::open(&[]).await;
    let rows = |reversed: bool| {
        let mut rows: Vec<Value> = (0..60)
            .map(|n| {
                json!({ "sku": format!("S{n}"), "title": "t", "product_code": format!("P{}", n % 7),
                    "product_title": "p", "currency": "EUR", "amount_minor": n, "on_hand": 3 })
            })
            .collect();
        if reversed {
            rows.reverse();
        }
        json!({ "rows": rows })
    };
    for _ in 0..3 {
        let bodies: Vec<Value> = (0..6).map(|n| rows(n % 2 == 0)).collect();
        let calls = bodies.iter().map(async |body| {
            loop {
                let answer = shop
                    .call("POST /v1/catalog-imports", SHOP, &[], Some(body))
                    .await;
                // On a slow machine the last of the six waits for longer than anyone may.
                if answer.status == StatusCode::OK || answer.problem() != problem(503, "contended")
                {
                    break answer;
                }
            }
        });
        for answer in join_all(calls).await {
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.json()["applied"], json!(60));
        }
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(shop.db.number(deadlocks).await, 0);
    let stock = "SELECT count(*)::bigint * 1000 + sum(available)::bigint FROM souk.stock_levels";
    assert_eq!(shop.db.number(stock).await, 60_180);
    assert_eq!(shop.db.number("SELECT count(*) FROM souk.prices").await, 60);
}

#[tokio::test]
async fn another_tenants_catalog_is_not_there() {
    let shop = Shop::open(&[("TEA", 250, 10)]).await;
    let other = TestTenant::create(&shop.db, &[("SECRET", 1, 1)]).await;
    assert_eq!(
        shop.get("/v1/skus/SECRET").await.problem(),
        problem(404, "sku_not_found")
    );
    let stock = shop
        .call("GET /v1/skus/SECRET/stock", SHOP, &[], None)
        .await;
    assert_eq!(stock.problem(), problem(404, "sku_not_found"));
    let taken = shop
        .put("/v1/skus/SECRET", json!({ "title": "Mine" }))
        .await;
    assert_eq!(taken.status, 201);
    let titles = "SELECT count(*) FROM souk.skus WHERE sku = 'SECRET' AND title = 'Mine'";
    assert_eq!(shop.db.number(titles).await, 1);
    assert_ne!(other.id, shop.tenant.id);
}
