//! MiniStack: SQS, Lambda, HTTP API, scheduler and logs behind the AWS API.

use crate::files;
use crate::ports::kept_port;
use crate::process::{Lines, Parts, wait_for_line};
use crate::repo::{Repo, need};
use anyhow::{Context, Result};
use core::time::Duration;
use nix::sys::signal::Signal;
use std::path::Path;
use tokio::process::Command;

use super::cloud::{ACCOUNT, REGION};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The service whose content outlives a stop: a message on its way is not lost. All else is deployed
/// anew at each start.
const KEPT: &str = "sqs.json";

/// Starts it; returns its endpoint and its log.
pub(crate) async fn start(repo: &Repo, state: &Path, parts: &Parts) -> Result<(String, Lines)> {
    let python = repo.venv()?.join("bin/python");
    need(&python)?;
    let home = state.join("ministack");
    let (temp, kept) = (home.join("tmp"), home.join("state"));
    // Unpacked functions of earlier runs.
    files::remove_dir(&temp)?;
    for dir in [&temp, &kept] {
        files::private_dir(dir)?;
    }
    files::clear_dir(&kept, KEPT)?;

    let before = files::read_if_there(&state.join("ministack-port"))?;
    let port = kept_port(state, "ministack")?;
    if let Some(before) = before {
        move_queues(&kept.join(KEPT), &before, &port.to_string())?;
    }
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut command = Command::new(python);
    command
        .args(["-m", "ministack"])
        .current_dir(&home)
        // The functions inherit this environment, as they would have a bare one in Lambda.
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", &home)
        .env("TMPDIR", &temp)
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("AWS_ENDPOINT_URL", &endpoint)
        .env("AWS_ACCESS_KEY_ID", ACCOUNT)
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("MINISTACK_REGION", REGION)
        .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
        .env("PERSIST_STATE", "1")
        .env("STATE_DIR", &kept)
        .env("S3_DATA_DIR", home.join("s3"))
        // Parts that would listen on ports of their own, and containers that are not ours.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        .env("LAMBDA_EXECUTOR", "local")
        .env(
            "DOCKER_HOST",
            format!("unix://{}", home.join("none").display()),
        );
    let mut lines = parts.start("ministack", command, Signal::SIGTERM)?;
    wait_for_line(&mut lines, START_TIMEOUT, |line| {
        line.contains("Running on http://127.0.0.1:")
    })
    .await
    .context("MiniStack did not start")?;
    Ok((endpoint, lines))
}

/// MiniStack files queues under their URLs: those of an earlier run are found only under the port of
/// this one.
fn move_queues(kept: &Path, before: &str, port: &str) -> Result<()> {
    let Some(queues) = files::read_if_there(kept)?.filter(|_| before != port) else {
        return Ok(());
    };
    let (old, new) = (format!("localhost:{before}/"), format!("localhost:{port}/"));
    files::write_private(kept, &queues.replace(&old, &new))
}
