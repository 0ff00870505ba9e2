//! `cargo xtask tidy`: the rules of this repository that no compiler knows.

mod arrows;
mod migrations;
mod repository;

use crate::repo::Repo;
use anyhow::{Result, bail};
use cargo_metadata::MetadataCommand;

/// Checks all rules and tells all violations at once.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let metadata = MetadataCommand::new()
        .cargo_path(&repo.cargo)
        .current_dir(&repo.root)
        .no_deps()
        .exec()?;
    let mut violations = arrows::check(&metadata);
    violations.extend(repository::violations(repo)?);
    violations.extend(migrations::violations(repo)?);
    if violations.is_empty() {
        println!("{} packages, tidy", metadata.packages.len());
        return Ok(());
    }
    bail!(
        "{} rules are broken:\n  {}",
        violations.len(),
        violations.join("\n  ")
    )
}
