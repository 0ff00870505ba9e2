//! The whole road: edge, HTTP API, function, Postgres, outbox, SQS, consumer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use souk_domain::OrderId;
use souk_e2e::variable;
use souk_policy::signature::{MessageParts, SigningKey, sign};
use souk_testkit::Probe;
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Stack, eventually, new_key, order_body, send};

/// The stack's database, by a superuser, whom row level security does not bind.
fn probe() -> Probe {
    let server = variable("SOUK_TEST_POSTGRES_URL");
    let (server, _) = server.rsplit_once('/').unwrap();
    let database = variable("SOUK_TEST_DATABASE_URL");
    let (_, database) = database.rsplit_once('/').unwrap();
    Probe::new(&format!("{server}/{database}"))
}

fn summaries_of(order: &Value, status: &str) -> String {
    let id: OrderId = order["id"].as_str().unwrap().parse().unwrap();
    format!(
        "SELECT count(*) FROM souk.order_summaries WHERE order_id = '{}' AND status = '{status}' \
         AND total_minor = {}",
        id.as_uuid(),
        order["total"]["amount_minor"]
    )
}

#[tokio::test]
async fn an_order_goes_all_the_way_and_back() {
    let stack = Stack::from_environment();
    let key = new_key();
    let (status, headers, order) = send(stack.order(&key, 2)).await;
    assert_eq!(status, 201, "{order}");
    assert_eq!(
        order["total"],
        json!({ "amount_minor": 2_598, "currency": "EUR" })
    );
    assert!(
        headers["souk-request-id"]
            .to_str()
            .unwrap()
            .starts_with("req_")
    );
    assert!(headers.contains_key("idempotency-key-expires"));
    let path = format!("/v1/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(headers["location"], path.as_str());

    let (status, headers, again) = send(stack.order(&key, 2)).await;
    assert_eq!((status, &again), (201, &order));
    assert_eq!(headers["idempotent-replayed"], "true");

    // The replica may be a moment behind; the token says that it must not be.
    let token = headers["souk-consistency"].clone();
    let read = stack
        .authorized(Method::GET, &path)
        .header("souk-consistency", token);
    let (status, _, read) = send(read).await;
    assert_eq!((status, &read), (200, &order));

    let probe = probe();
    eventually("the order in the read model", async || {
        probe.number(&summaries_of(&order, "placed")).await == 1
    })
    .await;

    let cancel = stack
        .authorized(Method::POST, &format!("{path}/cancel"))
        .header("idempotency-key", new_key());
    let (status, _, cancelled) = send(cancel).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    eventually("the cancellation in the read model", async || {
        probe.number(&summaries_of(&order, "cancelled")).await == 1
    })
    .await;
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one_order() {
    let stack = Stack::from_environment();
    let key = new_key();
    let answers = join_all((0..20).map(|_| send(stack.order(&key, 1)))).await;
    let mut ids = Vec::new();
    let mut fresh = 0;
    for (status, headers, body) in answers {
        match status {
            201 => {
                fresh += i32::from(!headers.contains_key("idempotent-replayed"));
                ids.push(body["id"].as_str().unwrap().to_owned());
            }
            409 => {
                assert_eq!(body["code"], "idempotency_key_in_flight");
                assert!(headers.contains_key("retry-after"));
            }
            other => panic!("{other}: {body}"),
        }
    }
    ids.dedup();
    assert_eq!((fresh, ids.len()), (1, 1));
}

#[tokio::test]
async fn the_edge_refuses_with_problems() {
    let stack = Stack::from_environment();
    let unknown_host = stack
        .http
        .post(format!("{}/v1/orders", stack.edge_url))
        .header("host", "nobody.localhost");
    let order_with = |authorization: &str| {
        stack
            .anonymous(Method::POST, "/v1/orders")
            .header("authorization", authorization.to_owned())
            .header("content-type", "application/json")
            .header("idempotency-key", new_key())
            .body(order_body(1).to_string())
    };
    let wrong_key = format!("Bearer souk_sk_{}", "x".repeat(40));
    let too_large = stack.order(&new_key(), 1).body(" ".repeat(256 * 1024 + 1));
    let no_key = stack
        .authorized(Method::POST, "/v1/orders")
        .header("content-type", "application/json")
        .body(order_body(1).to_string());
    let cases = [
        ("unknown host", unknown_host, 404, "tenant_not_found"),
        (
            "no credentials",
            stack.anonymous(Method::GET, "/v1/orders/ord_1"),
            401,
            "",
        ),
        ("wrong API key", order_with(&wrong_key), 401, ""),
        (
            "no such route",
            stack.authorized(Method::GET, "/v2/orders"),
            404,
            "route_not_found",
        ),
        ("body too large", too_large, 413, "body_too_large"),
        ("no idempotency key", no_key, 400, "idempotency_key_missing"),
        (
            "other tenant's order",
            stack.authorized(Method::GET, &format!("/v1/orders/ord_{}", "0".repeat(32))),
            404,
            "order_not_found",
        ),
    ];
    for (name, request, status, code) in cases {
        let (got, headers, body) = send(request).await;
        assert_eq!(got, status, "{name}: {body}");
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{name}"
        );
        assert!(code.is_empty() || body["code"] == code, "{name}: {body}");
        assert!(
            body["request_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("req_")),
            "{name}: {body}"
        );
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_does_not_reach_the_origin() {
    let stack = Stack::from_environment();
    let spoofed = stack
        .order(&new_key(), 1)
        .header("souk-tenant", "ten_00000000000000000000000000000001")
        .header("souk-scopes", "admin:all")
        .header("souk-role", "admin")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "gopher&")
        .header("signature", "souk=:AAAA:")
        .header("signature-input", "souk=();keyid=\"k1\"");
    let (status, _, order) = send(spoofed).await;
    assert_eq!(status, 201, "{order}");
    let id: OrderId = order["id"].as_str().unwrap().parse().unwrap();
    let tenant: souk_domain::TenantId = stack.tenant_id.parse().unwrap();
    let own = format!(
        "SELECT count(*) FROM souk.orders WHERE order_id = '{}' AND tenant_id = '{}'",
        id.as_uuid(),
        tenant.as_uuid()
    );
    assert_eq!(probe().number(&own).await, 1);
}

/// Straight to the function, around the edge.
#[tokio::test]
async fn the_function_answers_only_what_the_edge_has_signed() {
    let stack = Stack::from_environment();
    let key_id = variable("SOUK_TEST_EDGE_SIGNING_KEY_ID");
    let secret = BASE64
        .decode(variable("SOUK_TEST_EDGE_SIGNING_KEY"))
        .unwrap();
    let signing_key = SigningKey::new(key_id, secret).unwrap();
    let now = i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let body = order_body(1).to_string();
    let idempotency_key = new_key();
    let identity = [
        ("idempotency-key", idempotency_key),
        (
            "souk-principal",
            "key_00000000000000000000000000000001".to_owned(),
        ),
        ("souk-region", "local".to_owned()),
        (
            "souk-request-id",
            format!("req_{}", uuid::Uuid::now_v7().simple()),
        ),
        ("souk-scopes", "orders:read orders:write".to_owned()),
        ("souk-tenant", stack.tenant_id.clone()),
    ];
    let direct = |signed_at: i64, sent_body: &str, signed: bool| {
        let headers: Vec<(&str, &str)> = identity.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let parts = MessageParts {
            method: "POST",
            path: "/v1/orders",
            query: None,
            headers: &headers,
            body: body.as_bytes(),
        };
        let signature = sign(&parts, &signing_key, signed_at, 30).unwrap();
        let mut request = stack
            .http
            .post(format!("{}/v1/orders", stack.origin_url))
            .header("content-type", "application/json")
            .header("content-digest", signature.content_digest)
            .body(sent_body.to_owned());
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        if signed {
            request = request
                .header("signature-input", signature.signature_input)
                .header("signature", signature.signature);
        }
        request
    };
    let altered = order_body(9).to_string();
    for (name, request) in [
        ("unsigned", direct(now, &body, false)),
        ("altered", direct(now, &altered, true)),
        ("stale", direct(now - 31, &body, true)),
        ("from the future", direct(now + 60, &body, true)),
    ] {
        let (status, _, answer) = send(request).await;
        assert_eq!(
            (status, &answer["code"]),
            (401, &json!("edge_signature_invalid")),
            "{name}"
        );
    }
    // The same request, well signed, passes: so the refusals above are for the reasons named.
    let (status, _, answer) = send(direct(now, &body, true)).await;
    assert_eq!(status, 201, "{answer}");
}
