//! Limits, browsers, switches and canaries: what the tables of requests do not say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use serde_json::{Value, json};
use souk_policy::decide::RequestFacts;
use souk_policy::problem::Answer;
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;
use souk_policy::signature::{KeyRing, MessageParts, SignatureError, SigningKey, verify};
use support::{Host, Outcome};

const KEY: &str = "Bearer souk_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const SHOP: &str = "https://shop.example";
const NOW: i64 = 1_763_700_000;

fn host(policy: &Value) -> Host {
    let record = json!({
        "version": 4, "tenant_id": "ten_0197c0de8f2b7c3a9d4e5f6071829304", "status": "active",
        "region": "local", "policy": policy,
        "keys": [{
            "id": "key_0197c0de8f2b7c3a9d4e5f6071829310",
            "principal": "key_0197c0de8f2b7c3a9d4e5f6071829310",
            "sha256": "c1e7b6092b2f5c2659c06f9859b3350b84fb43a77c1ef8f101aca6136a118862",
            "scopes": ["orders:read", "orders:write", "catalog:write"], "expires_at": null,
        }],
    });
    let mut host = Host {
        region: "local".to_owned(),
        ..Host::default()
    };
    let record = RouteRecord::parse(&record.to_string()).unwrap();
    host.records
        .insert("host:demo.localhost".to_owned(), record);
    host
}

fn ask(host: &mut Host, method: &str, path: &str, headers: &[(&str, &str)], now: i64) -> Outcome {
    host.run(&RequestFacts {
        method,
        host: "demo.localhost",
        path,
        query: None,
        headers,
        now_unix_s: now,
        request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff".parse().unwrap(),
        client_address: Some("192.0.2.1".parse().unwrap()),
    })
}

fn read(host: &mut Host, now: i64) -> Outcome {
    let headers = [("authorization", KEY), ("origin", SHOP)];
    ask(host, "GET", "/v1/orders/ord_1", &headers, now)
}

fn refusal(outcome: &Outcome) -> Answer {
    let Outcome::Refused(problem) = outcome else {
        panic!("{outcome:?}");
    };
    problem.answer("req_0197c0de8f2b7c3a9d4e5f60718293ff".parse().unwrap())
}

fn header<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(own, _)| *own == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} occurs twice");
    value
}

fn answer_headers(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Outcome::Forwarded(plan) = outcome else {
        panic!("{outcome:?}");
    };
    plan.answer_headers()
}

#[test]
fn a_caller_is_told_of_its_limits_and_refused_beyond_them() {
    let mut host = host(&json!({ "limits": {
        "tenant": { "emission_interval_us": 100_000, "burst": 100 },
        "key": { "emission_interval_us": 2_000_000, "burst": 3 },
    }}));
    for left in [2, 1, 0] {
        let headers = answer_headers(&read(&mut host, NOW));
        let policy = header(&headers, "ratelimit-policy");
        assert_eq!(policy, Some("\"tenant\";q=100;w=10, \"key\";q=3;w=6"));
        let (of_tenant, reset) = (97 + left, 6 - 2 * left);
        let told = format!("\"tenant\";r={of_tenant};t=1, \"key\";r={left};t={reset}");
        assert_eq!(header(&headers, "ratelimit"), Some(told.as_str()));
    }
    for _ in 0..3 {
        let answer = refusal(&read(&mut host, NOW));
        assert_eq!(answer.status, 429);
        assert!(answer.body.contains("\"rate_limited\""));
        assert_eq!(header(&answer.headers, "retry-after"), Some("2"));
        // What one limit refused has not used up the other.
        let told = "\"tenant\";r=97;t=1, \"key\";r=0;t=6";
        assert_eq!(header(&answer.headers, "ratelimit"), Some(told));
    }
    assert!(matches!(read(&mut host, NOW + 2), Outcome::Forwarded(_)));
    assert_eq!(refusal(&read(&mut host, NOW + 2)).status, 429);
}

#[test]
fn a_costly_operation_counts_for_more() {
    let mut host = host(&json!({ "limits": {
        "key": { "emission_interval_us": 1_000_000, "burst": 40 },
    }}));
    let headers = [("authorization", KEY), ("idempotency-key", "a")];
    let mut import = || ask(&mut host, "POST", "/v1/catalog-imports", &headers, NOW);
    let left = |outcome: &Outcome| {
        let headers = answer_headers(outcome);
        header(&headers, "ratelimit").unwrap().to_owned()
    };
    assert_eq!(left(&import()), "\"key\";r=20;t=20");
    assert_eq!(left(&import()), "\"key\";r=0;t=40");
    assert_eq!(
        header(&refusal(&import()).headers, "retry-after"),
        Some("20")
    );
}

#[test]
fn a_shadow_limit_only_says_what_it_would_have_done() {
    let mut host = host(&json!({ "limits": {
        "key": { "emission_interval_us": 1_000_000, "burst": 1 }, "shadow": true,
    }}));
    for would_refuse in [false, true, true] {
        let Outcome::Forwarded(plan) = read(&mut host, NOW) else {
            panic!("refused");
        };
        assert_eq!(plan.is_over_limit(), would_refuse);
    }
}

#[test]
fn a_dead_limiter_stops_no_read_and_no_authentication_is_skipped() {
    let mut host = host(&json!({ "limits": {
        "key": { "emission_interval_us": 1_000_000, "burst": 1 },
    }}));
    host.limiter.is_dead = true;
    for _ in 0..10 {
        assert!(matches!(read(&mut host, NOW), Outcome::Forwarded(_)));
    }
    let nobody = ask(&mut host, "GET", "/v1/orders/ord_1", &[], NOW);
    assert_eq!(refusal(&nobody).status, 401);
}

#[test]
fn an_address_that_floods_is_refused_before_anything_is_looked_at() {
    let mut host = host(&json!({}));
    host.settings = Settings::parse(
        "{\"version\":1,\"address_limit\":{\"emission_interval_us\":1000000,\"burst\":2}}",
    )
    .unwrap();
    let mut ask = || ask(&mut host, "GET", "/v1/orders/ord_1", &[], NOW);
    assert_eq!(refusal(&ask()).status, 401);
    assert_eq!(refusal(&ask()).status, 401);
    let answer = refusal(&ask());
    assert_eq!(
        (answer.status, header(&answer.headers, "retry-after")),
        (429, Some("1"))
    );
}

#[test]
fn pages_of_the_tenant_may_read_answers_and_no_others() {
    let mut host = host(&json!({ "cors_origins": [SHOP] }));
    let headers = answer_headers(&read(&mut host, NOW));
    assert_eq!(header(&headers, "access-control-allow-origin"), Some(SHOP));
    assert_eq!(header(&headers, "vary"), Some("origin"));
    assert_eq!(header(&headers, "access-control-allow-credentials"), None);
    for origin in [
        "https://evil.example",
        "null",
        "https://shop.example.evil",
        "http://shop.example",
    ] {
        let headers = [("authorization", KEY), ("origin", origin)];
        let outcome = ask(&mut host, "GET", "/v1/orders/ord_1", &headers, NOW);
        let told = answer_headers(&outcome);
        assert_eq!(
            header(&told, "access-control-allow-origin"),
            None,
            "{origin}"
        );
        assert_eq!(header(&told, "vary"), Some("origin"), "{origin}");
    }
    // A page must be able to read why it was refused.
    let refused = ask(
        &mut host,
        "GET",
        "/v1/orders/ord_1",
        &[("origin", SHOP)],
        NOW,
    );
    let answer = refusal(&refused);
    assert_eq!(
        header(&answer.headers, "access-control-allow-origin"),
        Some(SHOP)
    );
}

#[test]
fn a_preflight_is_answered_without_a_credential() {
    let mut host = host(&json!({ "cors_origins": [SHOP] }));
    let mut preflight = |origin: &'static str, path: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        ask(&mut host, "OPTIONS", path, &headers, NOW)
    };
    let Outcome::Answered(answer) = preflight(SHOP, "/v1/orders") else {
        panic!("no answer");
    };
    assert_eq!(answer.status, 204);
    let told = |name| header(&answer.headers, name);
    assert_eq!(told("access-control-allow-origin"), Some(SHOP));
    assert_eq!(
        told("access-control-allow-methods"),
        Some("POST, GET, HEAD")
    );
    assert!(
        told("access-control-allow-headers")
            .unwrap()
            .contains("idempotency-key")
    );
    let Outcome::Answered(answer) = preflight("https://evil.example", "/v1/orders") else {
        panic!("no answer");
    };
    assert!(
        !answer
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("access-control-"))
    );
    assert_eq!(refusal(&preflight(SHOP, "/v1/nothing")).status, 404);
}

#[test]
fn what_the_record_says_besides_is_told_the_origin_and_signed() {
    let mut host = host(&json!({ "features": ["fast-quotes", "new-checkout"] }));
    for record in host.records.values_mut() {
        record.shard = Some("b".to_owned());
    }
    // What a client says of itself does not get there.
    let headers = [
        ("authorization", KEY),
        ("souk-shard", "a"),
        ("souk-features", "all"),
    ];
    let outcome = ask(&mut host, "GET", "/v1/orders/ord_1", &headers, NOW);
    let Outcome::Forwarded(plan) = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        plan.stripped(),
        ["authorization", "souk-shard", "souk-features"]
    );
    let key = SigningKey::new("k1", vec![7; 32]).unwrap();
    let ring = KeyRing::new(vec![key.clone()]).unwrap();
    let sealed = plan.seal(b"", &key, NOW).unwrap();
    assert_eq!(header(&sealed, "souk-shard"), Some("b"));
    assert_eq!(
        header(&sealed, "souk-features"),
        Some("fast-quotes new-checkout")
    );

    let verified = |headers: &[(&'static str, String)]| {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let parts = MessageParts {
            method: "GET",
            path: "/v1/orders/ord_1",
            query: None,
            headers: &headers,
            body: b"",
        };
        verify(&parts, &ring, NOW)
    };
    assert!(verified(&sealed).is_ok());
    for name in ["souk-shard", "souk-features"] {
        let mut altered = sealed.clone();
        for (own, value) in &mut altered {
            if *own == name {
                "c".clone_into(value);
            }
        }
        assert_eq!(verified(&altered), Err(SignatureError::Mismatch), "{name}");
        let without: Vec<_> = sealed
            .iter()
            .filter(|(own, _)| *own != name)
            .cloned()
            .collect();
        assert!(verified(&without).is_err(), "{name}");
    }
}

#[test]
fn a_canary_gets_its_share_and_always_the_same_callers() {
    let share = |percent: u8| {
        let mut host = host(&json!({ "canary_percent": percent }));
        let record = host.records.values().next().unwrap().clone();
        let mut canaries = 0_u32;
        for number in 0..1_000 {
            let mut record = record.clone();
            record.keys[0].principal = format!("caller-{number}").parse().unwrap();
            host.records
                .insert("host:demo.localhost".to_owned(), record);
            let mut is_canary = || match read(&mut host, NOW) {
                Outcome::Forwarded(plan) => plan.is_canary(),
                other @ (Outcome::Answered(_) | Outcome::Refused(_)) => panic!("{other:?}"),
            };
            let first = is_canary();
            assert_eq!(first, is_canary());
            canaries += u32::from(first);
        }
        canaries
    };
    assert_eq!(share(0), 0);
    assert_eq!(share(100), 1_000);
    assert!((70..130).contains(&share(10)));
}

#[test]
fn switches_turn_off_one_operation_or_all_writes_of_one_tenant_or_all() {
    let placing = [("authorization", KEY), ("idempotency-key", "a")];
    for (switch, reads, writes) in [
        ("place_order", true, false),
        ("writes", true, false),
        ("orders", false, false),
        ("all", false, false),
        ("payments", true, true),
        ("what a later edge knows", true, true),
    ] {
        let of_tenant = host(&json!({ "disabled": [switch] }));
        let mut of_all = host(&json!({}));
        let settings = json!({ "version": 1, "disabled": [switch] });
        of_all.settings = Settings::parse(&settings.to_string()).unwrap();
        for mut host in [of_tenant, of_all] {
            let is_on = |outcome: &Outcome| match outcome {
                Outcome::Forwarded(_) => true,
                refused @ (Outcome::Answered(_) | Outcome::Refused(_)) => {
                    assert!(refusal(refused).body.contains("operation_disabled"));
                    false
                }
            };
            assert_eq!(is_on(&read(&mut host, NOW)), reads, "{switch}");
            let placed = ask(&mut host, "POST", "/v1/orders", &placing, NOW);
            assert_eq!(is_on(&placed), writes, "{switch}");
        }
    }
}
