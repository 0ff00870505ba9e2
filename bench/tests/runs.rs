//! Every benchmark runs, in its short form, and says what it has found; and what it has started ends
//! with it. Figures are not looked at here: the machine is busy with other tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use souk_testkit::{Probe, SERVER_URL_VARIABLE};
use std::fs::{read_dir, read_to_string};
use std::process::{Child, Command, Stdio};
use std::thread::yield_now;

/// Tests run in the package's folder.
fn bench(name: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_souk-bench").unwrap());
    command
        .arg(name)
        .args(["--bench", "."])
        .args(["--node", "../edge/node_modules/.bin/node"]);
    command
}

fn run_quickly(name: &str) {
    let out = tempfile::tempdir().unwrap();
    let output = bench(name)
        .args(["--quick", "--out"])
        .arg(out.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdict = told.lines().last().unwrap();
    assert!(verdict.starts_with(&format!("{name} ratio=")), "{verdict}");
    assert!(verdict.contains(" limit="), "{verdict}");

    let written = read_to_string(out.path().join(format!("{name}.json"))).unwrap();
    let report: Value = serde_json::from_str(&written).unwrap();
    let number = |pointer: &str| {
        let found = report.pointer(pointer).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("{pointer} is no number in {report:#}"))
    };
    assert_eq!(report["name"], name);
    assert_eq!(report["quick"], true);
    assert!(number("/ratio") > 0.0 && number("/machine/cores") >= 1.0);
    assert_eq!(report["postgres"]["settings"]["fsync"], "on");
    assert!(
        report["postgres"]["version"]
            .as_str()
            .is_some_and(|version| !version.is_empty())
    );
    let comparisons = report["comparisons"].as_array().unwrap();
    assert!(!comparisons.is_empty());
    for (index, comparison) in comparisons.iter().enumerate() {
        assert!(!comparison["pair_ratios"].as_array().unwrap().is_empty());
        for side in ["ours", "peer"] {
            let of = |name: &str| number(&format!("/comparisons/{index}/{side}/{name}"));
            assert!(of("per_second_median") > 0.0);
            assert!(of("p50_us_median") > 0.0 && of("p99_us") > 0.0);
        }
    }
}

#[test]
fn place_order_runs() {
    run_quickly("place-order");
}

#[test]
fn place_order_bound_runs() {
    run_quickly("place-order-bound");
}

#[test]
fn place_order_node_runs() {
    run_quickly("place-order-node");
}

#[test]
fn idempotency_runs() {
    run_quickly("idempotency");
}

#[test]
fn flash_sale_runs() {
    run_quickly("flash-sale");
}

#[test]
fn list_orders_runs() {
    run_quickly("list-orders");
}

#[test]
fn payment_runs() {
    run_quickly("payment");
}

#[test]
fn policy_runs() {
    run_quickly("policy");
}

#[test]
fn relay_runs() {
    run_quickly("relay");
}

#[test]
fn relay_sqs_runs() {
    run_quickly("relay-sqs");
}

#[test]
fn relay_scaling_runs() {
    run_quickly("relay-scaling");
}

#[test]
fn relay_backlog_runs() {
    run_quickly("relay-backlog");
}

#[test]
fn relay_latency_runs() {
    run_quickly("relay-latency");
}

#[test]
fn relay_cost_runs() {
    run_quickly("relay-cost");
}

/// A benchmark that is under way: its server takes orders.
struct UnderWay {
    bench: Child,
    server: i32,
    database: String,
}

fn start() -> UnderWay {
    let bench = bench("place-order")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let own = bench.id();
    let (server, environment) = loop {
        let found = children(own).into_iter().find_map(|pid| {
            let environment = read_to_string(format!("/proc/{pid}/environ")).ok()?;
            environment
                .contains("SOUK_DATABASE_URL=")
                .then_some((pid, environment))
        });
        match found {
            Some(found) => break found,
            None => yield_now(),
        }
    };
    let name = environment.split("/souk_bench_").nth(1).unwrap();
    let name: String = name.chars().take_while(char::is_ascii_hexdigit).collect();
    UnderWay {
        bench,
        server,
        database: format!("souk_bench_{name}"),
    }
}

fn children(pid: u32) -> Vec<i32> {
    let tasks = read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks
        .filter_map(|task| read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            let pids: Vec<i32> = list.split_whitespace().flat_map(str::parse).collect();
            pids
        })
        .collect()
}

fn wait_until_gone(pid: i32) {
    let runs = || {
        let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // One that nobody has asked for its end is a zombie, and has ended.
        !(stat.is_empty() || stat.contains(") Z "))
    };
    while runs() {
        yield_now();
    }
}

#[tokio::test]
async fn an_interrupted_run_leaves_nothing_behind() {
    let mut run = start();
    let own = Pid::from_raw(i32::try_from(run.bench.id()).unwrap());
    kill(own, Signal::SIGINT).unwrap();
    assert_eq!(run.bench.wait().unwrap().code(), Some(1));
    wait_until_gone(run.server);
    let probe = Probe::new(&std::env::var(SERVER_URL_VARIABLE).unwrap());
    let left = format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}'",
        run.database
    );
    assert_eq!(probe.number(&left).await, 0);
}

#[test]
fn a_killed_run_leaves_no_process_behind() {
    let mut run = start();
    run.bench.kill().unwrap();
    run.bench.wait().unwrap();
    wait_until_gone(run.server);
}
