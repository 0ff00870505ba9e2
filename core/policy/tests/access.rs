//! Every operation of the table against every kind of caller: none, of another tenant, without the
//! scope, with a publishable key, with the scope and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use souk_policy::api_key::PUBLISHABLE_SCOPES;
use souk_policy::decide::RequestFacts;
use souk_policy::operations::{Access, OPERATIONS, Operation};
use souk_policy::route::RouteRecord;
use std::collections::{BTreeMap, BTreeSet};
use support::{Host, Outcome};

const TENANT: &str = "ten_0197c0de8f2b7c3a9d4e5f6071829304";

/// What each kind of caller is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Forwarded { principal: String, scopes: String },
    Refused(u16, &'static str),
}

fn secret(byte: char) -> String {
    format!("souk_sk_{}", byte.to_string().repeat(32))
}

fn publishable() -> String {
    format!("souk_pk_{}", "p".repeat(32))
}

/// Everything that any operation asks for.
fn all_scopes() -> BTreeSet<&'static str> {
    OPERATIONS.iter().filter_map(Operation::scope).collect()
}

/// A record with one key: this one, with these scopes.
fn record(key: &str, scopes: &BTreeSet<&str>) -> RouteRecord {
    let sha256 = hex::encode(Sha256::digest(key.as_bytes()));
    let json = json!({
        "version": 1, "tenant_id": TENANT, "status": "active", "region": "local",
        "keys": [{
            "id": "key_0197c0de8f2b7c3a9d4e5f6071829305",
            "sha256": sha256, "scopes": scopes, "expires_at": null,
        }],
    });
    RouteRecord::parse(&json.to_string()).unwrap()
}

fn ask(operation: &Operation, record: &RouteRecord, key: Option<&str>) -> Told {
    let path: Vec<&str> = operation
        .pattern
        .split('/')
        .map(|part| match part {
            "{tenant}" => TENANT,
            _ if part.starts_with('{') => "anything",
            _ => part,
        })
        .collect();
    let authorization = key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![("idempotency-key", "a")];
    headers.extend(
        authorization
            .iter()
            .map(|value| ("authorization", value.as_str())),
    );
    let facts = RequestFacts {
        method: operation.method,
        host: "demo.localhost",
        path: &path.join("/"),
        query: None,
        headers: &headers,
        now_unix_s: 1_763_700_000,
        request_id: "req_0197c0de8f2b7c3a9d4e5f60718293ff".parse().unwrap(),
        client_address: None,
    };
    let keys = ["host:demo.localhost".to_owned(), format!("tenant:{TENANT}")];
    let mut host = Host {
        region: "local".to_owned(),
        records: BTreeMap::from(keys.map(|key| (key, record.clone()))),
        ..Host::default()
    };
    told(host.run(&facts))
}

fn told(outcome: Outcome) -> Told {
    match outcome {
        Outcome::Forwarded(plan) => {
            let identity = plan.identity();
            assert_eq!(identity.tenant.to_string(), TENANT);
            Told::Forwarded {
                principal: identity.principal.clone(),
                scopes: identity.scopes.to_string(),
            }
        }
        Outcome::Refused(problem) => {
            Told::Refused(problem.code().status(), problem.code().as_str())
        }
        Outcome::Answered(answer) => panic!("{answer:?}"),
    }
}

/// What is told to who calls what needs no scope, and would else be called `principal`.
fn without_scope(operation: &Operation, principal: &str, scopes: &str) -> Told {
    match operation.access {
        Access::Psp => forwarded("psp", ""),
        Access::Public | Access::Scope(_) => forwarded(principal, scopes),
    }
}

fn forwarded(principal: &str, scopes: &str) -> Told {
    Told::Forwarded {
        principal: principal.to_owned(),
        scopes: scopes.to_owned(),
    }
}

const KEY_ID: &str = "key_0197c0de8f2b7c3a9d4e5f6071829305";

#[test]
fn nobody_may_what_is_not_public() {
    let record = record(&secret('a'), &all_scopes());
    for operation in &OPERATIONS {
        let expected = match operation.scope() {
            Some(_) => Told::Refused(401, "credential_missing"),
            None => without_scope(operation, "anonymous", ""),
        };
        assert_eq!(
            ask(operation, &record, None),
            expected,
            "{}",
            operation.name
        );
    }
}

#[test]
fn the_key_of_another_tenant_opens_nothing_not_even_what_is_public() {
    let record = record(&secret('a'), &all_scopes());
    for operation in &OPERATIONS {
        let told = ask(operation, &record, Some(&secret('b')));
        let expected = match operation.access {
            // No key says who the provider is, good or bad.
            Access::Psp => forwarded("psp", ""),
            Access::Public | Access::Scope(_) => Told::Refused(401, "credential_invalid"),
        };
        assert_eq!(told, expected, "{}", operation.name);
    }
}

#[test]
fn an_operation_is_open_to_its_scope_alone() {
    for operation in &OPERATIONS {
        let key = secret('a');
        let Some(scope) = operation.scope() else {
            let without = record(&key, &BTreeSet::new());
            let expected = without_scope(operation, KEY_ID, "");
            assert_eq!(ask(operation, &without, Some(&key)), expected);
            continue;
        };
        let mut others = all_scopes();
        others.remove(scope);
        let told = ask(operation, &record(&key, &others), Some(&key));
        assert_eq!(
            told,
            Told::Refused(403, "scope_missing"),
            "{}",
            operation.name
        );
        let told = ask(
            operation,
            &record(&key, &BTreeSet::from([scope])),
            Some(&key),
        );
        assert_eq!(told, forwarded(KEY_ID, scope), "{}", operation.name);
    }
}

#[test]
fn a_publishable_key_with_all_scopes_reads_the_catalog_and_asks_for_quotes() {
    let record = record(&publishable(), &all_scopes());
    for operation in &OPERATIONS {
        let may = operation
            .scope()
            .is_none_or(|scope| PUBLISHABLE_SCOPES.contains(&scope));
        let expected = if may {
            without_scope(operation, KEY_ID, &PUBLISHABLE_SCOPES.join(" "))
        } else {
            Told::Refused(403, "scope_missing")
        };
        let told = ask(operation, &record, Some(&publishable()));
        assert_eq!(told, expected, "{}", operation.name);
    }
}
