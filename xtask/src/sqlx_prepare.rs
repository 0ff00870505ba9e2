//! `cargo xtask sqlx-prepare`: the data from which sqlx's macros check queries without a database.
//!
//! The macros write them by themselves while they compile against a live database, when
//! `SQLX_OFFLINE_DIR` is set: no further tool is needed.

use crate::files;
use crate::postgres::{Throwaway, run_migration};
use crate::process::run_foreground;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::process::Command;

const CRATE: &str = "souk-postgres";
/// The shards' schema and the directory's, which lie in one database only here.
const MIGRATIONS: [&str; 2] = [
    "core/postgres/migrations",
    "core/postgres/migrations-directory",
];
/// Where the macros look, in the workspace's root.
const DATA: &str = ".sqlx";

/// Regenerates the data; with `check`, only compares them.
pub(crate) async fn run(repo: &Repo, check: bool) -> Result<ExitCode> {
    let server = Throwaway::start(repo, false).await?;
    let described = describe_queries(repo, &server).await;
    server.stop().await?;
    let described = described?;

    let committed_dir = repo.root.join(DATA);
    let committed = query_files(&committed_dir)?;
    if check {
        return compare(&committed, &described);
    }
    fs::create_dir_all(&committed_dir)?;
    for name in committed
        .keys()
        .filter(|name| !described.contains_key(*name))
    {
        fs::remove_file(committed_dir.join(name))?;
    }
    for (name, content) in &described {
        if committed.get(name) != Some(content) {
            fs::write(committed_dir.join(name), content)?;
        }
    }
    println!("{} queries in {DATA}", described.len());
    Ok(ExitCode::SUCCESS)
}

fn compare(
    committed: &BTreeMap<String, String>,
    described: &BTreeMap<String, String>,
) -> Result<ExitCode> {
    let mut stale = Vec::new();
    for (name, content) in described {
        match committed.get(name) {
            None => stale.push(format!("{name} is missing")),
            Some(found) if found != content => stale.push(format!("{name} differs")),
            Some(_) => {}
        }
    }
    for name in committed
        .keys()
        .filter(|name| !described.contains_key(*name))
    {
        stale.push(format!("{name} belongs to no query"));
    }
    if stale.is_empty() {
        println!("{} queries, all as committed", described.len());
        return Ok(ExitCode::SUCCESS);
    }
    bail!(
        "{DATA} is not what the queries need; run `cargo xtask sqlx-prepare`:\n{}",
        stale.join("\n")
    )
}

/// Compiles the crate against a migrated database. File name to content.
async fn describe_queries(repo: &Repo, server: &Throwaway) -> Result<BTreeMap<String, String>> {
    migrate(repo, server).await?;
    let out = repo
        .target
        .join(format!("sqlx-prepare-{}", std::process::id()));
    files::remove_dir(&out)?;
    fs::create_dir_all(&out)?;
    let mut command = Command::new(&repo.cargo);
    command
        .args([
            "rustc",
            "--quiet",
            "--package",
            CRATE,
            "--lib",
            "--profile",
            "check",
        ])
        // A flag that was never used makes cargo compile this one crate anew, and no other, so that
        // every macro runs.
        .args(["--", "--cfg"])
        .arg(format!("souk_sqlx_prepare=\"{:016x}\"", fastrand::u64(..)))
        .current_dir(&repo.root)
        .env("CARGO_TARGET_DIR", &repo.target)
        .env("DATABASE_URL", server.url.as_str())
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &out);
    let status = run_foreground(&mut command).await?;
    let described = query_files(&out);
    files::remove_dir(&out)?;
    if !status.success() {
        bail!("{CRATE} does not compile against its migrations");
    }
    described
}

async fn migrate(repo: &Repo, server: &Throwaway) -> Result<()> {
    for dir in MIGRATIONS {
        let migrations = files::entries(&repo.root.join(dir))?;
        for migration in migrations.iter().filter(|path| has_extension(path, "sql")) {
            run_migration(repo, &server.url, migration).await?;
        }
    }
    Ok(())
}

fn query_files(dir: &Path) -> Result<BTreeMap<String, String>> {
    if !dir.is_dir() {
        return Ok(BTreeMap::new());
    }
    let queries: Vec<PathBuf> = files::entries(dir)?
        .into_iter()
        .filter(|path| has_extension(path, "json"))
        .collect();
    queries
        .into_iter()
        .map(|path| {
            let name = path.file_name().context("a file has a name")?;
            Ok((
                name.to_string_lossy().into_owned(),
                fs::read_to_string(&path)?,
            ))
        })
        .collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
