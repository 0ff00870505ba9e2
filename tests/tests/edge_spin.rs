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

use edge::{Edge, FULL, ONE, check_problem, ring};
use host::Running;
use origin::{Origin, Seen};
use serde_json::{Value, json};
use spin::{SpinHost, split};
use vectors::{entries, hostile_table, testdata};
use wire::{Answer, Call};
use worker::{SIGNING_KEY, SIGNING_KEY_ID};

const READ: &str = "/v1/orders/ord_1";
/// Vectors that Spin refuses by itself, before a component is asked.
const NOT_FOR_THE_GATEWAY: [&str; 2] = ["a host with two ports", "a query with a quote"];

/// A text of the vectors: as it is, or in parts of which some are repeated.
fn text(value: &Value) -> String {
    let Some(parts) = value["text"].as_array() else {
        return value.as_str().unwrap_or_default().to_owned();
    };
    let repeated = |part: &Value| {
        let times = usize::try_from(part["times"].as_u64().unwrap()).unwrap();
        part["repeat"].as_str().unwrap().repeat(times)
    };
    let part = |part: &Value| part.as_str().map_or_else(|| repeated(part), str::to_owned);
    parts.iter().map(part).collect()
}

/// The request of a vector, or nothing where HTTP/1.1 cannot say it or the connection has it for itself.
fn call(request: &Value) -> Option<Call> {
    let (method, host) = (request["method"].as_str()?, request["host"].as_str()?);
    let mut target = text(&request["path"]);
    if !request["query"].is_null() {
        target = format!("{target}?{}", text(&request["query"]));
    }
    let is_plain = |text: &str| text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if !target.starts_with('/') || !is_plain(&target) || host.is_empty() || host.contains('[') {
        return None;
    }
    let body = text(&request["body"]);
    let mut call = Call::new(method, host, &target);
    if !body.is_empty() {
        call = call.body(body.clone());
    }
    for header in request["headers"].as_array()? {
        let (name, value) = (header[0].as_str()?, text(&header[1]));
        if name == "content-length" && value == body.len().to_string() {
            continue;
        }
        let of_connection = ["connection", "content-length", "host", "te"].contains(&name);
        if of_connection || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return None;
        }
        call = call.header(name, &value);
    }
    Some(call)
}

/// The vectors' gateway with one of their records: at their time, under their key.
fn start(vectors: &Value, record: Option<&str>, origin: &Origin) -> Running {
    let mut entries = Vec::new();
    if let Some(record) = record {
        let record = &vectors["records"][record];
        let tenant = record["tenant_id"].as_str().unwrap();
        for key in ["host:demo.localhost".to_owned(), format!("tenant:{tenant}")] {
            entries.push((key, record.to_string()));
        }
    }
    let url = origin.url();
    let (base, path) = split(&url);
    let more = json!({
        "now_unix_s": vectors["now_unix_s"],
        "variables": {
            "origin": base,
            "origin_path": path,
            "region": vectors["served_region"],
            "signing_key_id": vectors["signing_key"]["id"],
            "signing_key": vectors["signing_key"]["secret"],
        },
    });
    Running::of_spin(SpinHost::start_with(&origin.url(), &entries, None, &more))
}

fn check_forwarded(name: &str, expected: &Value, answer: &Answer, seen: &[Seen]) {
    assert_eq!(seen.len(), 1, "{name}: {answer:?}");
    let seen = &seen[0];
    let target = match &seen.query {
        Some(query) => format!("{}?{query}", seen.path),
        None => seen.path.clone(),
    };
    assert_eq!(target, text(&expected["target"]), "{name}");
    let set = expected["headers"].as_object().unwrap();
    for (header, value) in set {
        // The id is made anew, and so is what is signed with it.
        if !["souk-request-id", "signature", "signature-input"].contains(&header.as_str()) {
            assert_eq!(seen.header(header), value.as_str(), "{name}: {header}");
        }
    }
    for header in expected["stripped"].as_array().unwrap() {
        let header = header.as_str().unwrap();
        let is_set = header.starts_with("souk-") || header.starts_with("signature");
        let is_own = ["content-digest", "content-length", "host", "traceparent"].contains(&header);
        assert!(
            is_set || is_own || seen.header(header).is_none(),
            "{name}: {header}"
        );
    }
}

#[test]
fn decisions_are_the_same_as_natively() {
    let vectors = testdata("decisions.json");
    let cases = vectors["cases"].as_array().unwrap();
    let mut records: Vec<Option<&str>> = cases.iter().map(|case| case["record"].as_str()).collect();
    records.sort_unstable();
    records.dedup();
    let mut asked = 0;
    for record in records {
        let key = &vectors["signing_key"];
        let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
        let origin = Origin::start(ring(id, secret));
        let gateway = start(&vectors, record, &origin);
        for case in cases
            .iter()
            .filter(|case| case["record"].as_str() == record)
        {
            let name = case["name"].as_str().unwrap();
            let Some(call) = call(&case["request"]) else {
                continue;
            };
            asked += 1;
            let answer = call.send(gateway.port);
            let seen = origin.take_seen();
            let expect = &case["expect"];
            if NOT_FOR_THE_GATEWAY.contains(&name) {
                assert!((400..=500).contains(&answer.status), "{name}: {answer:?}");
                assert_eq!((seen.len(), answer.body.len()), (0, 0), "{name}");
            } else if let Some(refused) = expect.get("refused") {
                assert_eq!(refused["status"], answer.status, "{name}: {answer:?}");
                if case["request"]["method"] != "HEAD" {
                    assert_eq!(refused["code"], answer.json()["code"], "{name}: {answer:?}");
                }
                assert_eq!(seen.len(), 0, "{name}");
            } else if let Some(answered) = expect.get("answered") {
                assert_eq!(answered["status"], answer.status, "{name}");
                assert_eq!(seen.len(), 0, "{name}");
            } else {
                check_forwarded(name, &expect["forwarded"], &answer, &seen);
            }
        }
        gateway.stop();
    }
    assert!(asked >= 95, "{asked} of {} vectors were asked", cases.len());
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
