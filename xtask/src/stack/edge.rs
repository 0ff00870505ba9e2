//! The edge worker under `wrangler dev`: the real workerd, with KV in files.

use super::provision::DIRECTORY;
use super::secrets::Secrets;
use crate::files;
use crate::package::Artefacts;
use crate::ports::kept_port;
use crate::process::{Lines, output_of, wait_for_line};
use crate::repo::Repo;
use crate::tools::EdgeTools;
use anyhow::{Context, Result};
use core::time::Duration;
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use url::Url;

/// What the functions and the route records call this place.
pub(crate) const REGION: &str = "local";
/// Whom the audit log names where the stack has published.
const PUBLISHER: &str = "script/up";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The line of `edge/wrangler.toml` that names the bundle.
const MAIN: &str = "main = \"build/index.js\"";

/// The worker, not started yet.
#[derive(Debug)]
pub(crate) struct Edge {
    tools: EdgeTools,
    /// Holds configuration, KV, logs and wrangler's own files, so that stacks do not meet.
    home: PathBuf,
    port: u16,
    search_path: PathBuf,
}

impl Edge {
    /// Prepares to run the bundle of `artefacts` with the settings of `edge/wrangler.toml`.
    pub(crate) fn new(repo: &Repo, state: &Path, artefacts: &Artefacts) -> Result<Self> {
        let home = Self::home(state);
        files::private_dir(&home)?;
        let settings = fs::read_to_string(repo.root.join("edge/wrangler.toml"))?;
        anyhow::ensure!(
            settings.contains(MAIN),
            "edge/wrangler.toml has no line `{MAIN}`"
        );
        let module = artefacts.edge_module();
        let main = format!("main = {}", json!(module));
        files::write_private(&home.join("wrangler.toml"), &settings.replace(MAIN, &main))?;
        Ok(Self {
            tools: EdgeTools::find(repo)?,
            port: kept_port(state, "edge")?,
            home,
            search_path: repo.search_path.clone(),
        })
    }

    /// Its folder: what `souk edge --local` wants.
    pub(crate) fn home(state: &Path) -> PathBuf {
        state.join("edge")
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Publishes what the directory knows to KV, by the operator's command line, which asks wrangler only where
    /// something differs: that takes some seconds. The worker must not run, since it remembers that a record is
    /// missing.
    pub(crate) async fn publish(&self, artefacts: &Artefacts, directory: &Url) -> Result<()> {
        self.write_launcher()?;
        let mut command = Command::new(artefacts.operator());
        command
            .args(["edge", "publish", "--local"])
            .arg(&self.home)
            .env_clear()
            .env(DIRECTORY, directory.as_str())
            .env("SOUK_OPERATOR", PUBLISHER);
        output_of(&mut command)
            .await
            .context("cannot publish the tenants to KV")?;
        Ok(())
    }

    /// A program in the edge's folder that runs wrangler as this one does: for the operator's command line.
    fn write_launcher(&self) -> Result<()> {
        let quoted = |text: &OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
        let variables = self.environment()?.into_iter();
        let variables = variables.map(|(name, value)| format!("{name}={} ", quoted(&value)));
        let text = format!(
            "#!/bin/sh\nexec /usr/bin/env -i {}{} {} \"$@\"\n",
            variables.collect::<String>(),
            quoted(self.tools.node.as_os_str()),
            quoted(self.tools.wrangler.as_os_str()),
        );
        let launcher = self.home.join("wrangler");
        files::write_private(&launcher, &text)?;
        fs::set_permissions(&launcher, fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// The command that runs it.
    pub(crate) fn command(&self, secrets: &Secrets, origin_url: &str) -> Result<Command> {
        let variables = self.home.join("edge.env");
        // Wrangler expands `$` in this file, and the stage of an HTTP API is called `$default`.
        let origin_url = origin_url.replace('$', "\\$");
        let text = format!(
            "ORIGIN_URL='{origin_url}'\nREGION={REGION}\nSIGNING_KEY_ID={}\nSIGNING_KEY={}\n",
            secrets.signing_key_id, secrets.signing_key
        );
        files::write_private(&variables, &text)?;
        let mut command = self.wrangler()?;
        command
            .args([
                "dev",
                "--local",
                "--ip",
                "127.0.0.1",
                "--inspector-port",
                "0",
            ])
            .args(["--port", &self.port.to_string()])
            .args(["--log-level", "log", "--show-interactive-dev-session=false"])
            .arg("--persist-to")
            .arg(self.kv())
            .arg("--env-file")
            .arg(&variables);
        Ok(command)
    }

    /// Waits until it listens.
    pub(crate) async fn ready(&self, mut lines: Lines) -> Result<Lines> {
        wait_for_line(&mut lines, START_TIMEOUT, |line| {
            line.contains("Ready on http://127.0.0.1:")
        })
        .await
        .context("the edge did not start")?;
        Ok(lines)
    }

    fn kv(&self) -> PathBuf {
        self.home.join("state")
    }

    fn wrangler(&self) -> Result<Command> {
        let mut command = Command::new(&self.tools.node);
        command
            .arg(&self.tools.wrangler)
            .current_dir(&self.home)
            .env_clear()
            .envs(self.environment()?);
        Ok(command)
    }

    fn environment(&self) -> Result<Vec<(&'static str, OsString)>> {
        Ok(vec![
            ("PATH", self.tools.path(&self.search_path)?),
            ("HOME", self.home.clone().into()),
            ("XDG_CONFIG_HOME", self.home.join("config").into()),
            ("TMPDIR", self.temp()?.into()),
            ("LANG", "C.UTF-8".into()),
            ("CI", "true".into()),
            ("NO_COLOR", "1".into()),
            ("WRANGLER_SEND_METRICS", "false".into()),
            ("WRANGLER_LOG_PATH", self.home.join("log").into()),
            ("WRANGLER_REGISTRY_PATH", self.home.join("registry").into()),
            // Else it asks the internet for a sample of the properties that a request has there.
            ("CLOUDFLARE_CF_FETCH_ENABLED", "false".into()),
        ])
    }

    fn temp(&self) -> Result<PathBuf> {
        let temp = self.home.join("tmp");
        files::private_dir(&temp)?;
        Ok(temp)
    }
}
