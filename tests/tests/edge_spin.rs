//! What only the gateway has: the policy's decisions as its component makes them, and what it answers when Spin
//! gives it less than it needs.
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
#[path = "support/spin_decisions.rs"]
mod spin_decisions;
#[path = "support/vectors.rs"]
mod vectors;
#[path = "support/wire.rs"]
mod wire;
#[path = "support/worker.rs"]
mod worker;

use decisions::{Decisions, pairs};
use edge::{Edge, FULL, ONE, check_problem, ring};
use host::Running;
use origin::Origin;
use serde_json::{Value, json};
use spin::SpinHost;
use spin_decisions::{SpinPlace, call};
use std::collections::BTreeMap;
use vectors::{entries, hostile_table, testdata};
use wire::Call;
use worker::{SIGNING_KEY, SIGNING_KEY_ID};

const READ: &str = "/v1/orders/ord_1";
/// Vectors that Spin refuses by itself, before a component is asked.
const NOT_FOR_THE_GATEWAY: [&str; 2] = ["a host with two ports", "a query with a quote"];
/// Vectors that no HTTP/1.1 request says, or that its server answers.
const NO_REQUESTS: [&str; 13] = [
    "a space in the path",
    "a letter outside of ASCII in the path",
    "a path without a slash",
    "an empty path",
    "an idempotency key outside of ASCII",
    "a consistency token with other characters",
    "an empty host",
    "a declared body of very many bytes",
    "a declared body of 256 KiB",
    "a content length that is none",
    "a negative content length",
    "OPTIONS of the whole server",
    "an empty content length",
];
/// Vectors of what `wasi:http` hides from a component: what `Connection` nominates (docs/adr/0023).
const HIDDEN: [&str; 4] = [
    "nothing a client says of itself reaches the origin",
    "a consistency token that Connection nominates stays behind",
    "headers that Connection nominates stay behind, however they are written",
    "two Connection headers nominate both",
];
/// How often those are asked again whose limiter was late.
const ROUNDS_MAX: usize = 5;

#[test]
fn decisions_are_the_same_as_natively() {
    let decisions = Decisions::read();
    let name = |case: &Value| case["name"].as_str().unwrap().to_owned();
    let (mut no_requests, mut hidden) = (Vec::new(), Vec::new());
    let mut by_settings: BTreeMap<Option<&str>, Vec<&Value>> = BTreeMap::new();
    for case in decisions.cases() {
        let headers = pairs(&case["request"]);
        if headers.iter().any(|(name, _)| name == "connection") {
            hidden.push(name(case));
        } else if call(case, None).is_none() {
            no_requests.push(name(case));
        } else {
            by_settings
                .entry(case["settings"].as_str())
                .or_default()
                .push(case);
        }
    }
    assert_eq!(no_requests, NO_REQUESTS);
    assert_eq!(hidden, HIDDEN);
    for (settings, mut cases) in by_settings {
        let mut told = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let place = SpinPlace::start(&decisions, settings, &cases);
            let (wrong, is_late) = place.wrong(&cases, &NOT_FOR_THE_GATEWAY);
            told = wrong;
            // A limiter that is late says nothing: under load, that happens.
            if told.is_empty() || !is_late {
                break;
            }
            cases = told.iter().map(|(case, _)| *case).collect();
        }
        let told: Vec<String> = told
            .iter()
            .map(|(case, how)| format!("{}: {how}", name(case)))
            .collect();
        assert!(
            told.is_empty(),
            "{settings:?}: {}\n{}",
            told.len(),
            told.join("\n")
        );
    }
}

/// The gateway for one tenant with limits, in a Spin of which something is wrong.
fn troubled(origin: &Origin, more: &Value) -> Running {
    let mut record = testdata("hostile.json")["records"]["host:one.localhost"].clone();
    record["policy"]["limits"] = json!({
        "key": { "emission_interval_us": 3_600_000_000_u64, "burst": 3 },
    });
    let entries = [(format!("host:{ONE}"), record.to_string())];
    Running::of_spin(SpinHost::start_with(&origin.url(), &entries, None, more))
}

fn origin() -> Origin {
    Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY))
}

const KEY_A: &str = "souk_sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn read() -> Call {
    Call::new("GET", ONE, READ).key(KEY_A)
}

fn place(number: u32) -> Call {
    let call = Call::new("POST", ONE, "/v1/orders").key(KEY_A).body("{}");
    call.header("Idempotency-Key", &format!("k-{number}"))
}

#[test]
fn without_the_store_nobody_is_let_through() {
    for prefix in ["host:", "edge:"] {
        let origin = origin();
        let gateway = troubled(&origin, &json!({ "faults": { prefix: "error" } }));
        let answer = read().send(gateway.port);
        check_problem(prefix, &answer, 503, "routing_unavailable");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(origin.take_seen().len(), 0);
        let log = gateway.stop();
        assert!(
            log.contains("edge.problem code=routing_unavailable"),
            "{log}"
        );
    }
}

#[test]
fn a_limiter_that_is_dead_lets_reads_pass_and_counts_effects_in_memory() {
    for fault in ["error", "silence"] {
        let origin = origin();
        let gateway = troubled(&origin, &json!({ "faults": { "limit:": fault } }));
        for _ in 0..10 {
            let answer = read().send(gateway.port);
            assert_eq!(answer.status, 200, "{fault}: {answer:?}");
            assert_eq!(answer.header("ratelimit"), None, "{fault}");
        }
        let statuses: Vec<u16> = (0..6).map(|n| place(n).send(gateway.port).status).collect();
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert!((1..=3).contains(&passed), "{fault}: {statuses:?}");
        assert_eq!(statuses[5], 429, "{fault}: {statuses:?}");
        let log = gateway.stop();
        assert!(
            log.contains("edge.problem code=limiter_unavailable"),
            "{log}"
        );
    }
}

#[test]
fn what_one_instance_has_counted_the_next_one_knows() {
    let origin = origin();
    // A new instance for each request.
    let gateway = troubled(&origin, &json!({ "requests_per_instance": 1 }));
    let statuses: Vec<u16> = (0..8).map(|_| read().send(gateway.port).status).collect();
    let passed = statuses.iter().filter(|status| **status == 200).count();
    // A write that nobody waits for may come after the next read.
    assert!((3..=5).contains(&passed), "{statuses:?}");
    assert_eq!(statuses[7], 429, "{statuses:?}");
    gateway.stop();
}

#[test]
fn a_variable_that_is_malformed_is_said_in_the_log_and_not_to_clients() {
    let origin = origin();
    let variables = json!({
        "origin": "http://127.0.0.1:9",
        "region": "local",
        "signing_key_id": "k1",
        "signing_key": "not-a-key-in-base64",
    });
    let gateway = troubled(&origin, &json!({ "variables": variables }));
    let answer = read().send(gateway.port);
    check_problem("a malformed key", &answer, 500, "edge_misconfigured");
    let log = gateway.stop();
    assert!(
        log.contains("edge.problem code=edge_misconfigured"),
        "{log}"
    );
    assert!(!log.contains("not-a-key-in-base64"), "{log}");
}

#[test]
fn what_the_manifest_does_not_allow_is_not_reached() {
    let (origin, issuers) = (origin(), origin());
    let tokens = testdata("tokens.json");
    let case = &tokens["cases"].as_array().unwrap()[0];
    let keys = format!("127.0.0.1:{}", issuers.port());
    let entries = entries(&hostile_table(&keys));
    let gateway = Running::of_spin(SpinHost::start(&origin.url(), &entries));
    let token = case["token"].as_str().unwrap();
    let answer = Call::new("GET", ONE, READ).key(token).send(gateway.port);
    check_problem(
        "keys of a host that is not allowed",
        &answer,
        503,
        "keys_unavailable",
    );
    assert_eq!(issuers.take_seen().len(), 0);
    gateway.stop();
}

#[test]
fn who_is_denied_cannot_say_that_it_is_another() {
    let origin = origin();
    let mut table = testdata("hostile.json");
    table["settings"]["denied"] = json!(["127.0.0.0/8"]);
    let gateway = Running::of_spin(SpinHost::start(&origin.url(), &entries(&table)));
    for (name, value) in [
        ("spin-client-addr", "203.0.113.9:4711"),
        ("cf-connecting-ip", "203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9"),
    ] {
        let answer = read().header(name, value).send(gateway.port);
        check_problem(name, &answer, 403, "address_denied");
        assert_eq!(origin.take_seen().len(), 0, "{name}");
    }
    gateway.stop();
}

#[test]
fn the_log_has_a_line_for_each_request_and_no_secret() {
    let edge = Edge::start(host::Host::Spin);
    let (answer, _) = edge.pass("reading", &Call::new("GET", ONE, READ).key(FULL.secret));
    assert!(
        answer
            .header("server-timing")
            .unwrap()
            .starts_with("edge;dur=")
    );
    let id = answer.header("souk-request-id").unwrap().to_owned();
    let log = edge.stop();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["event"], "edge.request");
    assert_eq!(line["status"], 200);
    assert_eq!(line["operation"], "get_order");
    assert!(line["duration_ms"].is_u64());
}
