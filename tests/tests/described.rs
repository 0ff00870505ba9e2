//! What the API answers is what its description says, whatever is asked: schemathesis makes up
//! requests from the description that the running stack serves, right and wrong ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use http::Method;
use serde_json::Value;
use souk_e2e::variable;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use support::{Stack, send};
use tokio::process::Command;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";
const EXAMPLES_AN_OPERATION: &str = "500";
/// What only the payment service provider may ask, which signs; tests of payments ask it.
const PROVIDERS: &str = "^/v1/psp/";
const SEED: &str = "20261121";

/// schemathesis against the edge, as the demo tenant with all scopes.
fn schemathesis(stack: &Stack) -> Command {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/schemathesis");
    let mut command = Command::new(variable("SOUK_TEST_SCHEMATHESIS"));
    command
        .args(["run", &format!("{}/openapi.json", stack.edge_url)])
        .args(["--url", &stack.edge_url])
        .args(["--header", &format!("Host: {}", stack.edge_host)])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", stack.api_key),
        ])
        .args(["--checks", CHECKS])
        .args(["--max-examples", EXAMPLES_AN_OPERATION, "--seed", SEED])
        .args(["--continue-on-failure", "--generation-database", "none"])
        .args(["--exclude-path-regex", PROVIDERS])
        .arg("--no-color")
        .env("PYTHONPATH", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .stdin(Stdio::null());
    command
}

/// The operations of a description, as method and path, but the one that hands it out, and the
/// provider's.
fn operations(description: &Value) -> BTreeSet<String> {
    let paths = description["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    let asked = |operation: &String| {
        operation != "GET /openapi.json" && !operation.contains(PROVIDERS.trim_start_matches('^'))
    };
    all.filter(asked).collect()
}

/// How many answers of each kind (2 for 2xx) each operation gave, by the report of all that was
/// sent: a line of JSON for each event.
fn answers(report: &str) -> BTreeMap<String, BTreeMap<u64, u32>> {
    let mut answers: BTreeMap<String, BTreeMap<u64, u32>> = BTreeMap::new();
    for line in report.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let Some(interactions) = recorder["interactions"].as_object() else {
            continue;
        };
        for (id, interaction) in interactions {
            let case = &recorder["cases"][id]["value"];
            let text = |name: &str| case[name].as_str().unwrap();
            let operation = format!("{} {}", text("method"), text("path"));
            let status = interaction["response"]["status_code"].as_u64();
            let of_operation = answers.entry(operation).or_default();
            *of_operation.entry(status.unwrap_or(0) / 100).or_default() += 1;
        }
    }
    answers
}

#[tokio::test]
#[ignore = "thousands of requests: script/test --full"]
async fn no_request_is_answered_otherwise_than_described() {
    let stack = Stack::from_environment();
    let (_, _, description) = send(stack.anonymous(Method::GET, "/openapi.json")).await;
    // What it leaves behind, such as a cache, goes with the folder.
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson");
    let output = schemathesis(&stack)
        .args(["--report", "ndjson", "--report-ndjson-path"])
        .arg(&report)
        .current_dir(folder.path())
        .output()
        .await
        .expect("SOUK_TEST_SCHEMATHESIS names a program");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    let answers = answers(&std::fs::read_to_string(&report).unwrap());
    for (operation, counts) in &answers {
        println!("{operation}: {counts:?}");
    }
    assert!(output.status.success(), "schemathesis found something");
    // Where all is refused, nothing was tested.
    let never_succeeded: Vec<String> = operations(&description)
        .into_iter()
        .filter(|operation| {
            !answers
                .get(operation)
                .is_some_and(|all| all.contains_key(&2))
        })
        .collect();
    assert_eq!(never_succeeded, [""; 0]);
}
