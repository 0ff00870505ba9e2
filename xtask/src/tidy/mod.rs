//! Rules of the repository that no compiler checks.

mod arrows;
mod pins;

use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
use std::collections::BTreeMap;
use std::fs;

/// Crates without clock, randomness, environment, input and output; each repeats the root's bans,
/// since a crate's own clippy.toml replaces the root's.
const PURE_CRATES: [&str; 2] = ["core/domain", "core/policy"];

/// Checks every rule and reports all that is broken, not only the first.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let metadata = MetadataCommand::new()
        .cargo_path(&repo.cargo)
        .current_dir(&repo.root)
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    let mut broken = arrows::check(&metadata);
    broken.extend(pins::check(repo)?);
    broken.extend(pure_bans(repo)?);
    broken.extend(adr_numbers(repo)?);
    if broken.is_empty() {
        println!("tidy: {} crates, every rule holds", metadata.workspace_members.len());
        return Ok(());
    }
    bail!("tidy found {}:\n  {}", broken.len(), broken.join("\n  "))
}

fn pure_bans(repo: &Repo) -> Result<Vec<String>> {
    let root = fs::read_to_string(repo.root.join("clippy.toml")).context("clippy.toml")?;
    let bans: Vec<&str> = root.lines().filter_map(banned_path).collect();
    if bans.is_empty() {
        bail!("clippy.toml bans nothing: has its form changed?");
    }
    let mut broken = Vec::new();
    for folder in PURE_CRATES {
        let path = repo.root.join(folder).join("clippy.toml");
        let own = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let own: Vec<&str> = own.lines().filter_map(banned_path).collect();
        for ban in bans.iter().filter(|ban| !own.contains(ban)) {
            broken.push(format!("{folder}/clippy.toml does not repeat the root's ban of {ban}"));
        }
    }
    Ok(broken)
}

/// The `path` of a line like `{ path = "std::env::var", reason = "…" },`.
fn banned_path(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("path = \"")?;
    rest.split_once('"').map(|(path, _)| path)
}

fn adr_numbers(repo: &Repo) -> Result<Vec<String>> {
    let folder = repo.root.join("docs/adr");
    let mut by_number: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut broken = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        match name.split_once('-') {
            Some((number, _)) if number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) => {
                by_number.entry(number.to_owned()).or_default().push(name);
            }
            _ => broken.push(format!("docs/adr/{name} is not named NNNN-title.md")),
        }
    }
    let twice = by_number.into_values().filter(|names| names.len() > 1);
    broken.extend(twice.map(|names| format!("docs/adr: one number for {}", names.join(" and "))));
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_read_by_its_path() {
        let line = r#"    { path = "std::env::var", reason = "a reason" },"#;
        assert_eq!(banned_path(line), Some("std::env::var"));
        assert_eq!(banned_path("disallowed-methods = ["), None);
    }
}
