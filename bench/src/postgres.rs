//! The Postgres server of a run, and the databases that the run makes in it.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use url::Url;
use uuid::Uuid;

/// Settings that decide what a commit costs, as told in the results.
const SETTINGS: [&str; 8] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "commit_delay",
    "shared_buffers",
    "max_wal_size",
    "max_connections",
];

/// The server, by its superuser.
#[derive(Debug)]
pub(crate) struct Server {
    url: Url,
    bin: Option<PathBuf>,
    /// To be dropped at the end.
    databases: RefCell<Vec<String>>,
}

/// What is known of a server.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PostgresFacts {
    version: String,
    settings: serde_json::Value,
}

impl Server {
    /// `url` is `postgres://…`, `bin` the folder of its programs.
    pub(crate) fn new(url: &str, bin: Option<&Path>) -> Result<Self> {
        if url.is_empty() {
            bail!(
                "SOUK_TEST_POSTGRES_URL is not set: run script/bench, or cargo xtask postgres -- …"
            );
        }
        Ok(Self {
            url: Url::parse(url).context("SOUK_TEST_POSTGRES_URL is no URL")?,
            bin: bin.map(Path::to_owned),
            databases: RefCell::default(),
        })
    }

    /// Makes an empty database.
    pub(crate) async fn create_database(&self) -> Result<BenchDatabase<'_>> {
        let name = format!("souk_bench_{}", Uuid::now_v7().simple());
        let server = self.database(self.url.path().trim_start_matches('/'));
        server.sql(&format!("CREATE DATABASE {name}"), &[]).await?;
        self.databases.borrow_mut().push(name.clone());
        Ok(self.database(&name))
    }

    fn database(&self, name: &str) -> BenchDatabase<'_> {
        BenchDatabase {
            server: self,
            name: name.to_owned(),
        }
    }

    /// Drops what this run has made; nothing of it is worth an error.
    pub(crate) async fn remove_databases(&self) {
        let names = self.databases.take();
        let server = self.database(self.url.path().trim_start_matches('/'));
        for name in names {
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            if let Err(error) = server.sql(&drop, &[]).await {
                eprintln!("{name} stays: {error:#}");
            }
        }
    }

    /// Version and settings.
    pub(crate) async fn facts(&self) -> Result<PostgresFacts> {
        let server = self.database(self.url.path().trim_start_matches('/'));
        let version = server.sql("SHOW server_version", &[]).await?;
        let names = SETTINGS.map(|name| format!("'{name}'")).join(",");
        let settings = server
            .sql(
                &format!(
                    "SELECT json_object_agg(name, current_setting(name)) FROM pg_settings \
                     WHERE name IN ({names})"
                ),
                &[],
            )
            .await?;
        Ok(PostgresFacts {
            version: version.trim().to_owned(),
            settings: serde_json::from_str(&settings)?,
        })
    }
}

/// A database of one run.
#[derive(Debug, Clone)]
pub(crate) struct BenchDatabase<'a> {
    server: &'a Server,
    name: String,
}

impl BenchDatabase<'_> {
    /// Its URL, by the superuser.
    pub(crate) fn url(&self) -> Url {
        let mut url = self.server.url.clone();
        url.set_path(&self.name);
        url
    }

    /// A URL that logs in and becomes `role` at once, with what the role's own log-in would set: row
    /// level security applies as to the role.
    pub(crate) fn url_by_role(&self, role: &str) -> String {
        let url = self.url();
        let separator = if url.query().is_some() { '&' } else { '?' };
        format!("{url}{separator}options=-c%20role%3D{role}%20-c%20enable_seqscan%3Doff")
    }

    /// One of the server's programs, on this database.
    pub(crate) fn program(&self, name: &str) -> Result<Command> {
        let path = self
            .server
            .bin
            .as_ref()
            .map_or_else(|| name.into(), |bin| bin.join(name));
        let url = &self.server.url;
        let mut command = Command::new(path);
        command
            .env("PGHOST", url.host_str().context("the server has a host")?)
            .env("PGPORT", url.port().unwrap_or(5432).to_string())
            .env("PGUSER", url.username())
            .env("PGDATABASE", &self.name)
            .kill_on_drop(true);
        if let Some(password) = url.password() {
            command.env("PGPASSWORD", password);
        }
        Ok(command)
    }

    /// Runs statements by the superuser and returns the bare values. `variables` are `:'name'`.
    pub(crate) async fn sql(&self, sql: &str, variables: &[(&str, &str)]) -> Result<String> {
        let mut command = self.program("psql")?;
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        command.args(["--set", "ON_ERROR_STOP=1", "--file", "-"]);
        for (name, value) in variables {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start psql")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(sql.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("psql fails: {told}");
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The single number that `sql` asks for.
    pub(crate) async fn number(&self, sql: &str, variables: &[(&str, &str)]) -> Result<i64> {
        let text = self.sql(sql, variables).await?;
        text.parse()
            .with_context(|| format!("{sql} gives {text:?}"))
    }
}
