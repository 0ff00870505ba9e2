//! Migrations only add, or say why not: both versions run while a deployment moves traffic (ADR 0027).

use crate::repo::Repo;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Folders of migrations, and the first number in each that is held to the rule.
const FOLDERS: [(&str, i64); 2] = [
    ("core/postgres/migrations", souk_ddl::CHECKED_FROM),
    (
        "core/postgres/migrations-directory",
        souk_ddl::DIRECTORY_CHECKED_FROM,
    ),
];

pub(super) fn violations(repo: &Repo) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for (folder, from) in FOLDERS {
        violations.extend(of_folder(&repo.root.join(folder), folder, from)?);
    }
    Ok(violations)
}

fn of_folder(at: &Path, folder: &str, from: i64) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(at).with_context(|| format!("{folder} cannot be read"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let mut violations = Vec::new();
    for name in names.iter().filter(|name| is_checked(name, from)) {
        let sql = fs::read_to_string(at.join(name))?;
        match souk_ddl::breaking(&sql) {
            Ok(found) => violations.extend(found.iter().map(|finding| {
                format!(
                    "{folder}/{name}, {finding}; the version before still runs on it: do it in a later release, or say why not, in a comment of the statement: `-- not expand-only: REASON`"
                )
            })),
            Err(unreadable) => violations.push(format!("{folder}/{name}: {unreadable}")),
        }
    }
    Ok(violations)
}

/// `0016_more.sql`, from 16 on; what has no number is looked at too.
fn is_checked(name: &str, from: i64) -> bool {
    let number = name
        .split('_')
        .next()
        .and_then(|number| number.parse().ok());
    let is_sql = Path::new(name).extension().is_some_and(|end| end == "sql");
    is_sql && number.is_none_or(|number: i64| number >= from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use uuid::Uuid;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask is in the repository")
    }

    #[test]
    fn the_migrations_of_this_repository_only_add_or_say_why_not() {
        for (folder, from) in FOLDERS {
            let found = of_folder(&root().join(folder), folder, from).expect("it is there");
            assert_eq!(found, [""; 0]);
        }
    }

    #[test]
    fn one_that_takes_away_is_found_and_one_from_before_the_rule_is_not() {
        let at = std::env::temp_dir().join(format!("souk-migrations-{}", Uuid::now_v7()));
        files::private_dir(&at).expect("a folder can be made");
        let sql = "ALTER TABLE souk.orders DROP COLUMN total_minor;";
        for name in ["0015_old.sql", "0016_new.sql", "new.sql", "README.md"] {
            fs::write(at.join(name), sql).expect("a file can be written");
        }
        let found = of_folder(&at, "m", 16).expect("it is there");
        files::remove_dir(&at).expect("it can be removed");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|words| words.contains("new.sql, line 1")));
    }
}
