//! The decision vectors of `testdata/decisions.json`, which any other host of the policy can run too.
//! Their signatures were computed by another program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod support;

use serde::Deserialize;
use serde_json::Value;
use souk_policy::decide::RequestFacts;
use souk_policy::headers::reaches_origin;
use souk_policy::problem::{Answer, Problem};
use souk_policy::route::RouteRecord;
use souk_policy::signature::{KeyRing, MessageParts, SigningKey, verify};
use std::collections::BTreeMap;
use support::Host;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_unix_s: i64,
    request_id: String,
    served_region: String,
    signing_key: Key,
    records: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: Request,
    record: Option<String>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    host: String,
    path: Text,
    query: Option<Text>,
    headers: Vec<(String, Text)>,
    #[serde(default)]
    body: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Expected {
    Answered {
        status: u16,
        body: String,
    },
    Refused {
        status: u16,
        code: String,
        headers: BTreeMap<String, String>,
    },
    Forwarded {
        target: Text,
        reads_body: bool,
        stripped: Vec<String>,
        headers: BTreeMap<String, String>,
    },
}

/// A text, or parts of which some are repeated.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Parts { text: Vec<Part> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Once(String),
    Repeated { repeat: String, times: usize },
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl Text {
    fn get(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Parts { text } => text.iter().map(Part::get).collect(),
        }
    }
}

impl Part {
    fn get(&self) -> String {
        match self {
            Self::Once(text) => text.clone(),
            Self::Repeated { repeat, times } => repeat.repeat(*times),
        }
    }
}

/// What the policy did with a request.
enum Outcome {
    Answered(Answer),
    Refused(Problem),
    Forwarded {
        target: String,
        reads_body: bool,
        stripped: Vec<String>,
        set: Vec<(&'static str, String)>,
    },
}

fn run(vectors: &Vectors, case: &Case) -> Outcome {
    let path = case.request.path.get();
    let query = case.request.query.as_ref().map(Text::get);
    let headers: Vec<(String, String)> = case
        .request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.get()))
        .collect();
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let facts = RequestFacts {
        method: &case.request.method,
        host: &case.request.host,
        path: &path,
        query: query.as_deref(),
        headers: &headers,
        now_unix_s: vectors.now_unix_s,
        request_id: vectors.request_id.parse().unwrap(),
        client_address: None,
    };
    let record_key = match path.strip_prefix("/v1/psp/stripe/") {
        Some(tenant) if facts.method == "POST" => format!("tenant:{tenant}"),
        _ => "host:demo.localhost".to_owned(),
    };
    let mut host = Host {
        region: vectors.served_region.clone(),
        ..Host::default()
    };
    if let Some(name) = &case.record {
        let record = RouteRecord::parse(&vectors.records[name].to_string()).unwrap();
        host.records.insert(record_key, record);
    }
    let plan = match host.run(&facts) {
        support::Outcome::Answered(answer) => return Outcome::Answered(answer),
        support::Outcome::Refused(problem) => return Outcome::Refused(problem),
        support::Outcome::Forwarded(plan) => plan,
    };
    let key = SigningKey::from_base64(&vectors.signing_key.id, &vectors.signing_key.secret);
    let key = key.unwrap();
    let body = case.request.body.get();
    let set = match plan.seal(body.as_bytes(), &key, vectors.now_unix_s) {
        Err(problem) => return Outcome::Refused(problem),
        Ok(set) => set,
    };

    // What arrives at the origin verifies there, and nothing else in it speaks for the edge.
    let mut arriving = headers.clone();
    arriving.retain(|(name, _)| !plan.stripped().iter().any(|own| own == name));
    assert!(
        arriving.iter().all(|(name, _)| reaches_origin(name)),
        "{arriving:?}"
    );
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

    Outcome::Forwarded {
        target: plan.target(),
        reads_body: plan.reads_body(),
        stripped: plan.stripped().to_vec(),
        set,
    }
}

/// On every answer.
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

fn check_refusal(problem: &Problem, vectors: &Vectors, case: &Case) {
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
    assert_eq!(answer.status, *status, "{}", case.name);
    assert_eq!(document["status"], *status, "{}", case.name);
    assert_eq!(document["code"], *code.as_str(), "{}", case.name);
    assert_eq!(document["request_id"], vectors.request_id, "{}", case.name);
    let mut expected: BTreeMap<&str, &str> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    expected.insert("content-type", "application/problem+json");
    expected.insert("cache-control", "no-store");
    expected.insert("souk-request-id", &vectors.request_id);
    expected.extend(SECURITY);
    let actual: BTreeMap<&str, &str> = answer
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(actual, expected, "{}", case.name);
}

#[test]
fn every_vector_has_its_outcome() {
    let vectors: Vectors =
        serde_json::from_str(include_str!("../testdata/decisions.json")).unwrap();
    assert!(vectors.cases.len() >= 70, "vectors were lost");
    let mut names: Vec<&str> = vectors
        .cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), vectors.cases.len(), "two vectors share a name");
    for case in &vectors.cases {
        match (run(&vectors, case), &case.expect) {
            (Outcome::Refused(problem), _) => check_refusal(&problem, &vectors, case),
            (Outcome::Answered(answer), Expected::Answered { status, body }) => {
                assert_eq!(answer.status, *status, "{}", case.name);
                assert_eq!(answer.body, *body, "{}", case.name);
            }
            (
                Outcome::Forwarded {
                    target,
                    reads_body,
                    stripped,
                    set,
                },
                Expected::Forwarded {
                    target: expected_target,
                    reads_body: expected_reads_body,
                    stripped: expected_stripped,
                    headers,
                },
            ) => {
                assert_eq!(target, expected_target.get(), "{}", case.name);
                assert_eq!(reads_body, *expected_reads_body, "{}", case.name);
                assert_eq!(stripped, *expected_stripped, "{}", case.name);
                let set: BTreeMap<&str, String> = set.into_iter().collect();
                for (name, value) in headers {
                    assert_eq!(set.get(name.as_str()), Some(value), "{}: {name}", case.name);
                }
                assert_eq!(set.len(), 9, "{}: {set:?}", case.name);
            }
            (Outcome::Answered(_) | Outcome::Forwarded { .. }, _) => {
                panic!("{}: another outcome", case.name)
            }
        }
    }
}
