//! What the fuzz targets hold, over what they have found so far: `fuzz/corpus`, a folder for each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests, and a crate of its own that is a part of this one here"
)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;

/// Tests run in the package's folder.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = format!("fuzz/corpus/{name}");
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        // So that a panic can be read: the test's output is shown where it fails.
        println!("{}", path.display());
        target(&input);
        for end in [input.len() / 2, input.len().saturating_sub(1)] {
            target(input.get(..end).unwrap());
        }
        inputs += 1;
    }
    assert!(inputs > 0, "{folder} is empty");
}

#[test]
fn hosts() {
    replay("host", fuzz::host);
}

#[test]
fn requests() {
    replay("request", fuzz::request);
}

#[test]
fn tokens_and_key_sets() {
    replay("token", fuzz::token);
}

#[test]
fn signatures_and_structured_fields() {
    replay("signature", fuzz::signature);
}

#[test]
fn records_and_settings() {
    replay("record", fuzz::record);
}

#[test]
fn each_target_is_built_and_has_a_corpus() {
    let names = |folder: &str, end: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .map(|name| name.trim_end_matches(end).to_owned())
            .collect()
    };
    let targets = names("fuzz/targets", ".rs");
    assert_eq!(targets, names("fuzz/corpus", ""));
    let manifest = fs::read_to_string("fuzz/Cargo.toml").unwrap();
    for target in &targets {
        assert!(
            manifest.contains(&format!("path = \"targets/{target}.rs\"")),
            "{target}"
        );
    }
}
