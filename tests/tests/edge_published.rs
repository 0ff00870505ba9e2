//! `souk edge` and `souk tenants` beside the running edge, by the file that `script/up` leaves for operators.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use souk_e2e::variable;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use support::{Stack, eventually, order_body, send};
use tokio::process::Command;

/// The operator's command line, set up as a shell sets it up.
struct Operator {
    program: PathBuf,
    variables: Vec<(String, String)>,
}

impl Operator {
    fn from_environment() -> Self {
        let lines = fs::read_to_string(variable("SOUK_TEST_OPERATOR_ENV")).unwrap();
        let variables = lines.lines().map(|line| {
            let (name, value) = line
                .strip_prefix("export ")
                .and_then(|rest| rest.strip_suffix('\''))
                .and_then(|rest| rest.split_once("='"))
                .unwrap_or_else(|| panic!("not a line that a shell takes: {line}"));
            (name.to_owned(), value.to_owned())
        });
        Self {
            program: PathBuf::from(variable("SOUK_TEST_ARTEFACTS")).join("souk"),
            variables: variables.collect(),
        }
    }

    async fn runs(&self, words: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(words).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .env("SOUK_OPERATOR", "grace")
            .output()
            .await
            .unwrap()
    }

    /// What is in the store of the running edge itself.
    async fn published(&self, key: &str) -> Value {
        let folder = |(name, value): &(String, String)| {
            (name == "SOUK_EDGE_LOCAL").then(|| PathBuf::from(value))
        };
        let folder = self.variables.iter().find_map(folder).unwrap();
        let read = ["kv", "key", "get", key, "--text", "--binding", "ROUTES"];
        let store = ["--local", "--persist-to", "state"];
        let mut command = Command::new(folder.join("wrangler"));
        let output = command
            .args([&read[..], &store].concat())
            .current_dir(&folder);
        let output = output.output().await.unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    async fn does(&self, words: &[&str]) -> String {
        let output = self.runs(words).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "souk {}: {said}", words.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// What the edge says to an order of a tenant: its status and, where it refuses, why.
async fn ordering(stack: &Stack) -> (u16, Value) {
    let order = stack
        .authorized(Method::POST, "/v1/orders")
        .header("idempotency-key", support::new_key())
        .header("content-type", "application/json")
        .body(order_body(1).to_string());
    let (status, _, answer) = send(order).await;
    (status, answer["code"].clone())
}

async fn reading(stack: &Stack) -> (u16, Value) {
    let (status, _, answer) = send(stack.authorized(Method::GET, "/v1/orders")).await;
    (status, answer["code"].clone())
}

/// Nothing is taken away from other tenants meanwhile: what one publishes or goes back to is about this tenant alone.
#[tokio::test]
async fn the_running_edge_follows_what_is_published_and_what_is_gone_back_to() {
    let operator = Operator::from_environment();
    let host = format!("{}.shops.example", uuid::Uuid::now_v7().simple());
    let tenant = operator
        .does(&[
            "tenants", "create", "Late", "--domain", &host, "--shard", "a",
        ])
        .await;
    let keys = ["tenants", "keys", "create", &tenant];
    let scopes = ["--scope", "orders:read", "--scope", "orders:write"];
    let api_key = operator.does(&[&keys[..], &scopes].concat()).await;
    let stack = Stack {
        edge_host: host,
        api_key,
        tenant_id: tenant.clone(),
        ..Stack::from_environment()
    };
    eventually("a tenant that was made while the edge ran", async || {
        reading(&stack).await == (200, Value::Null)
    })
    .await;
    // It sells nothing yet, so an order gets as far as the function, which says so.
    let served = ordering(&stack).await;
    assert_ne!(served.1, "operation_disabled", "{served:?}");

    let publish = ["--tenant", &tenant, "--publish"];
    let disable = ["edge", "operations", "disable", "place_order"];
    operator.does(&[&disable[..], &publish].concat()).await;
    eventually("the kill switch", async || {
        ordering(&stack).await == (503, json!("operation_disabled"))
    })
    .await;
    assert_eq!(reading(&stack).await, (200, Value::Null));
    let other = Stack::of_second_tenant();
    let (status, _, answer) = send(other.order(&support::new_key(), 1)).await;
    assert_eq!(status, 201, "{answer}");

    operator.does(&["edge", "rollback"]).await;
    eventually("the publication before the kill switch", async || {
        ordering(&stack).await == served
    })
    .await;

    let suspend = ["tenants", "suspend", &tenant, "--reason", "test"];
    operator.does(&suspend).await;
    eventually("the suspension", async || reading(&stack).await.0 == 403).await;
    let refused = reading(&stack).await;
    // Never back to a publication in which the tenant was served.
    let back = operator.runs(&["edge", "rollback"]).await;
    let said = String::from_utf8(back.stderr).unwrap();
    assert!(
        back.status.success() && said.contains("not given back"),
        "{said}"
    );
    let record = operator
        .published(&format!("host:{}", stack.edge_host))
        .await;
    assert_eq!(record["status"], "suspended", "{record}");
    assert_eq!(reading(&stack).await, refused);
}
