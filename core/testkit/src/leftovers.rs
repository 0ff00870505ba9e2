//! Databases of tests that have ended. Nobody reads them again, and those of a whole run, with their
//! copies on the replica, take more room than a small disk has.

use core::hash::Hasher as _;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, PgConnection};
use std::hash::DefaultHasher;
use uuid::Uuid;

/// Begins the name of every test's database.
const PREFIX: &str = "souk_test_";
/// Held by the one who drops.
const DROP_LOCK: i64 = 0x4c65_6674;
/// How many there may be: dropping one makes the server write a checkpoint, so they go in batches.
pub(crate) const LEFT_MAX: usize = 16;

/// A new name for a database of this process: `souk_test_`, where the process runs, its id, and what
/// makes the name unique.
pub(crate) fn name() -> String {
    format!(
        "{PREFIX}{:08x}_{}_{}",
        place(),
        std::process::id(),
        Uuid::now_v7().simple()
    )
}

/// Drops the databases that processes of this machine have left, if there are more than `left_max`.
/// Whatever is still connected to keeps its database.
///
/// # Errors
/// When the server does not answer. A database that cannot be dropped now stays for the next time.
pub(crate) async fn drop_leftovers(
    admin: &mut PgConnection,
    left_max: usize,
) -> Result<(), sqlx::Error> {
    let unused: Vec<String> = sqlx::query_scalar(
        "SELECT d.datname::text FROM pg_database d WHERE starts_with(d.datname, $1) \
           AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid)",
    )
    .bind(format!("{PREFIX}{:08x}_", place()))
    .fetch_all(&mut *admin)
    .await?;
    let left: Vec<String> = unused.into_iter().filter(|name| is_left(name)).collect();
    if left.len() <= left_max {
        return Ok(());
    }
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(DROP_LOCK)
        .fetch_one(&mut *admin)
        .await?;
    if !alone {
        return Ok(());
    }
    for name in left {
        let drop = format!("DROP DATABASE IF EXISTS {name}");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(drop))
            .execute(&mut *admin)
            .await
            && error.as_database_error().is_none()
        {
            return Err(error);
        }
    }
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(DROP_LOCK)
        .execute(&mut *admin)
        .await?;
    Ok(())
}

/// Whether the process that made the database of that name is no more.
fn is_left(name: &str) -> bool {
    let pid = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('_').nth(1))
        .and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
}

/// This start of this machine, and the processes that are seen from here: where a process id means the
/// same process. A server may be shared with other places.
fn place() -> u32 {
    let mut place = DefaultHasher::new();
    for file in [
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/kernel/hostname",
    ] {
        place.write(&std::fs::read(file).unwrap_or_default());
    }
    if let Ok(processes) = std::fs::read_link("/proc/self/ns/pid") {
        place.write(processes.as_os_str().as_encoded_bytes());
    }
    let [_, _, _, _, rest @ ..] = place.finish().to_be_bytes();
    u32::from_be_bytes(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestDatabase;
    use sqlx::Connection as _;

    async fn exists(admin: &mut PgConnection, name: &str) -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(admin)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_ended_processes_have_left_goes_and_nothing_else() {
        let db = TestDatabase::create().await;
        let mut admin = PgConnection::connect_with(db.server()).await.unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let pid = ended.id();
        ended.wait().unwrap();
        let own = format!("_{}_", std::process::id());
        let [left, in_use] = [(); 2].map(|()| name().replace(&own, &format!("_{pid}_")));
        let [kept, elsewhere] = [
            name(),
            format!("{PREFIX}0_{pid}_{}", Uuid::now_v7().simple()),
        ];
        for name in [&left, &in_use, &kept, &elsewhere] {
            db.execute(&format!("CREATE DATABASE {name}")).await;
        }
        let options = db.server().clone().database(&in_use);
        let user = PgConnection::connect_with(&options).await.unwrap();

        // Another test may be the one who drops.
        while exists(&mut admin, &left).await {
            drop_leftovers(&mut admin, 0).await.unwrap();
        }
        for name in [&in_use, &kept, &elsewhere] {
            assert!(exists(&mut admin, name).await, "{name}");
        }
        user.close().await.unwrap();
        for name in [&in_use, &kept, &elsewhere] {
            db.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await;
        }
    }
}
