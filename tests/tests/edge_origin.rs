//! What the built worker does when others fail or are slow: the origin, the limiter, the store; and that one fetch
//! serves all who ask at the same time, but nobody who asks for something of his own.
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
#[path = "support/wire.rs"]
mod wire;
#[path = "support/worker.rs"]
mod worker;

use edge::{FULL, ONE, TENANT_ONE, TENANT_TWO, TWO, check_problem, ring};
use origin::{Gate, MARK, Origin, Reply};
use serde_json::{Value, json};
use wire::{Answer, Call, UnderWay};
use worker::{REGION, SIGNING_KEY, SIGNING_KEY_ID, Worker};

const CLIENTS: usize = 50;
const PRODUCT: &str = "/v1/products/TEA";

struct Place {
    worker: Worker,
    origin: Origin,
}

/// The records of two tenants; the first one's key may read and write, and comes as often as `limits` say.
fn entries(limits: &Value) -> Vec<(String, String)> {
    let key = json!({
        "id": FULL.id, "principal": FULL.id, "expires_at": null,
        "sha256": "c1e7b6092b2f5c2659c06f9859b3350b84fb43a77c1ef8f101aca6136a118862",
        "scopes": ["orders:read", "orders:write"],
    });
    let record = |tenant: &str, keys: &[&Value]| {
        json!({
            "version": 3, "tenant_id": tenant, "status": "active", "region": REGION, "keys": keys,
            "policy": { "plan": "test", "limits": limits },
        })
        .to_string()
    };
    vec![
        (format!("host:{ONE}"), record(TENANT_ONE, &[&key])),
        (format!("host:{TWO}"), record(TENANT_TWO, &[])),
    ]
}

impl Place {
    fn start() -> Self {
        Self::start_set("")
    }

    fn start_set(settings: &str) -> Self {
        let origin = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
        let worker = Worker::start_set(&origin.url(), &entries(&json!({})), settings);
        Self { worker, origin }
    }

    fn start_within(around: &str, limits: &Value) -> Self {
        let origin = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
        let worker = Worker::start_within(around, &origin.url(), &entries(limits));
        Self { worker, origin }
    }

    fn send(&self, call: &Call) -> Answer {
        call.send(self.worker.port)
    }

    /// Sends them all, and makes sure that the worker has read them.
    fn begin(&self, calls: impl IntoIterator<Item = Call>) -> Vec<UnderWay> {
        let port = self.worker.port;
        let under_way = calls.into_iter().map(|call| call.begin(port)).collect();
        for _ in 0..3 {
            assert_eq!(self.send(&read(ONE, "/healthz")).status, 200);
        }
        under_way
    }
}

fn read(host: &str, target: &str) -> Call {
    Call::new("GET", host, target)
}

fn place() -> Call {
    let call = Call::new("POST", ONE, "/v1/orders").key(FULL.secret);
    call.header("Idempotency-Key", "its-own").body("{}")
}

fn tea(control: &'static str) -> Reply {
    let body = b"{\"code\":\"TEA\"}".to_vec();
    Reply::With(200, vec![("cache-control", control)], body)
}

fn failure() -> Reply {
    Reply::With(503, vec![], b"down".to_vec())
}

#[test]
fn fifty_who_ask_for_the_same_cost_the_origin_one_request() {
    let place = Place::start();
    let gate = Gate::closed();
    let reply = Reply::Behind(gate.clone(), Box::new(tea("public, max-age=600")));
    place.origin.reply(PRODUCT, reply);
    let mut under_way = place.begin([read(ONE, PRODUCT)]);
    place.origin.wait_for_one();
    under_way.extend(place.begin((1..CLIENTS).map(|_| read(ONE, PRODUCT))));
    let head = place.begin([Call::new("HEAD", ONE, PRODUCT)]);
    gate.open();
    let mut ids = Vec::new();
    for one in under_way {
        let answer = one.end();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"{\"code\":\"TEA\"}"[..])
        );
        ids.push(answer.header("souk-request-id").unwrap().to_owned());
    }
    for one in head {
        let answer = one.end();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b""[..]));
    }
    assert_eq!(place.origin.take_seen().len(), 1);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CLIENTS, "each has an id of its own");
    place.worker.stop();
}

/// Calls with marks of their own, so that each can tell its answer from another's.
fn marked(calls: impl IntoIterator<Item = Call>) -> Vec<Call> {
    let calls = calls.into_iter().enumerate();
    calls
        .map(|(at, call)| call.header(MARK, &format!("mark-{at}")))
        .collect()
}

fn has_mark(answer: &Answer, at: usize) {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status, &*body), (200, &*format!("mark-{at}")));
}

#[test]
fn nobody_gets_what_is_somebody_elses() {
    let place = Place::start();
    // Each of these has to reach the origin while none of the others is answered.
    let gate = Gate::closed();
    let shared = Reply::Marked(vec![("cache-control", "public, max-age=600")]);
    let reply = Reply::Behind(gate.clone(), Box::new(shared));
    place.origin.reply(PRODUCT, reply);
    let latest = || read(ONE, PRODUCT).header("souk-consistency", "0/16B3748");
    let with_key = || read(ONE, PRODUCT).key(FULL.secret);
    let calls = [
        read(ONE, PRODUCT),
        read(TWO, PRODUCT),
        with_key(),
        with_key(),
        read(ONE, "/v1/products/TEA?a=1"),
        latest(),
        latest(),
    ];
    let count = calls.len();
    let under_way = place.begin(marked(calls));
    place.origin.wait_for(count);
    gate.open();
    for (at, one) in under_way.into_iter().enumerate() {
        has_mark(&one.end(), at);
    }
    let seen = place.origin.take_seen();
    assert_eq!(seen.len(), count);
    let of_two = seen
        .iter()
        .filter(|seen| seen.header("souk-tenant") == Some(TENANT_TWO));
    assert_eq!(of_two.count(), 1);
    // What is kept now is given to nobody with a credential or who wants the latest.
    for (at, call) in marked([with_key(), latest()]).iter().enumerate() {
        let answer = place.send(call);
        assert_eq!(answer.header("cache-status"), None);
        has_mark(&answer, at);
    }
    assert_eq!(place.origin.take_seen().len(), 2);
    // And each tenant has its own.
    for (at, host) in [ONE, TWO].into_iter().enumerate() {
        let answer = place.send(&read(host, PRODUCT).header(MARK, "late"));
        assert_eq!(answer.header("cache-status"), Some("souk-edge; hit"));
        has_mark(&answer, at);
    }
    place.worker.stop();
}

/// Headers of answers that are the first one's alone, in the order of the paths under which they are.
const NOT_SHARED: [&[(&str, &str)]; 9] = [
    &[],
    &[("cache-control", "private, max-age=600")],
    &[("cache-control", "no-store")],
    &[("cache-control", "public, no-cache, max-age=600")],
    &[("cache-control", "max-age=0")],
    &[
        ("cache-control", "public, max-age=600"),
        ("set-cookie", "a=b"),
    ],
    &[
        ("cache-control", "public, max-age=600"),
        ("vary", "accept-language"),
    ],
    &[("cache-control", "public, max-age=600"), ("vary", "*")],
    &[
        ("cache-control", "public, max-age=600"),
        ("content-encoding", "identity"),
    ],
];

#[test]
fn an_answer_that_nobody_may_keep_is_given_to_who_asked_for_it() {
    let place = Place::start();
    for (number, headers) in NOT_SHARED.into_iter().enumerate() {
        let path = format!("/v1/products/MINE-{number}");
        let gate = Gate::closed();
        let reply = Reply::Behind(gate.clone(), Box::new(Reply::Marked(headers.to_vec())));
        place.origin.reply(&path, reply);
        let mut calls = marked((0..5).map(|_| read(ONE, &path)));
        let others = calls.split_off(1);
        let mut under_way = place.begin(calls);
        place.origin.wait_for_one();
        under_way.extend(place.begin(others));
        gate.open();
        for (at, one) in under_way.into_iter().enumerate() {
            has_mark(&one.end(), at);
        }
        for (at, call) in marked([read(ONE, &path)]).iter().enumerate() {
            has_mark(&place.send(call), at);
        }
        assert_eq!(place.origin.take_seen().len(), 6, "{headers:?}");
    }
    place.worker.stop();
}

#[test]
fn who_goes_away_takes_nobody_along() {
    let place = Place::start_within("gone_client.js", &json!({}));
    let gate = Gate::closed();
    let reply = Reply::Behind(gate.clone(), Box::new(tea("public, max-age=600")));
    place.origin.reply(PRODUCT, reply);
    let gone = place.send(&read(ONE, PRODUCT).header("x-gone", "1"));
    assert_eq!(gone.body, b"gone");
    place.origin.wait_for_one();
    let others = place.begin((0..5).map(|_| read(ONE, PRODUCT)));
    gate.open();
    for one in others {
        let answer = one.end();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-status"), Some("souk-edge; hit"));
    }
    assert_eq!(place.origin.take_seen().len(), 1);
    place.worker.stop();
}

#[test]
fn an_answer_is_handed_on_while_its_origin_still_writes_it() {
    let place = Place::start();
    let own = "/v1/orders/ord_long";
    for (path, call) in [
        (own, read(ONE, own).key(FULL.secret)),
        (PRODUCT, read(ONE, PRODUCT)),
    ] {
        let gate = Gate::closed();
        let reply = Reply::Halves(gate.clone(), "one half, ", "and the other");
        place.origin.reply(path, reply);
        let mut under_way = call.begin(place.worker.port);
        under_way.read_until(b"one half, ");
        gate.open();
        let answer = under_way.end();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, &b"one half, and the other"[..])
        );
    }
    place.worker.stop();
}

#[test]
fn an_answer_without_a_body_is_kept_for_nobody() {
    let place = Place::start();
    place.origin.reply(PRODUCT, tea("public, max-age=600"));
    assert_eq!(place.send(&Call::new("HEAD", ONE, PRODUCT)).status, 200);
    let whole = place.send(&read(ONE, PRODUCT));
    assert_eq!(whole.body, b"{\"code\":\"TEA\"}");
    // But one that is kept answers it.
    let head = place.send(&Call::new("HEAD", ONE, PRODUCT));
    assert_eq!(head.header("cache-status"), Some("souk-edge; hit"));
    assert_eq!(head.body, b"");
    place.worker.stop();
}

#[test]
fn an_origin_that_flaps_is_asked_once_more_where_that_does_no_harm() {
    let place = Place::start();
    let path = "/v1/orders/ord_1";
    let ours = || Reply::With(200, vec![], b"ours".to_vec());
    let get = read(ONE, path).key(FULL.secret);
    for _ in 0..10 {
        place
            .origin
            .reply(path, Reply::Each(vec![failure(), ours()]));
        let answer = place.send(&get);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ours"[..]));
        assert_eq!(
            place.origin.take_seen().len(),
            2,
            "every second fails: none opens a breaker"
        );
    }
    let write = "/v1/orders";
    place
        .origin
        .reply(write, Reply::Each(vec![failure(), ours()]));
    assert_eq!(place.send(&self::place()).status, 200);
    let seen = place.origin.take_seen();
    assert_eq!(seen.len(), 2);
    let keys: Vec<_> = seen
        .iter()
        .map(|seen| seen.header("idempotency-key"))
        .collect();
    assert_eq!(keys, [Some("its-own"), Some("its-own")]);
    // Who says when to come again is not asked before.
    let later = Reply::With(503, vec![("retry-after", "1")], vec![]);
    place.origin.reply(path, Reply::Each(vec![later, ours()]));
    assert_eq!(place.send(&get).status, 503);
    assert_eq!(place.origin.take_seen().len(), 1);
    place.worker.stop();
}

#[test]
fn an_origin_that_is_slow_costs_two_seconds_where_there_is_an_old_answer() {
    let place = Place::start();
    place.origin.reply(PRODUCT, tea("max-age=1"));
    let first = place.send(&read(ONE, PRODUCT));
    assert_eq!(first.status, 200);
    place.origin.reply(PRODUCT, Reply::Never);
    let mut stale = None;
    for _ in 0..2_000 {
        let answer = place.send(&read(ONE, PRODUCT));
        assert_eq!((answer.status, &answer.body), (200, &first.body));
        if answer.header("cache-status") == Some("souk-edge; fwd=stale") {
            stale = Some(answer);
            break;
        }
    }
    // 504 comes after ten; what is measured is told in whole seconds, and not judged on a busy machine.
    assert!(stale.is_some(), "it is never too old");
    place.worker.stop();
}

#[test]
fn a_read_that_is_late_is_asked_for_twice_where_that_is_set() {
    let place = Place::start_set("HEDGE_AFTER_MS=1500");
    let path = "/v1/orders/ord_late";
    let get = |path: &str| read(ONE, path).key(FULL.secret);
    // What is in time earns it.
    for _ in 0..40 {
        assert_eq!(place.send(&get("/v1/orders/ord_1")).status, 200);
    }
    place.origin.take_seen();
    let ours = Reply::With(200, vec![], b"ours".to_vec());
    place
        .origin
        .reply(path, Reply::Each(vec![Reply::Never, ours]));
    let answer = place.send(&get(path));
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ours"[..]));
    let seen = place.origin.take_seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!(seen.identity().principal, FULL.id);
    }
    place.worker.stop();
}

#[test]
fn a_limiter_that_is_dead_lets_read_and_counts_writes_here() {
    let limits = json!({ "key": { "emission_interval_us": 3_600_000_000_u64, "burst": 5 } });
    let place = Place::start_within("silent_limiter.js", &limits);
    let get = read(ONE, "/v1/orders/ord_1").key(FULL.secret);
    for _ in 0..20 {
        let answer = place.send(&get);
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    let statuses: Vec<u16> = (0..8).map(|_| place.send(&self::place()).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
    check_problem(
        "over the limit",
        &place.send(&self::place()),
        429,
        "rate_limited",
    );
    // Authentication has no way out.
    let unknown = read(ONE, "/v1/orders/ord_1").key(edge::UNKNOWN_KEY);
    check_problem(
        "an unknown key",
        &place.send(&unknown),
        401,
        "credential_invalid",
    );
    place.worker.stop();
}

#[test]
fn an_empty_store_knows_no_tenant() {
    let origin = Origin::start(ring(SIGNING_KEY_ID, SIGNING_KEY));
    let worker = Worker::start(&origin.url(), &[]);
    let place = Place { worker, origin };
    let answer = place.send(&read(ONE, PRODUCT));
    check_problem("no records", &answer, 404, "tenant_not_found");
    assert_eq!(place.send(&read(ONE, "/healthz")).status, 200);
    assert_eq!(place.origin.take_seen().len(), 0);
    place.worker.stop();
}
