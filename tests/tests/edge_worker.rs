//! The edge as it is built, the worker in workerd and the gateway in what stands for Spin, between a client that sends any bytes and an origin
//! that verifies every request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
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

use edge::{
    ELSEWHERE, EXPIRED, Edge, FULL, MALFORMED, NEWER, NOBODY, OF_TWO, ONE, READ_ONLY, SUSPENDED,
    TENANT_ONE, TENANT_TWO, TWO, UNKNOWN_KEY, check_problem, ring,
};
use host::{Host, on_both_hosts};
use origin::{Reply, Seen};
use souk_policy::signature::{KeyRing, SignatureError, TTL_S_MAX};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use tokio::sync::Barrier;
use wire::{Answer, Call};
use worker::{REGION, SIGNING_KEY, SIGNING_KEY_ID};

on_both_hosts![
    what_is_refused_gets_a_problem_and_does_not_reach_the_origin,
    the_origin_learns_who_calls_under_a_signature_that_lives_briefly,
    bodies_and_queries_arrive_as_they_were_sent,
    what_a_client_says_of_itself_does_not_reach_the_origin,
    bytes_that_two_parsers_read_differently_smuggle_nothing,
    the_origins_answer_comes_back_as_it_is,
    an_origin_that_fails_is_a_problem,
    tenants_at_the_same_time_do_not_mix,
];

const BODY_BYTES_MAX: usize = 256 * 1024;

fn place(host: &str) -> Call {
    Call::new("POST", host, "/v1/orders").header("Content-Type", "application/json")
}

/// Without an idempotency key.
fn place_unkeyed() -> Call {
    place(ONE).key(FULL.secret)
}

fn place_with_key() -> Call {
    place_unkeyed().header("Idempotency-Key", "its-own")
}

fn read(host: &str) -> Call {
    read_at(host, "/v1/orders/ord_1")
}

fn read_at(host: &str, target: &str) -> Call {
    Call::new("GET", host, target)
}

fn read_with_key(target: &str) -> Call {
    read_at(ONE, target).key(FULL.secret)
}

/// Calls that get the same problem.
struct Refused {
    status: u16,
    code: &'static str,
    /// A header that tells more.
    header: Option<(&'static str, &'static str)>,
    calls: Vec<(&'static str, Call)>,
}

fn refused(status: u16, code: &'static str, calls: Vec<(&'static str, Call)>) -> Refused {
    Refused {
        status,
        code,
        header: None,
        calls,
    }
}

impl Refused {
    fn telling(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

fn refused_by_tenant() -> Vec<Refused> {
    let full = |host| read(host).key(FULL.secret);
    vec![
        refused(404, "tenant_not_found", vec![("unknown", full(NOBODY))]),
        refused(
            403,
            "tenant_suspended",
            vec![("suspended", full(SUSPENDED))],
        ),
        refused(
            503,
            "region_not_served",
            vec![("elsewhere", full(ELSEWHERE))],
        )
        .telling("retry-after", "5"),
        refused(
            503,
            "routing_unavailable",
            vec![
                ("a malformed record", full(MALFORMED)),
                ("a record of a later version", full(NEWER)),
            ],
        )
        .telling("retry-after", "5"),
    ]
}

fn refused_by_key() -> Vec<Refused> {
    let with = |key| read(ONE).key(key);
    let basic = read(ONE).header("Authorization", "Basic c291azpzb3Vr");
    let cancel = Call::new("POST", ONE, "/v1/orders/ord_1/cancel");
    let challenge = "Bearer realm=\"souk\", error=\"invalid_token\"";
    vec![
        refused(401, "credential_missing", vec![("no key", read(ONE))])
            .telling("www-authenticate", "Bearer realm=\"souk\""),
        refused(
            401,
            "credential_invalid",
            vec![
                ("an unknown key", with(UNKNOWN_KEY)),
                ("half a key", with("souk_sk_AAAA")),
                ("two keys", with(FULL.secret).key(FULL.secret)),
                ("another scheme", basic),
                ("another tenant's key", read(TWO).key(FULL.secret)),
            ],
        )
        .telling("www-authenticate", challenge),
        refused(
            401,
            "credential_expired",
            vec![("expired", with(EXPIRED.secret))],
        )
        .telling("www-authenticate", challenge),
        refused(
            403,
            "scope_missing",
            vec![
                ("placing", place(ONE).key(READ_ONLY.secret).body("{}")),
                ("cancelling", cancel.key(READ_ONLY.secret)),
            ],
        )
        .telling(
            "www-authenticate",
            "Bearer realm=\"souk\", error=\"insufficient_scope\", scope=\"orders:write\"",
        ),
    ]
}

fn refused_by_request_line() -> Vec<Refused> {
    let method = |method| Call::new(method, ONE, "/v1/orders/ord_1").key(FULL.secret);
    let host = |host| read(host).key(FULL.secret);
    let paths = |paths: &[&'static str]| {
        let calls = paths.iter().map(|path| (*path, read_with_key(path)));
        calls.collect()
    };
    let ambiguous = [
        "//v1/orders/ord_1",
        "/v1//orders/ord_1",
        "/v1/orders//ord_1",
        "/v1/orders/..%2fadmin",
        "/v1/orders/%2e%2e%2fadmin",
        "/v1/orders/a%2fcancel",
        "/v1/orders/a%5ccancel",
        "/v1/orders/%6frd_1",
        "/v1/orders/ord_1%00",
        "/v1/orders/ord_1%0d%0a",
        "/v1/orders/\u{e9}",
    ];
    vec![
        refused(400, "path_invalid", paths(&ambiguous)),
        refused(400, "query_invalid", paths(&["/v1/orders/ord_1?a=%2"])),
        refused(
            404,
            "route_not_found",
            paths(&["/", "/v1/payments", "/v1/orders/", "/v1/orders/a/b"]),
        ),
        refused(405, "method_not_allowed", paths(&["/v1/quotes"])).telling("allow", "POST"),
        refused(
            405,
            "method_not_allowed",
            vec![("DELETE", method("DELETE")), ("OPTIONS", method("OPTIONS"))],
        )
        .telling("allow", "GET, HEAD"),
        refused(400, "method_invalid", vec![("TRACE", method("TRACE"))]),
        refused(
            400,
            "host_invalid",
            vec![
                ("an address as host", host("127.0.0.1:8787")),
                ("a host that is no name", host("one_1.localhost")),
            ],
        ),
    ]
}

fn refused_by_size_and_headers() -> Vec<Refused> {
    let too_many = vec![b'a'; BODY_BYTES_MAX + 1];
    let place = place_with_key;
    let large_header = read(ONE).header("X-Large", &"a".repeat(6 * 1024));
    let idempotency_keys = |keys: &[&str]| {
        let call = place_unkeyed().body("{}");
        let add = |call: Call, key: &&str| call.header("Idempotency-Key", key);
        keys.iter().fold(call, add)
    };
    vec![
        refused(
            400,
            "idempotency_key_missing",
            vec![("no idempotency key", place_unkeyed().body("{}"))],
        ),
        refused(
            413,
            "body_too_large",
            vec![
                ("a length, and nothing", place().declare(BODY_BYTES_MAX + 1)),
                ("a body of a length", place().body(too_many.clone())),
                ("chunks", place().chunked(too_many.clone())),
                ("chunks without end", place().chunked_without_end(too_many)),
            ],
        ),
        refused(
            431,
            "headers_too_large",
            vec![("over 6 KiB", large_header.key(FULL.secret))],
        ),
        refused(
            400,
            "idempotency_key_invalid",
            vec![
                ("two keys", idempotency_keys(&["a", "b"])),
                ("one key twice", idempotency_keys(&["a", "a"])),
                ("two quoted keys", idempotency_keys(&["\"a\"", "\"b\""])),
                ("an empty key", idempotency_keys(&[""])),
                ("a key of 256 bytes", idempotency_keys(&[&"k".repeat(256)])),
                ("not ASCII", idempotency_keys(&["schl\u{fc}ssel"])),
            ],
        ),
    ]
}

fn what_is_refused_gets_a_problem_and_does_not_reach_the_origin(host: Host) {
    let edge = Edge::start(host);
    let all = [
        refused_by_tenant(),
        refused_by_key(),
        refused_by_request_line(),
        refused_by_size_and_headers(),
    ];
    for refused in all.into_iter().flatten() {
        for (name, call) in refused.calls {
            let name = format!("{}: {name}", refused.code);
            let answer = edge.refuse(&name, &call, refused.status, refused.code);
            if let Some((header, value)) = refused.header {
                assert_eq!(answer.header(header), Some(value), "{name}");
            }
        }
    }
    // The same calls, but well formed, pass: so the refusals above are for the reasons named.
    edge.pass("reading", &read(ONE).key(READ_ONLY.secret));
    edge.pass("placing", &place_with_key().body("{}"));

    let health = edge.send(&read_at("127.0.0.1", "/healthz"));
    assert_eq!(
        (health.status, health.json()["status"].as_str()),
        (200, Some("ok"))
    );
    assert_eq!(edge.origin.take_seen().len(), 0);

    let log = edge.stop();
    assert!(
        log.contains("edge.problem code=routing_unavailable"),
        "{log}"
    );
}

/// An integer among the parameters of a signature.
fn parameter(seen: &Seen, name: &str) -> i64 {
    let input = seen.header("signature-input").unwrap();
    let (_, behind) = input.split_once(&format!(";{name}=")).unwrap();
    behind.split(';').next().unwrap().parse().unwrap()
}

fn the_origin_learns_who_calls_under_a_signature_that_lives_briefly(host: Host) {
    let edge = Edge::start(host);
    let call = place_unkeyed()
        .header("Idempotency-Key", "c0ffee-1")
        .body("{\"a\":1}");
    let (answer, seen) = edge.pass("placing", &call);
    assert_eq!(answer.body, TENANT_ONE.as_bytes());
    let identity = seen.identity();
    assert_eq!(identity.tenant.to_string(), TENANT_ONE);
    assert_eq!(identity.principal, FULL.id);
    assert_eq!(identity.scopes.to_string(), "orders:read orders:write");
    assert_eq!(identity.region, REGION);
    assert_eq!(seen.header("idempotency-key"), Some("c0ffee-1"));

    let own_ring = ring(SIGNING_KEY_ID, SIGNING_KEY);
    let input = seen.header("signature-input").unwrap();
    assert!(
        input.contains(&format!(";keyid=\"{SIGNING_KEY_ID}\"")),
        "{input}"
    );
    let (created, expires) = (parameter(&seen, "created"), parameter(&seen, "expires"));
    let lives = 1..=i64::from(TTL_S_MAX);
    assert!(lives.contains(&(expires - created)), "{input}");
    let verified = |seen: &Seen, ring: &KeyRing, now| seen.verify(ring, now).err();
    assert_eq!(verified(&seen, &own_ring, expires), None);
    assert_eq!(
        verified(&seen, &own_ring, expires + 1),
        Some(SignatureError::Expired)
    );
    let mut other_secret = SIGNING_KEY.to_owned();
    other_secret.replace_range(..1, "d");
    assert_eq!(
        verified(&seen, &ring(SIGNING_KEY_ID, &other_secret), created),
        Some(SignatureError::Mismatch)
    );
    for name in [
        "souk-tenant",
        "souk-principal",
        "souk-scopes",
        "souk-region",
        "souk-request-id",
        "idempotency-key",
    ] {
        let mut altered = seen.clone();
        let header = altered.headers.iter_mut().find(|(own, _)| own == name);
        header.unwrap().1.push('0');
        assert_eq!(
            verified(&altered, &own_ring, created),
            Some(SignatureError::Mismatch),
            "{name}"
        );
    }
    let mut altered = seen.clone();
    altered.body.push(b' ');
    assert_eq!(
        verified(&altered, &own_ring, created),
        Some(SignatureError::Digest)
    );

    let (_, seen) = edge.pass("reading", &read(ONE).key(READ_ONLY.secret));
    assert_eq!(seen.identity().principal, READ_ONLY.id);
    assert_eq!(seen.header("souk-scopes"), Some("orders:read"));

    // However a host is written, its tenant is one, and another host's is another.
    for (host, key, tenant) in [
        ("ONE.LocalHost", &FULL, TENANT_ONE),
        ("one.localhost:8787", &FULL, TENANT_ONE),
        ("one.localhost.", &FULL, TENANT_ONE),
        (TWO, &OF_TWO, TENANT_TWO),
    ] {
        let (_, seen) = edge.pass(host, &read(host).key(key.secret));
        assert_eq!(seen.header("souk-tenant"), Some(tenant), "{host}");
        assert_eq!(seen.header("souk-principal"), Some(key.id), "{host}");
    }
    edge.stop();
}

fn bodies_and_queries_arrive_as_they_were_sent(host: Host) {
    let edge = Edge::start(host);
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let largest: Vec<u8> = every_byte
        .iter()
        .copied()
        .cycle()
        .take(BODY_BYTES_MAX)
        .collect();
    for (name, body) in [
        ("nothing", Vec::new()),
        ("every byte", every_byte),
        (
            "letters of many kinds",
            "{\"note\":\"gr\u{fc}\u{df} \u{1f375} \u{0}\u{feff}\"}".into(),
        ),
        ("256 KiB", largest),
    ] {
        let call = place_with_key();
        for (form, call) in [
            ("by length", call.clone().body(body.clone())),
            ("in chunks", call.chunked(body.clone())),
        ] {
            let (_, seen) = edge.pass(name, &call);
            assert!(seen.body == body, "{name} {form}");
            assert_eq!(
                (seen.method.as_str(), seen.path.as_str()),
                ("POST", "/v1/orders")
            );
            assert_eq!(
                seen.header("content-type"),
                Some("application/json"),
                "{name}"
            );
        }
    }
    // A body where there can be none is not handed on.
    let (_, seen) = edge.pass(
        "reading with a body",
        &read(ONE).key(FULL.secret).body("{}"),
    );
    assert_eq!(seen.body, b"");

    for query in [
        "a=%20b&c=/d?",
        "a=1&a=2&b",
        "%0d%0asouk-tenant:%20spoofed",
        "e=%C3%A9&f=%27&g=~!$()*,;:@+-._",
        "expand=lines%5B%5D",
    ] {
        let (_, seen) = edge.pass(query, &read_with_key(&format!("/v1/orders/ord_1?{query}")));
        assert_eq!(seen.path, "/v1/orders/ord_1");
        assert_eq!(seen.query.as_deref(), Some(query));
    }
    let (_, seen) = edge.pass("no query", &read_with_key("/v1/orders/ord_1"));
    assert_eq!(seen.query, None);
    edge.stop();
}

/// Headers by which a client would speak for the edge, for a proxy before it, or of a secret.
const SPOOFED: [&str; 36] = [
    "Souk-Tenant",
    "souk-principal",
    "SOUK-SCOPES",
    "souk-region",
    "souk-request-id",
    "souk-role",
    "souk-anything-new",
    "X-Forwarded-For",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-anything-new",
    "Forwarded",
    "CF-Connecting-IP",
    "cf-ray",
    "cf-worker",
    "cf-anything-new",
    "Signature",
    "signature-input",
    "Content-Digest",
    "repr-digest",
    "Cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-amzn-trace-id",
    "x-apigateway-event",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "via",
    "te",
    "cdn-loop",
    "spin-client-addr",
    "spin-anything-new",
];

/// All that a request has at the origin when its client has sent [`KEPT`] and a body.
const ARRIVING: [&str; 16] = [
    // The connection's own.
    "content-length",
    "host",
    // The edge's.
    "content-digest",
    "signature",
    "signature-input",
    "souk-principal",
    "souk-region",
    "souk-request-id",
    "souk-scopes",
    "souk-tenant",
    // The client's.
    "accept",
    "content-type",
    "idempotency-key",
    "traceparent",
    "user-agent",
    "x-kept",
];
/// What workerd adds.
const ADDED_BY_WORKERD: [&str; 4] = ["accept-encoding", "cache-control", "cf-worker", "pragma"];
const KEPT: [(&str, &str); 6] = [
    ("Accept", "application/json"),
    ("Content-Type", "application/json"),
    ("Idempotency-Key", "\"c0ffee, 2\""),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("User-Agent", "storefront/1"),
    ("X-Kept", "as it is"),
];

fn check_no_trace(name: &str, seen: &Seen) {
    assert_eq!(seen.identity().tenant.to_string(), TENANT_ONE, "{name}");
    for (header, value) in &seen.headers {
        assert!(!value.contains("spoofed"), "{name}: {header}: {value}");
    }
    let of_edge: BTreeSet<&str> = seen
        .headers
        .iter()
        .map(|(header, _)| header.as_str())
        .filter(|header| header.starts_with("souk-"))
        .collect();
    assert_eq!(
        Vec::from_iter(of_edge),
        [
            "souk-principal",
            "souk-region",
            "souk-request-id",
            "souk-scopes",
            "souk-tenant"
        ],
        "{name}"
    );
    for header in ["authorization", "cookie"] {
        assert_eq!(seen.header(header), None, "{name}");
    }
}

fn what_a_client_says_of_itself_does_not_reach_the_origin(host: Host) {
    let edge = Edge::start(host);
    let mut call = Call::new("POST", ONE, "/v1/orders").key(FULL.secret);
    for name in SPOOFED {
        call = call.header(name, "spoofed").header(name, "spoofed=:QQ==:");
    }
    for (name, value) in KEPT {
        call = call.header(name, value);
    }
    let (_, seen) = edge.pass("all at once", &call.body("{}"));
    check_no_trace("all at once", &seen);
    let names: BTreeSet<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut arriving = BTreeSet::from(ARRIVING);
    if host == Host::Workerd {
        arriving.extend(ADDED_BY_WORKERD);
    }
    assert_eq!(names, arriving);
    for (name, value) in KEPT {
        let arrived = seen.header(&name.to_ascii_lowercase());
        if name == "traceparent" {
            // The trace goes on, with the edge as the origin's parent.
            let (trace, parent) = (&value[..36], &value[36..52]);
            assert!(arrived.is_some_and(|own| own.starts_with(trace) && !own.contains(parent)));
        } else {
            assert_eq!(arrived, Some(value));
        }
    }

    // A header of the right form is worth no more.
    let call = read(ONE)
        .key(FULL.secret)
        .header("souk-tenant", TENANT_TWO)
        .header("souk-principal", OF_TWO.id)
        .header("souk-scopes", "admin:all");
    let (_, seen) = edge.pass("of the right form", &call);
    check_no_trace("of the right form", &seen);
    assert_eq!(seen.header("souk-principal"), Some(FULL.id));
    assert_eq!(seen.header("souk-scopes"), Some("orders:read orders:write"));
    edge.stop();
}

fn bytes_that_two_parsers_read_differently_smuggle_nothing(host: Host) {
    let edge = Edge::start(host);
    let with_line = |line: &[u8]| place_with_key().line(line).body("{}");
    for (name, call) in [
        (
            "a folded line",
            with_line(b"X-A: a\r\n souk-tenant: spoofed"),
        ),
        (
            "a carriage return",
            with_line(b"X-A: a\rsouk-tenant: spoofed"),
        ),
        ("a zero byte", with_line(b"X-A: a\0souk-tenant: spoofed")),
        (
            "a space before the colon",
            with_line(b"souk-tenant : spoofed"),
        ),
        ("two lengths", with_line(b"Content-Length: 40")),
        (
            "a length that is none",
            place_with_key().line(b"Content-Length: -1"),
        ),
        (
            "another transfer coding",
            place_with_key().line(b"Transfer-Encoding: xchunked"),
        ),
        ("a space in the path", read_with_key("/v1/orders/a b")),
    ] {
        let answer = edge.send(&call);
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        assert_eq!(edge.origin.take_seen().len(), 0, "{name}");
    }
    let two_hosts = edge.send(&read(ONE).key(FULL.secret).header("Host", TWO));
    let seen = edge.origin.take_seen();
    match host {
        Host::Workerd => {
            assert!(two_hosts.status >= 400, "two hosts: {two_hosts:?}");
            assert_eq!(seen.len(), 0, "two hosts");
        }
        // Spin takes the first for the request's, and the component sees no other.
        Host::Spin => {
            assert_eq!(two_hosts.status, 200, "two hosts: {two_hosts:?}");
            assert_eq!(seen[0].identity().tenant.to_string(), TENANT_ONE);
        }
    }

    // A line feed ends a line for the runtime: what follows is a header, and it is taken out.
    let feed = place_unkeyed()
        .line(b"Idempotency-Key: a\nsouk-tenant: spoofed")
        .body("{}");
    let (_, seen) = edge.pass("a line feed", &feed);
    check_no_trace("a line feed", &seen);
    assert_eq!(seen.header("idempotency-key"), Some("a"));

    // The coding wins over the length (RFC 9112, section 6.3), and the origin gets the one body.
    let both = place_with_key()
        .header("Content-Length", "3")
        .chunked("{\"a\":1}");
    let (_, seen) = edge.pass("a length and a coding", &both);
    assert_eq!(seen.body, b"{\"a\":1}");
    assert_eq!(seen.header("transfer-encoding"), None);

    match host {
        Host::Workerd => urls_are_resolved(&edge),
        Host::Spin => urls_are_taken_as_they_are(&edge),
    }
    edge.stop();
}

/// workerd reads a URL as a browser does.
fn urls_are_resolved(edge: &Edge) {
    // The host is the one of the Host header, whatever else is written before or behind it.
    for host in ["spoofed@one.localhost", "one.localhost/.."] {
        let (_, seen) = edge.pass(host, &read(host).key(FULL.secret));
        check_no_trace(host, &seen);
    }
    let (_, seen) = edge.pass(
        "a whole URL",
        &read_with_key("http://two.localhost/v1/orders/a"),
    );
    check_no_trace("a whole URL", &seen);
    edge.refuse(
        "another host behind an at sign",
        &read("one.localhost@two.localhost").key(FULL.secret),
        401,
        "credential_invalid",
    );

    // The runtime resolves dot segments; the edge judges, signs and forwards what is left.
    for (target, path) in [
        ("/v1/orders/../orders/ord_1", "/v1/orders/ord_1"),
        ("/v1/orders/%2e%2e/orders/ord_2", "/v1/orders/ord_2"),
        ("/v1/orders/.%2E/orders/./ord_3", "/v1/orders/ord_3"),
        ("/../../v1/orders/%2e/ord_4", "/v1/orders/ord_4"),
    ] {
        let (_, seen) = edge.pass(target, &read_with_key(target));
        assert_eq!(seen.path, path, "{target}");
    }
    for target in [
        "/v1/orders/ord_1/../../admin",
        "/v1/orders/%2e%2e/%2e%2e/admin",
        "/v1/orders\\..\\..\\admin",
    ] {
        edge.refuse(target, &read_with_key(target), 404, "route_not_found");
    }
}

/// Spin makes nothing of it, and the policy refuses what could be read in two ways.
fn urls_are_taken_as_they_are(edge: &Edge) {
    for host in ["spoofed@one.localhost", "one.localhost@two.localhost"] {
        let call = read(host).key(FULL.secret);
        edge.refuse(host, &call, 400, "host_invalid");
    }
    for (name, call) in [
        ("a path in the host", read("one.localhost/..")),
        (
            "a whole URL of another host",
            read_at(ONE, "http://two.localhost/v1/orders/a"),
        ),
    ] {
        let answer = edge.send(&call.key(FULL.secret));
        assert!(answer.status >= 400, "{name}: {answer:?}");
        assert_eq!(edge.origin.take_seen().len(), 0, "{name}");
    }
    for target in [
        "/v1/orders/../orders/ord_1",
        "/v1/orders/%2e%2e/orders/ord_2",
        "/v1/orders/.%2E/orders/./ord_3",
        "/../../v1/orders/%2e/ord_4",
        "/v1/orders/ord_1/../../admin",
        "/v1/orders\\..\\..\\admin",
    ] {
        edge.refuse(target, &read_with_key(target), 400, "path_invalid");
    }
}

/// A name, an answer of the origin's, and the headers of it that stay with the edge.
fn origin_answers() -> Vec<(&'static str, Reply, Vec<&'static str>)> {
    let json = ("content-type", "application/json");
    let problem = ("content-type", "application/problem+json");
    let conflict = "{\"type\":\"/problems/insufficient-stock\",\"title\":\"Not in stock\",\
        \"status\":409,\"code\":\"insufficient_stock\",\"request_id\":\"req_of_the_origin\"}";
    vec![
        (
            "created",
            Reply::With(
                201,
                vec![
                    json,
                    ("etag", "\"1\""),
                    ("location", "/v1/orders/ord_1"),
                    ("idempotent-replayed", "true"),
                    ("x-later", "unknown today"),
                ],
                b"{\"id\":\"ord_1\",\"note\":\"gr\xc3\xbc\xc3\x9f\"}".to_vec(),
            ),
            vec![],
        ),
        (
            "a problem of the origin's",
            Reply::With(409, vec![problem, ("retry-after", "1")], conflict.into()),
            vec![],
        ),
        (
            "a redirection",
            Reply::With(302, vec![("location", "/v1/orders/ord_other")], vec![]),
            vec![],
        ),
        (
            "a redirection that keeps the method",
            Reply::With(307, vec![("location", "/v1/orders/ord_other")], vec![]),
            vec![],
        ),
        ("no content", Reply::With(204, vec![], vec![]), vec![]),
        (
            "not modified",
            Reply::With(304, vec![("etag", "\"1\"")], vec![]),
            vec![],
        ),
        (
            "a failure of the origin's",
            Reply::With(
                500,
                vec![("content-type", "text/plain")],
                b"\x00\xff".to_vec(),
            ),
            vec![],
        ),
        (
            "what is internal",
            Reply::With(
                200,
                vec![
                    json,
                    ("x-amzn-requestid", "internal"),
                    ("x-amzn-trace-id", "internal"),
                    ("x-amz-apigw-id", "internal"),
                    ("apigw-requestid", "internal"),
                    ("souk-tenant", "internal"),
                    ("souk-request-id", "internal"),
                ],
                b"{}".to_vec(),
            ),
            vec![
                "x-amzn-requestid",
                "x-amzn-trace-id",
                "x-amz-apigw-id",
                "apigw-requestid",
                "souk-tenant",
                "souk-request-id",
            ],
        ),
    ]
}

fn the_origins_answer_comes_back_as_it_is(host: Host) {
    let edge = Edge::start(host);
    for (name, reply, internal) in origin_answers() {
        edge.origin.reply("/v1/orders", reply.clone());
        let Reply::With(status, headers, body) = reply else {
            panic!("{name}: no answer");
        };
        let answer = edge.send(&place_with_key().body("{}"));
        // One request: no redirection was followed, and nothing was tried again.
        let seen = edge.origin.take_one();
        let request_id = seen.identity().request_id.to_string();
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.body == body, "{name}: {answer:?}");
        for (header, value) in headers {
            if !internal.contains(&header) {
                assert_eq!(answer.header(header), Some(value), "{name}");
            }
        }
        let of_edge: Vec<&str> = answer
            .header_names()
            .into_iter()
            .filter(|header| {
                ["souk-", "x-amz", "apigw-"]
                    .iter()
                    .any(|p| header.starts_with(p))
            })
            .collect();
        assert_eq!(of_edge, ["souk-request-id"], "{name}");
        assert_eq!(
            answer.header("souk-request-id"),
            Some(request_id.as_str()),
            "{name}"
        );
    }
    let cookies = vec![("set-cookie", "a=1"), ("set-cookie", "b=2")];
    edge.origin
        .reply("/v1/orders", Reply::With(200, cookies, vec![]));
    let answer = edge.send(&place_with_key().body("{}"));
    assert_eq!(answer.headers_named("set-cookie"), ["a=1", "b=2"]);
    edge.stop();
}

fn an_origin_that_fails_is_a_problem(host: Host) {
    let Edge {
        running,
        mut origin,
    } = Edge::start(host);
    let port = running.port;
    let place_at = |target| {
        let call = Call::new("POST", ONE, target).key(FULL.secret);
        call.header("Idempotency-Key", "its-own").body("{}")
    };
    let silent = place_at("/v1/orders/silent/cancel");
    origin.reply("/v1/orders/silent/cancel", Reply::Never);

    thread::scope(|scope| {
        let waiting = scope.spawn(|| silent.send(port));
        origin.wait_for_one();
        // Meanwhile others are served.
        assert_eq!(place_at("/v1/orders").send(port).status, 200);
        let answer = waiting.join().unwrap();
        check_problem("a silent origin", &answer, 504, "origin_timeout");
    });
    // The effect may have come about: it was not asked for twice.
    let asked = origin.take_seen();
    let asked = asked.iter().filter(|seen| seen.path.contains("silent"));
    assert_eq!(asked.count(), 1);

    thread::scope(|scope| {
        let waiting = scope.spawn(|| silent.send(port));
        origin.wait_for_one();
        origin.stop();
        let answer = waiting.join().unwrap();
        check_problem(
            "an origin that breaks off",
            &answer,
            502,
            "origin_unreachable",
        );
    });
    let answer = place_at("/v1/orders").send(port);
    check_problem(
        "an origin that is not there",
        &answer,
        502,
        "origin_unreachable",
    );

    let log = Edge { running, origin }.stop();
    for code in ["origin_timeout", "origin_unreachable"] {
        assert!(log.contains(&format!("edge.problem code={code}")), "{log}");
    }
}

fn tenants_at_the_same_time_do_not_mix(host: Host) {
    const CALLS: usize = 30;
    let edge = Edge::start(host);
    // No call is answered before all are under way, so that they do overlap in the worker.
    let all = Arc::new(Barrier::new(CALLS));
    edge.origin.reply("/v1/orders", Reply::Together(all));
    let tenants = [(ONE, &FULL, TENANT_ONE), (TWO, &OF_TWO, TENANT_TWO)];
    let port = edge.running.port;

    let answers: Vec<(usize, Answer)> = thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS)
            .map(|number| {
                let (host, key, tenant) = tenants[number % 2];
                let call = place(host)
                    .key(key.secret)
                    .header("Idempotency-Key", &format!("{number}"))
                    .body(format!("{tenant} {number}"));
                scope.spawn(move || (number, call.send(port)))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });

    let seen = edge.origin.take_seen();
    assert_eq!(seen.len(), CALLS);
    for (number, answer) in answers {
        let (_, key, tenant) = tenants[number % 2];
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, tenant.as_bytes());
        let request_id = answer.header("souk-request-id").unwrap();
        let mut own = seen
            .iter()
            .filter(|seen| seen.header("souk-request-id") == Some(request_id));
        let (seen, other) = (own.next().unwrap(), own.next());
        assert!(other.is_none(), "{request_id} was given twice");
        assert_eq!(seen.identity().tenant.to_string(), tenant);
        assert_eq!(seen.identity().principal, key.id);
        assert_eq!(seen.body, format!("{tenant} {number}").as_bytes());
        let idempotency_key = number.to_string();
        assert_eq!(
            seen.header("idempotency-key"),
            Some(idempotency_key.as_str())
        );
    }
    edge.stop();
}
