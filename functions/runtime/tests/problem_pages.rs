//! Every problem has a page, and every page is of a problem.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::Value;
use souk_runtime::EdgeCode;
use souk_runtime::problem::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Status and title by code, of edge and functions.
fn codes() -> BTreeMap<&'static str, BTreeSet<(u16, &'static str)>> {
    let edge = EdgeCode::ALL
        .iter()
        .map(|code| (code.as_str(), (code.status(), code.title())));
    let functions = Code::ALL
        .iter()
        .map(|code| (code.as_str(), (code.status().as_u16(), code.title())));
    let mut codes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (code, definition) in edge.chain(functions) {
        codes.entry(code).or_default().insert(definition);
    }
    codes
}

fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.file_stem().unwrap() != "README");
    pages
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let codes: Vec<String> = codes().keys().map(|code| code.replace('_', "-")).collect();
    let pages: Vec<String> = pages().into_keys().collect();
    assert_eq!(codes, pages);
}

#[test]
fn a_code_means_the_same_at_the_edge_and_behind_it() {
    for (code, definitions) in codes() {
        assert_eq!(definitions.len(), 1, "{code}: {definitions:?}");
    }
}

#[test]
fn every_page_shows_the_document_that_is_answered() {
    let pages = pages();
    for (code, definitions) in codes() {
        let (status, title) = *definitions.first().unwrap();
        let name = code.replace('_', "-");
        let page = &pages[&name];
        let heading = format!("# `{code}`\n");
        assert!(page.starts_with(&heading), "{code}");
        let example = page.split("```http\n").nth(1).unwrap();
        let json = example.split("\n\n").nth(1).unwrap();
        let json: Value = serde_json::from_str(json.trim_end_matches("```\n").trim()).unwrap();
        assert_eq!(json["code"], code);
        assert_eq!(json["type"], format!("/problems/{name}"));
        assert_eq!(json["status"], status, "{code}");
        assert_eq!(json["title"], title, "{code}");
        assert!(
            example.starts_with(&format!("HTTP/1.1 {status}\n")),
            "{code}"
        );
        for part in [
            "What it means",
            "When it happens",
            "What to do",
            "The same `Idempotency-Key`",
        ] {
            assert!(page.contains(&format!("**{part}")), "{code}: {part}");
        }
    }
}
