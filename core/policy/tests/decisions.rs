//! The decision vectors of `testdata/decisions.json`, which the other hosts of the policy run too
//! (`tests/tests/edge_policy.rs`, `tests/tests/edge_spin.rs`). Their signatures were computed by another program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod support;
#[path = "support/vectors.rs"]
mod vectors;

use serde_json::Value;
use souk_policy::ForwardPlan;
use souk_policy::address::AddressLimiter;
use souk_policy::decide::RequestFacts;
use souk_policy::headers::reaches_origin;
use souk_policy::jose::Jwks;
use souk_policy::problem::{Answer, Problem};
use souk_policy::route::RouteRecord;
use souk_policy::settings::{SETTINGS_KEY, Settings};
use souk_policy::signature::{KeyRing, MessageParts, SigningKey, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{Host, Limiter};
use vectors::{Case, Expected, Forwarded, Vectors};

/// In which a host says who sends a request.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";
/// Set where the tenant's record has something to say, and then a vector says it.
const OF_RECORD: [&str; 2] = ["souk-features", "souk-shard"];
/// On every answer, with the request's id.
const SECURITY: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
];

type Headers = BTreeMap<String, String>;

/// What the policy did with a request.
enum Outcome {
    Answered(Answer),
    Refused(Problem),
    Forwarded(Box<ForwardPlan>, Headers),
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../testdata/decisions.json")).unwrap()
}

/// A host that knows what the vectors have for all cases. What is not understood cannot be read.
fn host(vectors: &Vectors) -> Host {
    let mut host = Host {
        region: vectors.served_region.clone(),
        unreadable: vectors.unanswered.iter().cloned().collect(),
        ..Host::default()
    };
    for (key, name) in &vectors.store {
        match RouteRecord::parse(&vectors.records[name].get()) {
            Ok(record) => {
                host.records.insert(key.clone(), record);
            }
            Err(_) => {
                host.unreadable.insert(key.clone());
            }
        }
    }
    for (url, jwks) in &vectors.jwks {
        let jwks = Jwks::parse(jwks.to_string().as_bytes()).unwrap();
        host.jwks.insert(url.clone(), jwks);
    }
    host
}

/// The same for one case: nothing that another has left behind.
fn set(host: &mut Host, vectors: &Vectors, case: &Case) {
    host.addresses = AddressLimiter::default();
    host.settings = Settings::default();
    host.unreadable.remove(SETTINGS_KEY);
    if let Some(name) = &case.settings {
        match Settings::parse(&vectors.settings[name].get()) {
            Ok(settings) => host.settings = settings,
            Err(_) => {
                host.unreadable.insert(SETTINGS_KEY.to_owned());
            }
        }
    }
    host.limiter = Limiter::default();
    match &case.limiter {
        vectors::Limiter::Silent(_) => host.limiter.is_dead = true,
        vectors::Limiter::Knows(states) => {
            let tat_us_of = states.iter().map(|(name, ahead_us)| {
                let tat_us = vectors.now_unix_s * 1_000_000 + ahead_us;
                (name.clone(), u64::try_from(tat_us).unwrap())
            });
            host.limiter.tat_us_of = tat_us_of.collect();
        }
    }
}

/// The headers of a request, which comes from `address` if it says so.
fn headers_of(case: &Case, address: Option<&str>) -> Vec<(String, String)> {
    let headers = case.request.headers.iter();
    let told = headers.map(|(name, value)| match address {
        Some(address) if name == CLIENT_ADDRESS => (name.clone(), address.to_owned()),
        _ => (name.clone(), value.get()),
    });
    told.collect()
}

fn run(host: &mut Host, vectors: &Vectors, case: &Case) -> Outcome {
    set(host, vectors, case);
    for address in &case.after {
        let has_address = case.request.headers.iter();
        let mut has_address = has_address.map(|(name, _)| name == CLIENT_ADDRESS);
        assert!(has_address.any(|is| is), "{}: from where", case.name);
        ask(host, vectors, case, &headers_of(case, Some(address)));
    }
    ask(host, vectors, case, &headers_of(case, None))
}

fn ask(host: &mut Host, vectors: &Vectors, case: &Case, headers: &[(String, String)]) -> Outcome {
    let path = case.request.path.get();
    let query = case.request.query.as_ref().map(vectors::Text::get);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let address = headers.iter().find(|(name, _)| *name == CLIENT_ADDRESS);
    let facts = RequestFacts {
        method: &case.request.method,
        host: &case.request.host,
        path: &path,
        query: query.as_deref(),
        headers: &headers,
        now_unix_s: vectors.now_unix_s,
        request_id: vectors.request_id.parse().unwrap(),
        client_address: address.and_then(|(_, address)| address.parse().ok()),
    };
    match host.run(&facts) {
        support::Outcome::Answered(answer) => Outcome::Answered(answer),
        support::Outcome::Refused(problem) => Outcome::Refused(problem),
        support::Outcome::Forwarded(plan) => seal(vectors, &facts, &case.request.body.get(), plan),
    }
}

/// What arrives at the origin verifies there, and nothing else in it speaks for the edge.
fn seal(
    vectors: &Vectors,
    facts: &RequestFacts<'_>,
    body: &str,
    plan: Box<ForwardPlan>,
) -> Outcome {
    let key = SigningKey::from_base64(&vectors.signing_key.id, &vectors.signing_key.secret);
    let key = key.unwrap();
    let set = match plan.seal(body.as_bytes(), &key, vectors.now_unix_s) {
        Err(problem) => return Outcome::Refused(problem),
        Ok(set) => set,
    };
    let mut arriving = facts.headers.to_vec();
    arriving.retain(|(name, _)| !plan.stripped().iter().any(|own| own == name));
    assert!(
        arriving.iter().all(|(name, _)| reaches_origin(name)),
        "{arriving:?}"
    );
    arriving.retain(|(name, _)| set.iter().all(|(own, _)| own != name));
    arriving.extend(set.iter().map(|(name, value)| (*name, value.as_str())));
    let parts = MessageParts {
        method: facts.method,
        path: facts.path,
        query: facts.query,
        headers: &arriving,
        body: body.as_bytes(),
    };
    let ring = KeyRing::new(vec![key]).unwrap();
    let identity = verify(&parts, &ring, vectors.now_unix_s).unwrap();
    assert_eq!(&identity, plan.identity());
    Outcome::Forwarded(plan, named(set))
}

/// By their names, of which there must not be two.
fn named(headers: Vec<(&'static str, String)>) -> Headers {
    let count = headers.len();
    let headers = headers.into_iter();
    let named: Headers = headers
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(named.len(), count, "{named:?}");
    named
}

/// With what is on every answer.
fn with_usual(vectors: &Vectors, headers: &Headers) -> Headers {
    let mut all = headers.clone();
    all.insert("souk-request-id".to_owned(), vectors.request_id.clone());
    all.extend(SECURITY.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}

fn check_refused(vectors: &Vectors, case: &Case, problem: &Problem) {
    let Expected::Refused {
        status,
        code,
        headers,
    } = &case.expect
    else {
        panic!("{}: refused, {problem:?}", case.name);
    };
    let answer = problem.answer(vectors.request_id.parse().unwrap());
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document["code"], *code.as_str(), "{}", case.name);
    assert_eq!(answer.status, *status, "{}", case.name);
    assert_eq!(document["status"], *status, "{}", case.name);
    assert_eq!(document["request_id"], vectors.request_id, "{}", case.name);
    let mut expected = with_usual(vectors, headers);
    for (name, value) in [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
    ] {
        expected.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(named(answer.headers), expected, "{}", case.name);
}

fn check_answered(vectors: &Vectors, case: &Case, answer: Answer) {
    let Expected::Answered {
        status,
        body,
        headers,
    } = &case.expect
    else {
        panic!("{}: answered, {answer:?}", case.name);
    };
    assert_eq!(answer.status, *status, "{}", case.name);
    assert_eq!(answer.body, *body, "{}", case.name);
    let expected = with_usual(vectors, headers);
    assert_eq!(named(answer.headers), expected, "{}", case.name);
}

fn check_forwarded(vectors: &Vectors, case: &Case, plan: &ForwardPlan, set: &Headers) {
    let Expected::Forwarded(expected) = &case.expect else {
        panic!("{}: forwarded, {plan:?}", case.name);
    };
    for (name, value) in &expected.headers {
        assert_eq!(set.get(name), Some(value), "{}: {name}", case.name);
    }
    let of_record = |name: &&String| OF_RECORD.contains(&name.as_str());
    let told_of_record: Vec<&String> = set.keys().filter(of_record).collect();
    let expected_of_record: Vec<&String> = expected.headers.keys().filter(of_record).collect();
    assert_eq!(told_of_record, expected_of_record, "{}", case.name);
    assert_eq!(
        set.len() - told_of_record.len(),
        9,
        "{}: {set:?}",
        case.name
    );
    let told = Forwarded {
        target: vectors::Text::Plain(plan.target()),
        reads_body: plan.reads_body(),
        stripped: plan.stripped().to_vec(),
        headers: expected.headers.clone(),
        operation: plan.operation().name.to_owned(),
        repeatable: plan.may_be_repeated(),
        cacheable: !plan.cache_key().is_empty(),
        answer: named(plan.answer_headers()),
        canary: plan.is_canary(),
        over_limit: plan.is_over_limit(),
    };
    let expected = Forwarded {
        target: vectors::Text::Plain(expected.target.get()),
        answer: with_usual(vectors, &expected.answer),
        ..expected.clone()
    };
    assert_eq!(told, expected, "{}", case.name);
}

#[test]
fn every_vector_has_its_outcome() {
    let vectors = vectors();
    assert!(vectors.cases.len() >= 400, "vectors were lost");
    let mut host = host(&vectors);
    // All that are wrong, and not the first of them. Who may not do a thing uses up no limit.
    let mut check = |case: &Case| match run(&mut host, &vectors, case) {
        Outcome::Refused(problem) => {
            check_refused(&vectors, case, &problem);
            let is_nobody = matches!(problem.code().status(), 401 | 403);
            assert!(!is_nobody || host.limiter.questions == 0, "{}", case.name);
        }
        Outcome::Answered(answer) => check_answered(&vectors, case, answer),
        Outcome::Forwarded(plan, set) => check_forwarded(&vectors, case, &plan, &set),
    };
    let mut wrong = Vec::new();
    for case in &vectors.cases {
        if catch_unwind(AssertUnwindSafe(|| check(case))).is_err() {
            wrong.push(case.name.as_str());
        }
    }
    assert!(wrong.is_empty(), "{} are wrong: {wrong:#?}", wrong.len());
}

/// A host that does not forget may run all of them, one after the other.
#[test]
fn no_vector_depends_on_another() {
    let vectors = vectors();
    let names: BTreeSet<&str> = vectors
        .cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(names.len(), vectors.cases.len(), "two vectors share a name");
    let mut limited = BTreeSet::new();
    let mut silences = 0;
    for case in &vectors.cases {
        let states: Vec<&String> = match &case.limiter {
            vectors::Limiter::Knows(states) => {
                silences = if states.is_empty() { silences } else { 0 };
                states.keys().collect()
            }
            vectors::Limiter::Silent(states) => {
                silences += 1 + case.after.len();
                states.iter().collect()
            }
        };
        for state in states {
            assert!(limited.insert(state), "{}: {state} is another's", case.name);
        }
        // A limiter that is silent five times in a row is left alone.
        assert!(silences < 5, "{}", case.name);
    }
}
