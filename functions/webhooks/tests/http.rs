//! The webhooks function over HTTP, with the edge's signature and the real database.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use axum::Router;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use signed_request::{identity, signed};
use souk_app::Clock as _;
use souk_app::webhooks::SealingKeys;
use souk_domain::webhook::{TargetRules, WebhookSecret};
use souk_runtime::edge_signature::EdgeGuard;
use souk_runtime::signature::{KeyRing, SigningKey};
use souk_testkit::{TestDatabase, TestTenant};
use souk_webhooks::{WebhooksState, router};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt as _;
use uuid::Uuid;

#[path = "../../runtime/tests/edge/signed_request.rs"]
mod signed_request;

const ENDPOINTS: &str = "/v1/webhook-endpoints";

struct Shop {
    db: TestDatabase,
    tenant: TestTenant,
    app: Router,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    json: Value,
}

impl Answer {
    fn refusal(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }

    fn pointers(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().unwrap().iter();
        errors.map(|one| one["pointer"].as_str().unwrap()).collect()
    }
}

impl Shop {
    async fn open() -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[]).await;
        let ring = KeyRing::new(vec![SigningKey::new("k1", vec![1; 32]).unwrap()]).unwrap();
        let guard = EdgeGuard::new(ring, tenant.clock.clone());
        let keys = BTreeMap::from([("k1".to_owned(), [7; 32])]);
        let state = WebhooksState {
            tools: tenant.tools.clone(),
            keys: Arc::new(SealingKeys::new("k1".to_owned(), &keys).unwrap()),
            rules: TargetRules::default(),
        };
        let app = router(state, guard);
        Self { db, tenant, app }
    }

    async fn call(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let principal = "key_00000000000000000000000000000001";
        let scopes = "webhooks:read webhooks:write";
        let mut all = identity(&self.tenant.id.to_string(), principal, scopes);
        let mut add = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
        add("idempotency-key", &Uuid::now_v7().to_string());
        add("content-type", "application/json");
        for (name, value) in headers {
            add(name, value);
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let key = SigningKey::new("k1", vec![1; 32]).unwrap();
        let now = self.tenant.clock.now().unix_s();
        let request = signed((method, path), &all, &body, (&key, now));
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    async fn create(&self) -> Answer {
        let body = json!({ "url": "https://shop.example/hooks", "event_types": ["order.*"] });
        self.call(("POST", ENDPOINTS), &[], Some(body)).await
    }
}

#[tokio::test]
async fn a_secret_is_shown_to_who_made_it_also_again_and_kept_nowhere() {
    let shop = Shop::open().await;
    let body = json!({ "url": "https://shop.example/hooks" });
    let key = [("idempotency-key", "k-1")];
    let made = shop
        .call(("POST", ENDPOINTS), &key, Some(body.clone()))
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.headers["cache-control"], "no-store");
    let text = made.json["secret"].as_str().unwrap();
    let secret: WebhookSecret = text.parse().unwrap();
    let again = shop.call(("POST", ENDPOINTS), &key, Some(body)).await;
    assert_eq!((again.status, &again.json), (201, &made.json));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let path = format!("{ENDPOINTS}/{}", made.json["id"].as_str().unwrap());
    let read = shop.call(("GET", &path), &[], None).await;
    assert_eq!((read.status, read.json.get("secret")), (200, None));
    assert_eq!(read.json["secrets"].as_array().unwrap().len(), 1);
    let listed = shop.call(("GET", ENDPOINTS), &[], None).await;
    assert!(!listed.json.to_string().contains(text));
    let stored = "SELECT convert_from(response_body, 'UTF8') FROM souk.idempotency_keys";
    let stored = shop.db.texts(stored).await;
    let hex = secret
        .bytes()
        .iter()
        .fold(String::new(), |hex, b| format!("{hex}{b:02x}"));
    assert!(
        stored.len() == 1 && stored[0].contains("sealed"),
        "{stored:?}"
    );
    assert!(
        !stored[0].contains(text) && !stored[0].contains(&hex),
        "{stored:?}"
    );
}

#[tokio::test]
async fn rotation_overlaps_and_is_bounded() {
    let shop = Shop::open().await;
    let made = shop.create().await;
    let path = format!("{ENDPOINTS}/{}", made.json["id"].as_str().unwrap());
    let rotate = format!("{path}/rotate-secret");
    for _ in 0..3 {
        let rotated = shop
            .call(("POST", &rotate), &[], Some(json!({ "overlap_hours": 1 })))
            .await;
        assert_eq!(rotated.status, 200);
        assert_ne!(rotated.json["secret"], made.json["secret"]);
        assert!(
            rotated.json["secret"]
                .as_str()
                .unwrap()
                .starts_with("whsec_")
        );
    }
    let view = shop.call(("GET", &path), &[], None).await;
    let secrets = view.json["secrets"].as_array().unwrap().clone();
    assert_eq!(
        (secrets.len(), &secrets[0]["expires_at"]),
        (4, &Value::Null)
    );
    let refused = shop.call(("POST", &rotate), &[], Some(json!({}))).await;
    assert_eq!(refused.refusal(), (409, "webhook_secrets_too_many"));
    let at_once = shop
        .call(("POST", &rotate), &[], Some(json!({ "overlap_hours": 0 })))
        .await;
    assert_eq!(at_once.status, 200);
    shop.tenant.clock.advance_ms(3_600_000);
    let view = shop.call(("GET", &path), &[], None).await;
    assert_eq!(view.json["secrets"].as_array().unwrap().len(), 1);
    let wrong = shop
        .call(
            ("POST", &rotate),
            &[],
            Some(json!({ "overlap_hours": 169 })),
        )
        .await;
    assert_eq!(wrong.pointers(), ["/overlap_hours"]);
}

#[tokio::test]
async fn a_url_that_must_not_be_sent_to_is_refused() {
    let shop = Shop::open().await;
    for url in [
        "http://shop.example/",
        "https://127.0.0.1/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://10.1.2.3/",
        "https://user@shop.example/",
        "shop.example",
    ] {
        let answer = shop
            .call(("POST", ENDPOINTS), &[], Some(json!({ "url": url })))
            .await;
        assert_eq!(answer.refusal(), (422, "validation_failed"), "{url}");
        assert_eq!(answer.pointers(), ["/url"], "{url}");
    }
    let body = json!({ "url": 1, "event_types": ["*"], "ordered": "yes", "secret": "whsec_" });
    let answer = shop.call(("POST", ENDPOINTS), &[], Some(body)).await;
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/event_types/0", "/ordered", "/secret", "/url"]);
}

#[tokio::test]
async fn commands_are_for_a_version_and_refusals_are_told() {
    let shop = Shop::open().await;
    let made = shop.create().await;
    let id = made.json["id"].as_str().unwrap();
    let path = format!("{ENDPOINTS}/{id}");
    let tag = shop.call(("GET", &path), &[], None).await.headers["etag"].clone();
    let tag = tag.to_str().unwrap();
    let body = json!({ "url": "https://shop.example/other", "ordered": true });
    let put = shop
        .call(("PUT", &path), &[("if-match", tag)], Some(body.clone()))
        .await;
    assert_eq!((put.status, &put.json["version"]), (200, &json!(2)));
    assert_eq!(
        (&put.json["event_types"], &put.json["ordered"]),
        (&json!([]), &json!(true))
    );
    let stale = shop
        .call(("PUT", &path), &[("if-match", tag)], Some(body))
        .await;
    assert_eq!(stale.refusal(), (412, "precondition_failed"));
    let disabled = shop
        .call(("POST", &format!("{path}/disable")), &[], None)
        .await;
    assert_eq!(
        (&disabled.json["status"], &disabled.json["disabled"]["by"]),
        (&json!("disabled"), &json!("owner"))
    );
    let range = json!({ "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z" });
    let replays = format!("{path}/replays");
    let refused = shop
        .call(("POST", &replays), &[], Some(range.clone()))
        .await;
    assert_eq!(refused.refusal(), (409, "webhook_endpoint_disabled"));
    shop.call(("POST", &format!("{path}/enable")), &[], None)
        .await;
    let none = shop.call(("POST", &replays), &[], Some(range)).await;
    assert_eq!(none.json, json!({ "replayed": 0, "next_cursor": null }));
    let backwards = json!({ "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z" });
    let backwards = shop.call(("POST", &replays), &[], Some(backwards)).await;
    assert_eq!(backwards.pointers(), ["/until"]);
    let event = "evt_00000000000000000000000000000001";
    let unknown = shop
        .call(("GET", &format!("{path}/deliveries/{event}")), &[], None)
        .await;
    assert_eq!(unknown.refusal(), (404, "webhook_delivery_not_found"));
    assert_eq!(shop.call(("DELETE", &path), &[], None).await.status, 200);
    let gone = shop.call(("GET", &path), &[], None).await;
    assert_eq!(gone.refusal(), (404, "webhook_endpoint_not_found"));
    let query = shop
        .call(
            ("GET", &format!("{path}/deliveries?status=lost")),
            &[],
            None,
        )
        .await;
    assert_eq!(query.refusal(), (400, "query_invalid"));
}

#[tokio::test]
async fn there_are_not_endlessly_many() {
    let shop = Shop::open().await;
    for _ in 0..50 {
        assert_eq!(shop.create().await.status, 201);
    }
    assert_eq!(
        shop.create().await.refusal(),
        (409, "webhook_endpoints_too_many")
    );
    let first = shop
        .call(("GET", &format!("{ENDPOINTS}?limit=30")), &[], None)
        .await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let rest = format!("{ENDPOINTS}?limit=30&cursor={cursor}");
    let rest = shop.call(("GET", &rest), &[], None).await;
    assert_eq!(rest.json["webhook_endpoints"].as_array().unwrap().len(), 20);
    assert_eq!(rest.json["next_cursor"], Value::Null);
}
