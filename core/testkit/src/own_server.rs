//! A Postgres server of a test's own: to be restarted, or to be alone with.

use core::time::Duration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

const PASSWORD: &str = "test";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The server, its data, and the user it runs as: it refuses root.
#[derive(Debug)]
pub struct OwnServer {
    programs: PathBuf,
    folder: TempDir,
    user: Option<User>,
    port: u16,
    child: Mutex<Child>,
}

impl OwnServer {
    /// Makes a data directory and starts a server on a free port, with the programs that
    /// `SOUK_TEST_POSTGRES_BIN` names.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let programs = programs();
        let folder = TempDir::with_prefix("souk-postgres-").expect("the machine does its part");
        let user = geteuid().is_root().then(server_user);
        own(folder.path(), user.as_ref());
        let port = free_port();
        init(&programs, folder.path(), user.as_ref()).await;
        let child = spawn(&programs, folder.path(), user.as_ref(), port);
        let this = Self {
            programs,
            folder,
            user,
            port,
            child: Mutex::new(child),
        };
        this.until_ready().await;
        this
    }

    /// Its database `postgres`, by the superuser.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// Ends it, with a crash or in an orderly way, and starts it again on the same data.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&self, crash: bool) {
        let mut child = self.child.lock().await;
        // Both cut all connections at once; after SIGQUIT the server has to recover from its log.
        let signal = if crash {
            Signal::SIGQUIT
        } else {
            Signal::SIGINT
        };
        end(&mut child, signal).await;
        *child = spawn(
            &self.programs,
            self.folder.path(),
            self.user.as_ref(),
            self.port,
        );
        drop(child);
        self.until_ready().await;
    }

    /// Ends it, for good.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub async fn stop(&self) {
        end(&mut *self.child.lock().await, Signal::SIGQUIT).await;
    }

    async fn until_ready(&self) {
        let ready = async {
            loop {
                let mut command = Command::new(self.programs.join("pg_isready"));
                command.args(["--quiet", "--host", "127.0.0.1", "--port"]);
                command.arg(self.port.to_string());
                if command
                    .status()
                    .await
                    .expect("the machine does its part")
                    .success()
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready)
            .await
            .expect("Postgres starts");
    }
}

async fn end(child: &mut Child, signal: Signal) {
    // It has not been waited for: the number is still its own.
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    kill(Pid::from_raw(pid.expect("it runs")), signal).expect("it can be told");
    child.wait().await.expect("it ends");
}

/// The folder of the server's programs.
fn programs() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "tests get their programs from the environment"
    )]
    let programs = std::env::var("SOUK_TEST_POSTGRES_BIN");
    programs
        .expect("SOUK_TEST_POSTGRES_BIN is not set: run script/test")
        .into()
}

/// Who runs the server where root runs the test.
fn server_user() -> User {
    let mut users = ["postgres", "nobody"].into_iter();
    let found = users.find_map(|name| User::from_name(name).ok().flatten());
    found.expect("a user that may run Postgres")
}

fn own(path: &Path, user: Option<&User>) {
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid)).expect("the machine does its part");
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the machine does its part");
    listener
        .local_addr()
        .expect("the machine does its part")
        .port()
}

fn program(path: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

async fn init(programs: &Path, folder: &Path, user: Option<&User>) {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD).expect("the machine does its part");
    own(&password, user);
    let mut command = program(&programs.join("initdb"), user);
    command.arg("--pgdata").arg(folder.join("data"));
    command.arg("--pwfile").arg(&password);
    command.args([
        "--username",
        "postgres",
        "--auth",
        "scram-sha-256",
        "--no-sync",
    ]);
    command.args(["--encoding", "UTF8", "--locale", "C", "--no-instructions"]);
    command.args([
        "--locale-provider",
        "builtin",
        "--builtin-locale",
        "C.UTF-8",
    ]);
    assert!(
        command
            .status()
            .await
            .expect("the machine does its part")
            .success(),
        "initdb"
    );
}

fn spawn(programs: &Path, folder: &Path, user: Option<&User>, port: u16) -> Child {
    let mut command = program(&programs.join("postgres"), user);
    command.arg("-D").arg(folder.join("data"));
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("port={port}"),
        "max_connections=120".to_owned(),
        "shared_buffers=32MB".to_owned(),
        // The processes die, the machine does not: what was written is there after a restart.
        "fsync=off".to_owned(),
        // Whoever is alone with it is so.
        "autovacuum=off".to_owned(),
    ] {
        command.arg("-c").arg(setting);
    }
    command.spawn().expect("Postgres starts")
}
