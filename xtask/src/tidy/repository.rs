//! Rules about files: bans that must be repeated, versions that must agree, decisions that are numbered.

use crate::files;
use crate::repo::Repo;
use crate::tools::locked_version;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::{Table, Value};

/// Crates without clock, environment and I/O. A crate's clippy.toml replaces the root's.
const PURE: [&str; 4] = ["core/ddl", "core/domain", "core/names", "core/policy"];
const BANS: [&str; 3] = [
    "disallowed-macros",
    "disallowed-methods",
    "disallowed-types",
];
const DECISIONS: &str = "docs/adr";

pub(super) fn violations(repo: &Repo) -> Result<Vec<String>> {
    let mut violations = missing_bans(repo)?;
    violations.extend(disagreeing_versions(repo)?);
    let names = decision_names(repo)?;
    violations.extend(decision_violations(&names));
    Ok(violations)
}

/// Bans of the root's clippy.toml that a pure crate's own one leaves out.
fn missing_bans(repo: &Repo) -> Result<Vec<String>> {
    let root = table(&repo.root.join("clippy.toml"))?;
    let mut violations = Vec::new();
    for folder in PURE {
        let own = table(&repo.root.join(folder).join("clippy.toml"))?;
        for list in BANS {
            let kept = banned(&own, list);
            for path in banned(&root, list).difference(&kept) {
                violations.push(format!(
                    "{folder}/clippy.toml does not repeat the root's ban of `{path}` in {list}"
                ));
            }
        }
    }
    Ok(violations)
}

/// The paths in one of clippy's lists, whose entries are texts or tables with a `path`.
fn banned(clippy: &Table, list: &str) -> BTreeSet<String> {
    clippy
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.as_str().or_else(|| entry.get("path")?.as_str()))
        .map(str::to_owned)
        .collect()
}

/// Versions that are written down in two places, each of which needs its own.
fn disagreeing_versions(repo: &Repo) -> Result<Vec<String>> {
    let manifest = table(&repo.root.join("Cargo.toml"))?;
    let toolchain = table(&repo.root.join("rust-toolchain.toml"))?;
    let rust_version = text(&manifest, &["workspace", "package", "rust-version"])?;
    let channel = text(&toolchain, &["toolchain", "channel"])?;
    let mut violations = Vec::new();
    if channel
        .strip_prefix(rust_version)
        .is_none_or(|rest| !rest.is_empty() && !rest.starts_with('.'))
    {
        violations.push(format!(
            "rust-toolchain.toml has {channel}, Cargo.toml promises rust-version {rust_version}"
        ));
    }
    // The tool is installed in the locked version; an exact pin keeps `cargo update` from moving it.
    let bindgen = locked_version(repo, "wasm-bindgen")?;
    let pinned = text(&manifest, &["workspace", "dependencies", "wasm-bindgen"])?;
    if pinned != format!("={bindgen}") {
        violations.push(format!(
            "Cargo.toml asks for wasm-bindgen {pinned} instead of ={bindgen}, as in Cargo.lock"
        ));
    }
    Ok(violations)
}

fn decision_names(repo: &Repo) -> Result<Vec<String>> {
    Ok(files::entries(&repo.root.join(DECISIONS))?
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .map(str::to_owned)
        .collect())
}

/// Decisions are called `NNNN-title.md`, each number once.
fn decision_violations(names: &[String]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_number = BTreeMap::new();
    for name in names.iter().filter(|name| *name != "README.md") {
        let number = name
            .split_once('-')
            .map(|(number, _)| number)
            .filter(|number| number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()));
        match number {
            None => violations.push(format!("{DECISIONS}/{name} is not called NNNN-title.md")),
            Some(number) => {
                if let Some(other) = by_number.insert(number, name) {
                    violations.push(format!("{DECISIONS}: {other} and {name} share a number"));
                }
            }
        }
    }
    violations
}

fn table(path: &Path) -> Result<Table> {
    let text =
        files::read_if_there(path)?.with_context(|| format!("{} is missing", path.display()))?;
    text.parse()
        .with_context(|| format!("{} is not TOML", path.display()))
}

fn text<'a>(table: &'a Table, path: &[&str]) -> Result<&'a str> {
    let (last, parents) = path.split_last().context("a path of keys")?;
    let mut at = table;
    for key in parents {
        at = at
            .get(*key)
            .and_then(Value::as_table)
            .with_context(|| format!("no table `{key}`"))?;
    }
    at.get(*last)
        .and_then(Value::as_str)
        .with_context(|| format!("no text `{last}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_found_in_both_of_clippys_forms() {
        let clippy: Table = r#"disallowed-methods = ["a::b", { path = "c::d", reason = "e" }]"#
            .parse()
            .unwrap();
        let expected = BTreeSet::from(["a::b".to_owned(), "c::d".to_owned()]);
        assert_eq!(banned(&clippy, "disallowed-methods"), expected);
        assert_eq!(banned(&clippy, "disallowed-types"), BTreeSet::new());
    }

    #[test]
    fn decisions_are_numbered_once_each() {
        let names = ["0001-a.md", "0002-b.md", "0002-c.md", "3-d.md", "README.md"];
        let found = decision_violations(&names.map(str::to_owned));
        assert_eq!(
            found,
            [
                "docs/adr: 0002-b.md and 0002-c.md share a number",
                "docs/adr/3-d.md is not called NNNN-title.md",
            ]
        );
    }
}
