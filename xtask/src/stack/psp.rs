//! What stands for the payment service provider: a simulator of Stripe, which forgets everything when it
//! is stopped.

use super::secrets::Secrets;
use crate::package::Artefacts;
use crate::ports::kept_port;
use crate::process::{Lines, Parts, wait_for_line};
use anyhow::{Context, Result};
use core::time::Duration;
use nix::sys::signal::Signal;
use serde_json::json;
use std::path::Path;
use tokio::process::Command;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts it; returns its URL and its log.
pub(crate) async fn start(
    artefacts: &Artefacts,
    state: &Path,
    parts: &Parts,
) -> Result<(String, Lines)> {
    let port = kept_port(state, "psp")?;
    let mut command = Command::new(artefacts.psp_simulator());
    command.args(["--port", &port.to_string()]).env_clear();
    let mut lines = parts.start("psp", command, Signal::SIGTERM)?;
    wait_for_line(&mut lines, START_TIMEOUT, |line| {
        line.starts_with("listening on ")
    })
    .await
    .context("the simulator of the payment service provider did not start")?;
    Ok((format!("http://127.0.0.1:{port}"), lines))
}

/// Lets it tell the edge what happens.
pub(crate) async fn tell_the_edge(psp_url: &str, edge_url: &str, secrets: &Secrets) -> Result<()> {
    let endpoint = json!({
        "url": format!("{edge_url}/v1/psp/stripe/{{tenant}}"),
        "secret": secrets.psp_webhook_secret,
        "account": null,
    });
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(REQUEST_TIMEOUT)
        .build()?;
    client
        .post(format!("{psp_url}/_admin/webhooks"))
        .json(&endpoint)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .context("the simulator takes no webhook endpoint")?;
    Ok(())
}
