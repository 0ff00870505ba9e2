//! The policy's vectors in workerd and in what stands for Spin: tokens, hostile requests and decisions, as the
//! native tests have them, and what only a running edge shows: keys that are fetched, limits that count.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    dead_code,
    reason = "tests"
)]

#[path = "support/decisions.rs"]
mod decisions;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/host.rs"]
mod host;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/process.rs"]
mod process;
#[path = "support/spin.rs"]
mod spin;
#[path = "support/vectors.rs"]
mod vectors;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/worker.rs"]
mod worker;

use decisions::{Decisions, text};
use edge::{check_problem, ring};
use host::{Host, Running, on_both_hosts};
use origin::{Origin, Reply};
use serde_json::{Value, json};
use spin::SpinHost;
use std::collections::BTreeSet;
use std::thread;
use vectors::{entries, hostile_table, testdata};
use wire::{Answer, Call};
use worker::{SIGNING_KEY, SIGNING_KEY_ID, Worker};

on_both_hosts![
    every_token_has_its_verdict,
    hostile_requests_are_refused_for_the_right_reason,
    a_flood_of_unknown_key_ids_and_an_issuer_that_is_down,
    the_limiter_counts_across_requests_and_tells_its_state,
    pages_of_the_tenant_are_told_that_they_may_ask,
    a_providers_webhook_passes_without_a_credential_and_as_it_came,
    the_log_says_what_became_of_each_request_and_nothing_of_who_sent_it,
];

const READ: &str = "/v1/orders/ord_1";
const ONE: &str = "one.localhost";
const KEY_A: &str = "souk_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The edge with the records of the table of hostile requests, an origin, and the issuers' keys at a
/// server of their own.
struct Place {
    running: Running,
    origin: Origin,
    issuers: Origin,
    tokens: Value,
    table: Value,
}

impl Place {
    fn start(host: Host, change: impl FnOnce(&mut Value)) -> Self {
        let tokens = testdata("tokens.json");
        let origin = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
        let issuers = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
        let keys_host = format!("127.0.0.1:{}", issuers.port());
        for (url, jwks) in tokens["jwks"].as_object().unwrap() {
            let path = url.strip_prefix("https://keys.example").unwrap();
            let headers = vec![("cache-control", "max-age=600")];
            issuers.reply(path, Reply::With(200, headers, jwks.to_string().into()));
        }
        let mut table = hostile_table(&keys_host);
        change(&mut table);
        let entries = entries(&table);
        let issuers_url = format!("http://{keys_host}");
        let running = match host {
            Host::Workerd => Running::start(host, &origin.url(), &entries),
            Host::Spin => {
                // Where the vectors say who calls.
                let more = json!({ "client_address_header": "cf-connecting-ip" });
                let issuers_url = Some(issuers_url.as_str());
                let spin = SpinHost::start_with(&origin.url(), &entries, issuers_url, &more);
                Running::of_spin(spin)
            }
        };
        Self {
            running,
            origin,
            issuers,
            tokens,
            table,
        }
    }

    fn token(&self, name: &str) -> &str {
        let cases = self.tokens["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == *name);
        case.unwrap()["token"].as_str().unwrap()
    }

    fn send(&self, call: &Call) -> Answer {
        call.send(self.running.port)
    }

    /// Stops the edge; what it has logged has no secret and no token.
    fn stop(self) -> String {
        let log = self.running.stop();
        for secret in ["souk_sk_", "souk_pk_", "eyJ", SIGNING_KEY, "user-1"] {
            assert!(!log.contains(secret), "{secret} is logged:\n{log}");
        }
        log
    }
}

fn read(token: &str) -> Call {
    Call::new("GET", ONE, READ).key(token)
}

fn every_token_has_its_verdict(host: Host) {
    let place = Place::start(host, |_| {});
    for case in place.tokens["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let token = case["token"].as_str().unwrap();
        if token.contains(['{', ' ']) {
            continue; // Not even a header's value.
        }
        let answer = place.send(&read(token));
        let expect = &case["expect"];
        let seen = place.origin.take_seen();
        if let Some(accepted) = expect.get("accepted") {
            if accepted["scopes"].as_str().unwrap().contains("orders:read") {
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                let identity = seen[0].identity();
                assert_eq!(
                    identity.principal,
                    accepted["principal"].as_str().unwrap(),
                    "{name}"
                );
                assert_eq!(
                    identity.scopes.to_string(),
                    accepted["scopes"].as_str().unwrap()
                );
            } else {
                check_problem(name, &answer, 403, "scope_missing");
            }
            continue;
        }
        let code = match expect["refused"].as_str().unwrap() {
            "expired" => "credential_expired",
            _ => "credential_invalid",
        };
        check_problem(name, &answer, 401, code);
        assert_eq!(seen.len(), 0, "{name}");
    }
    // All of them, with eight unknown key ids among them, have cost two fetches of a set at most.
    let fetched = place.issuers.take_seen();
    assert!(fetched.len() <= 8, "{}", fetched.len());
    place.stop();
}

fn hostile_requests_are_refused_for_the_right_reason(host: Host) {
    let place = Place::start(host, |_| {});
    for case in place.table["cases"].as_array().unwrap() {
        if case["only"] == "native" {
            continue;
        }
        let text = |name: &str| case[name].as_str().unwrap();
        let mut call = Call::new(text("method"), text("host"), text("target"));
        let mut declared = None;
        for header in case["headers"].as_array().unwrap() {
            let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
            if name == "content-length" {
                declared = value.parse().ok();
            } else {
                call = call.header(name, value);
            }
        }
        if let Some(token) = case["token"].as_str() {
            call = call.key(place.token(token));
        }
        if let Some(body) = case["body"].as_str() {
            call = call.body(body);
        }
        if let Some(bytes) = declared {
            call = call.declare(bytes);
        }
        let in_workerd = case.get("in_workerd").filter(|_| host == Host::Workerd);
        let expect = in_workerd.unwrap_or(&case["expect"]);
        let status = u16::try_from(expect["status"].as_u64().unwrap()).unwrap();
        let answer = place.send(&call);
        check_problem(
            text("name"),
            &answer,
            status,
            expect["code"].as_str().unwrap(),
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(place.origin.take_seen().len(), 0, "{}", text("name"));
    }
    let wildcard = Call::new("GET", "any.shops.example", READ)
        .key("souk_sk_DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD");
    for good in [read(KEY_A), read(place.token("ES256")), wildcard] {
        assert_eq!(place.send(&good).status, 200);
    }
    place.stop();
}

fn a_flood_of_unknown_key_ids_and_an_issuer_that_is_down(host: Host) {
    let place = Place::start(host, |_| {});
    let unknown = place.token("the key id \"ES-1\"");
    flood(&place, unknown);
    let fetched = place.issuers.take_seen().len();
    assert!(fetched >= 1);
    // Who comes after that knows what was fetched.
    flood(&place, unknown);
    assert_eq!(place.issuers.take_seen().len(), 0);
    assert_eq!(place.send(&read(place.token("ES256"))).status, 200);

    place
        .issuers
        .reply("/ed.json", Reply::With(500, vec![], vec![]));
    let answer = place.send(&read(place.token("EdDSA")));
    check_problem("an issuer that is down", &answer, 503, "keys_unavailable");
    assert!(answer.header("retry-after").is_some());
    let large = vec![b' '; 64 * 1024 + 1];
    place
        .issuers
        .reply("/rs.json", Reply::With(200, vec![], large));
    let answer = place.send(&read(place.token("RS256")));
    check_problem(
        "a key set that is too large",
        &answer,
        503,
        "keys_unavailable",
    );
    // Others are not troubled.
    assert_eq!(place.send(&read(place.token("ES256"))).status, 200);
    let log = place.stop();
    assert!(log.contains("edge.problem code=keys_unavailable"), "{log}");
    // One for each that has a memory of its own.
    let fetched_max = match host {
        Host::Workerd => 1,
        Host::Spin => log.matches("spin-host: an instance begins").count(),
    };
    assert!(fetched <= fetched_max, "{fetched} fetches of {fetched_max}");
}

/// Forty requests at once with a key id that the issuer does not have.
fn flood(place: &Place, token: &str) {
    let (call, port) = (read(token), place.running.port);
    let answers: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| call.send(port).status))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
}

fn the_limiter_counts_across_requests_and_tells_its_state(host: Host) {
    let place = Place::start(host, |table| {
        table["records"]["host:one.localhost"]["policy"]["limits"] = json!({
            "tenant": { "emission_interval_us": 3_600_000_000_u64, "burst": 20 },
            "key": { "emission_interval_us": 3_600_000_000_u64, "burst": 5 },
        });
    });
    // A limiter that is late says nothing, and reads pass: under load, that happens.
    let first = until(&place, &read(KEY_A), |answer| {
        answer.header("ratelimit-policy").is_some()
    });
    assert_eq!(first.status, 200, "{first:?}");
    let policy = "\"tenant\";q=20;w=72000, \"key\";q=5;w=18000";
    assert_eq!(first.header("ratelimit-policy"), Some(policy));
    assert!(
        first
            .header("ratelimit")
            .unwrap()
            .starts_with("\"tenant\";r=")
    );
    let (call, port) = (read(KEY_A), place.running.port);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| call.send(port).status))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(passed + refused, 30, "{statuses:?}");
    let other = place.send(&read("souk_sk_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"));
    assert_eq!(
        other.status, 200,
        "another key has limits of its own: {other:?}"
    );
    let answer = until(&place, &read(KEY_A), |answer| answer.status == 429);
    check_problem("over the limit", &answer, 429, "rate_limited");
    let retry_after: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&retry_after), "{retry_after}");
    place.stop();
}

/// Vectors that no URL says: they never come to a worker.
const NO_URLS: [&str; 3] = [
    "a path without a slash",
    "an empty path",
    "OPTIONS of the whole server",
];

#[test]
fn decisions_are_the_same_as_natively() {
    let decisions = Decisions::read();
    let worker = Worker::start_harness();
    let call = Call::new("POST", "harness.localhost", "/").body(decisions.file.to_string());
    let answer = call.send(worker.port);
    let shown = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{shown}");
    let told = answer.json();
    let told = told.as_array().unwrap();
    assert_eq!(told.len(), decisions.cases().len());
    let (mut no_urls, mut wrong) = (Vec::new(), Vec::new());
    for (case, told) in decisions.cases().iter().zip(told) {
        let name = case["name"].as_str().unwrap();
        if !text(&case["request"]["path"]).starts_with('/') {
            no_urls.push(name);
            continue;
        }
        let (id, mut outcome) = (told["id"].as_str().unwrap(), told["outcome"].clone());
        if outcome["forwarded"].is_object() {
            decisions.verify(case, &outcome, id);
        }
        let expected = decisions.expected(case, id);
        Decisions::spoken_of(&expected, &mut outcome);
        if outcome != expected {
            wrong.push(format!("{name}: {outcome} in place of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(no_urls, NO_URLS);
    worker.stop();
}

fn product(code: &str) -> Call {
    Call::new("GET", ONE, &format!("/v1/products/{code}"))
}

/// Asks until `is_so`; the number of times is bounded, and each takes its time.
fn until(place: &Place, call: &Call, is_so: impl Fn(&Answer) -> bool) -> Answer {
    for _ in 0..2_000 {
        let answer = place.send(call);
        if is_so(&answer) {
            return answer;
        }
    }
    panic!("it does not come about: {:?}", place.send(call));
}

#[test]
fn public_answers_are_kept_as_long_as_the_origin_says_and_longer_when_it_is_down() {
    let mut place = Place::start(Host::Workerd, |_| {});
    let tea = |control: &'static str| {
        let headers = vec![
            ("cache-control", control),
            ("etag", "\"1\""),
            ("x-amzn-requestid", "internal"),
        ];
        Reply::With(200, headers, b"{\"code\":\"TEA\"}".to_vec())
    };
    for (code, control) in [
        ("KEPT", "public, max-age=600"),
        ("PRIVATE", "private, max-age=600"),
        ("BRIEF", "max-age=1"),
    ] {
        place
            .origin
            .reply(&format!("/v1/products/{code}"), tea(control));
    }
    let (first, second) = (place.send(&product("KEPT")), place.send(&product("KEPT")));
    assert_eq!(place.origin.take_seen().len(), 1);
    assert_eq!((second.status, &second.body), (200, &first.body));
    assert_eq!(second.header("cache-status"), Some("souk-edge; hit"));
    assert_eq!(second.header("etag"), Some("\"1\""));
    assert_eq!(second.header("x-amzn-requestid"), None);
    assert!(second.header("age").is_some());
    assert_ne!(
        first.header("souk-request-id"),
        second.header("souk-request-id")
    );
    // What somebody in particular gets is nobody else's.
    for call in [
        product("PRIVATE"),
        product("PRIVATE"),
        product("KEPT").key(KEY_A),
    ] {
        assert_eq!(place.send(&call).status, 200);
        assert_eq!(place.origin.take_seen().len(), 1);
    }

    assert_eq!(place.send(&product("BRIEF")).status, 200);
    place.origin.reply(
        "/v1/products/BRIEF",
        Reply::With(503, vec![("retry-after", "1")], vec![]),
    );
    let stale = until(&place, &product("BRIEF"), |answer| {
        answer.header("cache-status") == Some("souk-edge; fwd=stale")
    });
    assert_eq!((stale.status, &stale.body), (200, &first.body));

    // An origin that is gone is left alone after a while; what is kept is still given.
    place.origin.stop();
    let answer = until(&place, &read(KEY_A), |answer| answer.status == 503);
    check_problem("an origin that is gone", &answer, 503, "origin_unavailable");
    assert!(answer.header("retry-after").is_some());
    for code in ["KEPT", "BRIEF"] {
        assert_eq!(place.send(&product(code)).status, 200, "{code}");
    }
    place.stop();
}

fn pages_of_the_tenant_are_told_that_they_may_ask(host: Host) {
    let place = Place::start(host, |_| {});
    let preflight = |origin: &str| {
        let call = Call::new("OPTIONS", ONE, "/v1/orders").header("Origin", origin);
        place.send(&call.header("Access-Control-Request-Method", "POST"))
    };
    let answer = preflight("https://shop.example");
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    assert_eq!(
        preflight("https://evil.example").header("access-control-allow-origin"),
        None
    );
    let answer = place.send(&read(KEY_A).header("Origin", "https://shop.example"));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    assert_eq!(answer.header("vary"), Some("origin"));
    let refused = place.send(&Call::new("GET", ONE, READ).header("Origin", "https://shop.example"));
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    place.stop();
}

fn a_providers_webhook_passes_without_a_credential_and_as_it_came(host: Host) {
    let place = Place::start(host, |_| {});
    let tenant = "ten_0197c0de8f2b7c3a9d4e5f6071829304";
    let webhook = |tenant: &str| {
        let target = format!("/v1/psp/stripe/{tenant}");
        let call = Call::new("POST", "nobody.localhost", &target);
        call.header("Stripe-Signature", "t=1763700000,v1=5257a869")
    };
    let body = b"{ \"id\" : \"evt_1\",\r\n\t\"amount\": 1.50 }";
    let call = webhook(tenant).key(KEY_A).header("souk-principal", "shop");
    let answer = place.send(&call.body(body.as_slice()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = place.origin.take_one();
    let identity = seen.identity();
    assert_eq!(identity.principal, "psp");
    assert_eq!(identity.tenant.to_string(), tenant);
    assert!(identity.scopes.is_empty());
    // The provider's signature is over these bytes.
    assert_eq!(seen.body, body);
    assert_eq!(
        seen.header("stripe-signature"),
        Some("t=1763700000,v1=5257a869")
    );
    assert_eq!(seen.header("authorization"), None);
    for (name, path_tenant) in [
        (
            "another tenant's id",
            "ten_0197c0de8f2b7c3a9d4e5f60718293aa",
        ),
        ("no id", "one.localhost"),
    ] {
        let answer = place.send(&webhook(path_tenant).body("{}"));
        check_problem(name, &answer, 404, "tenant_not_found");
    }
    let large = webhook(tenant).body(vec![b' '; 256 * 1024 + 1]);
    check_problem("too large", &place.send(&large), 413, "body_too_large");
    assert_eq!(place.origin.take_seen().len(), 0);
    place.stop();
}

/// What a line of a request may say.
const LOGGED: [&str; 8] = [
    "code",
    "duration_ms",
    "event",
    "operation",
    "over_limit",
    "request_id",
    "status",
    "tenant",
];

fn the_log_says_what_became_of_each_request_and_nothing_of_who_sent_it(host: Host) {
    let place = Place::start(host, |_| {});
    let mark = "erika.mustermann";
    let posted = Call::new("POST", ONE, &format!("/v1/orders?note={mark}"))
        .header("Idempotency-Key", mark)
        .header("X-Note", mark)
        .header("User-Agent", mark)
        .header("Cookie", mark)
        .header("CF-Connecting-IP", "198.51.100.77")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    let calls = [
        posted
            .clone()
            .key(KEY_A)
            .body(format!("{{\"email\":\"{mark}@example.com\"}}")),
        posted.body(mark),
        Call::new("GET", ONE, &format!("/v1/orders/{mark}")).key(place.token("ES256")),
        Call::new("GET", ONE, &format!("/v1/orders/{mark}")).key(mark),
        Call::new("GET", &format!("{mark}.localhost"), "/v1/products"),
        Call::new("GET", ONE, &format!("/{mark}")),
    ];
    for call in &calls {
        place.send(call);
    }
    let log = place.stop();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("edge.request") || line.contains("edge.problem"))
        .collect();
    // What is printed lies in a file too.
    let mut requests = BTreeSet::new();
    for line in lines {
        for secret in [
            mark,
            "198.51.100.77",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "user-1",
        ] {
            assert!(!line.contains(secret), "{secret} is logged: {line}");
        }
        let Ok(Value::Object(said)) = serde_json::from_str(line.trim()) else {
            continue;
        };
        assert!(
            said.keys().all(|name| LOGGED.contains(&name.as_str())),
            "{line}"
        );
        assert!(said["status"].is_u64(), "{line}");
        requests.insert(said["request_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(requests.len(), calls.len(), "{log}");
}
