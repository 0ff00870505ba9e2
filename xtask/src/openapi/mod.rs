//! `cargo xtask openapi`: the API's description, from the code of the functions that serve it.

mod compare;
mod schema;

use crate::process::run_foreground;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;
use tokio::process::Command;

/// Functions that serve operations. Each has a test `openapi`, which writes its part when told to.
const FUNCTIONS: [&str; 4] = ["orders", "catalog", "payments", "webhooks"];
const DOCUMENT: &str = "docs/openapi.json";

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OpenapiArguments {
    /// Change nothing, fail when the committed description is not what the code says
    #[arg(long)]
    check: bool,
    /// Write the description even where a client of the committed one would break
    #[arg(long)]
    breaking: bool,
}

/// Generates the description, compares it with the committed one, and writes it.
pub(crate) async fn run(repo: &Repo, arguments: &OpenapiArguments) -> Result<()> {
    let parts = repo.target.join("openapi");
    fs::create_dir_all(&parts)?;
    generate(repo, &parts).await?;
    let generated = merged(&parts)?;
    let path = repo.root.join(DOCUMENT);
    let committed: Value = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).context(DOCUMENT)?,
        Err(_) => Value::Object(Map::new()),
    };
    let broken = compare::breaking_changes(&committed, &generated);
    if !broken.is_empty() && !arguments.breaking {
        bail!(
            "clients of the published API would break:\n  {}",
            broken.join("\n  ")
        );
    }
    if generated == committed {
        println!("{DOCUMENT} is what the code says");
        return Ok(());
    }
    if arguments.check {
        bail!("{DOCUMENT} is not what the code says: run `cargo xtask openapi` and commit it");
    }
    fs::write(&path, serde_json::to_string_pretty(&generated)? + "\n")?;
    println!("{DOCUMENT} is written");
    Ok(())
}

async fn generate(repo: &Repo, parts: &Path) -> Result<()> {
    let mut command = Command::new(&repo.cargo);
    command
        .current_dir(&repo.root)
        .env("CARGO_TARGET_DIR", &repo.target)
        .env("SOUK_OPENAPI_OUT", parts)
        .args(["test", "--quiet", "--test", "openapi"]);
    for function in FUNCTIONS {
        command.args(["--package", &format!("souk-{function}")]);
    }
    if run_foreground(&mut command).await?.success() {
        return Ok(());
    }
    bail!("the functions do not describe themselves")
}

/// The parts of all functions as one document. What several of them have must be the same.
fn merged(parts: &Path) -> Result<Value> {
    let mut whole = Value::Object(Map::new());
    for function in FUNCTIONS {
        let path = parts.join(format!("{function}.json"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        merge(&mut whole, serde_json::from_str(&text)?, function)?;
    }
    Ok(whole)
}

fn merge(into: &mut Value, part: Value, place: &str) -> Result<()> {
    match (into, part) {
        (Value::Object(into), Value::Object(part)) => {
            for (name, value) in part {
                let place = format!("{place}/{name}");
                merge(into.entry(name).or_insert(Value::Null), value, &place)?;
            }
            Ok(())
        }
        (into @ Value::Null, part) => {
            *into = part;
            Ok(())
        }
        (into, part) if *into == part => Ok(()),
        _ => bail!("{place}: two functions describe it differently"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_united_and_must_not_contradict() {
        let mut whole = Value::Null;
        merge(&mut whole, json!({"a": {"x": 1}, "l": [1]}), "one").unwrap();
        merge(&mut whole, json!({"a": {"y": 2}, "l": [1]}), "two").unwrap();
        assert_eq!(whole, json!({"a": {"x": 1, "y": 2}, "l": [1]}));
        let error = merge(&mut whole, json!({"a": {"x": 2}}), "three").unwrap_err();
        assert_eq!(
            error.to_string(),
            "three/a/x: two functions describe it differently"
        );
    }
}
