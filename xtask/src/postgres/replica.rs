//! A replica: a second server that repeats the first one's log, a moment later, and answers reads.

use super::home::Home;
use super::{Data, START_TIMEOUT, connect_to, serve};
use crate::ports::kept_port;
use crate::process::{Lines, Parts, output_of, wait_for_line};
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use std::path::Path;
use url::Url;

/// Starts a replica of the server at `primary`, whose data belong to `state`. Returns its database
/// `postgres` as the superuser, and its log.
///
/// It is made anew each time: that takes less than a second here, and a copy that was left behind, or
/// belongs to another history of the primary, cannot trouble anyone.
pub(crate) async fn start_replica(
    repo: &Repo,
    state: &Path,
    parts: &Parts,
    primary: &Url,
) -> Result<(Url, Lines)> {
    let home = Home::prepare(repo, state).await?.of_replica();
    home.end_orphan().await?;
    home.clear_data()?;
    let mut copy = home.command("pg_basebackup");
    copy.arg("--pgdata")
        .arg(&home.data)
        // Writes standby.signal and where the primary is.
        .arg("--write-recovery-conf")
        .args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
    connect_to(&mut copy, primary)?;
    output_of(&mut copy)
        .await
        .context("cannot copy the primary")?;

    let port = kept_port(state, "replica")?;
    let mut command = serve(&home, port);
    // Nothing in it is worth a flush. The primary keeps the row versions that its readers still need.
    for setting in ["fsync=off", "hot_standby_feedback=on"] {
        command.arg("-c").arg(setting);
    }
    let mut lines = parts.start("replica", command, Data::ThrownAway.stop_signal())?;
    wait_for_line(&mut lines, START_TIMEOUT, |line| {
        line.ends_with("database system is ready to accept read-only connections")
    })
    .await
    .context("the replica did not start")?;
    let mut url = primary.clone();
    if url.set_port(Some(port)).is_err() {
        bail!("{url} takes no port");
    }
    Ok((url, lines))
}
