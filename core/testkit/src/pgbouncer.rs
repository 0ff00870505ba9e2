//! pgbouncer before a test's database, in transaction mode: what stands between functions and a database that has
//! few connections.

use crate::TestDatabase;
use souk_app::{Database, Pooler};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Set, the tests through pgbouncer are left out. Nothing else leaves them out.
pub const WITHOUT_PGBOUNCER_VARIABLE: &str = "SOUK_TEST_WITHOUT_PGBOUNCER";
/// Where Debian puts it, which is not in everybody's `PATH`.
const USUAL_PLACE: &str = "/usr/sbin/pgbouncer";
/// As root it refuses to run.
const UNPRIVILEGED: &str = "nobody";
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Ports are free when they are looked for, and may be taken when they are used.
const STARTS_MAX: u32 = 3;

/// A pooler on a port of this machine. It ends when this is dropped.
#[derive(Debug)]
pub struct Pgbouncer {
    port: u16,
    process: Child,
    folder: PathBuf,
}

impl Pgbouncer {
    /// Starts one before `db` that has `connections` of the server for each role. None where
    /// [`WITHOUT_PGBOUNCER_VARIABLE`] is set.
    ///
    /// # Panics
    /// Where there is no pgbouncer: `script/bootstrap` tells how to get it.
    #[allow(clippy::print_stderr, reason = "what is left out is said")]
    pub fn before(db: &TestDatabase, connections: u8) -> Option<Self> {
        if std::env::var_os(WITHOUT_PGBOUNCER_VARIABLE).is_some() {
            eprintln!(
                "LEFT OUT, since {WITHOUT_PGBOUNCER_VARIABLE} is set: a test through pgbouncer"
            );
            return None;
        }
        for _ in 0..STARTS_MAX {
            if let Some(started) = Self::start(db, connections) {
                return Some(started);
            }
        }
        panic!("pgbouncer does not start");
    }

    fn start(db: &TestDatabase, connections: u8) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("souk-pgbouncer-{}", Uuid::now_v7()));
        fs::create_dir(&folder).expect("a folder can be made");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        drop(listener);
        let settings = folder.join("pgbouncer.ini");
        fs::write(&settings, Self::settings(db, port, connections)).expect("it can be written");
        let mut command = Command::new(program());
        if fs::metadata(&folder).expect("it is there").uid() == 0 {
            command.args(["-u", UNPRIVILEGED]);
        }
        let process = command
            .arg("-q")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer starts: run script/bootstrap, or apt-get install pgbouncer");
        let mut started = Self {
            port,
            process,
            folder,
        };
        started.answers().then_some(started)
    }

    /// A database for each role, under the role's name: the session becomes it when the pooler connects.
    fn settings(db: &TestDatabase, port: u16, connections: u8) -> String {
        let (server, name) = (db.server(), db.name());
        let (host, server_port, user) =
            (server.get_host(), server.get_port(), server.get_username());
        let password = db.password().map_or_else(String::new, |password| {
            format!(" password='{}'", password.replace('\'', "''"))
        });
        let database = |role: &str| {
            format!(
                "{role} = host={host} port={server_port} dbname={name} user={user}{password} \
                 connect_query='SET ROLE {role}'\n"
            )
        };
        let databases: String = ["souk_app", "souk_relay", "souk_sweeper"]
            .map(database)
            .concat();
        format!(
            "[databases]\n{databases}[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {connections}\nmax_client_conn = 500\n\
             ignore_startup_parameters = extra_float_digits,options\n"
        )
    }

    /// Whether it takes connections before it gives up.
    fn answers(&mut self) -> bool {
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            std::thread::yield_now();
        }
        false
    }

    /// The database through it, by `role`, told that it is there.
    pub fn database(&self, role: &str, connections_max: u32) -> Database {
        Database::connect_through(Pooler::Transaction, &self.url(role), connections_max)
            .expect("the URL is valid")
    }

    /// The URL of the database through it, by `role`.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://anybody@127.0.0.1:{}/{role}", self.port)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file());
    found.unwrap_or_else(|| Path::new(USUAL_PLACE).to_owned())
}
