//! Requests that want in: each is refused, with the right problem. The same table runs against the built
//! worker (`tests/tests/edge_policy.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use serde::Deserialize;
use serde_json::Value;
use souk_policy::decide::RequestFacts;
use souk_policy::jose::Jwks;
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use support::{Host, Outcome};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    now_unix_s: i64,
    region: String,
    settings: Value,
    records: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    host: String,
    target: String,
    headers: Vec<(String, String)>,
    /// The name of a token in tokens.json.
    token: Option<String>,
    expect: Expected,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Expected {
    status: u16,
    code: String,
}

fn host(table: &Table, tokens: &Value) -> Host {
    let records = table.records.iter().map(|(key, record)| {
        let record = RouteRecord::parse(&record.to_string());
        (
            key.clone(),
            record.unwrap_or_else(|error| panic!("{key}: {error}")),
        )
    });
    let jwks = tokens["jwks"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(url, jwks)| {
            let jwks = Jwks::parse(jwks.to_string().as_bytes());
            (url.clone(), jwks.unwrap())
        });
    Host {
        region: table.region.clone(),
        settings: Settings::parse(&table.settings.to_string()).unwrap(),
        records: records.collect(),
        jwks: jwks.collect(),
        ..Host::default()
    }
}

fn ask(table: &Table, host: &mut Host, case: &Case, tokens: &Value) -> Outcome {
    let mut headers = case.headers.clone();
    if let Some(name) = &case.token {
        let cases = tokens["cases"].as_array().unwrap();
        let token = cases
            .iter()
            .find(|one| one["name"] == *name.as_str())
            .unwrap();
        let value = format!("Bearer {}", token["token"].as_str().unwrap());
        headers.push(("authorization".to_owned(), value));
    }
    let address = headers.iter().find(|(name, _)| name == "cf-connecting-ip");
    let client_address = address.map(|(_, address)| address.parse().unwrap());
    let (path, query) = match case.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (case.target.as_str(), None),
    };
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    host.run(&RequestFacts {
        method: &case.method,
        host: &case.host,
        path,
        query,
        headers: &headers,
        now_unix_s: table.now_unix_s,
        request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff".parse().unwrap(),
        client_address,
    })
}

#[test]
fn all_are_refused_for_the_right_reason() {
    let table: Table = serde_json::from_str(include_str!("../testdata/hostile.json")).unwrap();
    let tokens: Value = serde_json::from_str(include_str!("../testdata/tokens.json")).unwrap();
    let names: BTreeSet<&str> = table.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), table.cases.len(), "two share a name");
    assert!(names.len() >= 60, "cases were lost");
    let mut host = host(&table, &tokens);
    for case in &table.cases {
        let outcome = ask(&table, &mut host, case, &tokens);
        let Outcome::Refused(problem) = outcome else {
            panic!("{}: {outcome:?}", case.name);
        };
        let code = problem.code();
        let told = Expected {
            status: code.status(),
            code: code.as_str().to_owned(),
        };
        assert_eq!(told, case.expect, "{}", case.name);
    }
}

#[test]
fn the_same_hosts_and_credentials_open_what_is_theirs() {
    let table: Table = serde_json::from_str(include_str!("../testdata/hostile.json")).unwrap();
    let tokens: Value = serde_json::from_str(include_str!("../testdata/tokens.json")).unwrap();
    let mut host = host(&table, &tokens);
    let key = |letter: &str| {
        vec![(
            "authorization".to_owned(),
            format!("Bearer souk_sk_{}", letter.repeat(40)),
        )]
    };
    for (name, at, headers, token) in [
        ("a key", "one.localhost", key("A"), None),
        ("a token", "one.localhost", vec![], Some("ES256")),
        ("a wildcard host", "any.shops.example", key("D"), None),
    ] {
        let case = Case {
            name: name.to_owned(),
            method: "GET".to_owned(),
            host: at.to_owned(),
            target: "/v1/orders/ord_1".to_owned(),
            headers,
            token: token.map(str::to_owned),
            expect: Expected {
                status: 200,
                code: String::new(),
            },
        };
        let outcome = ask(&table, &mut host, &case, &tokens);
        assert!(
            matches!(outcome, Outcome::Forwarded(_)),
            "{name}: {outcome:?}"
        );
    }
    assert!(host.looked_up.contains(&"host:*.shops.example".to_owned()));
}
