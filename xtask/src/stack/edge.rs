//! The edge worker under `wrangler dev`: the real workerd, with KV in files.

use super::secrets::{DEMO_SCOPES, DemoTenant, Secrets};
use crate::files;
use crate::package::Artefacts;
use crate::ports::kept_port;
use crate::process::{Lines, output_of, wait_for_line};
use crate::repo::Repo;
use crate::tools::EdgeTools;
use anyhow::{Context, Result};
use core::time::Duration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What the functions and the route records call this place.
pub(crate) const REGION: &str = "local";
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
        let home = state.join("edge");
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

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Writes the demo tenants' route records to KV, unless they are there already: that takes wrangler
    /// some seconds. The worker must not run, since it remembers that a record is missing.
    pub(crate) async fn publish_routes(&self, secrets: &Secrets) -> Result<()> {
        let records: Vec<Value> = secrets
            .tenants()
            .iter()
            .flat_map(|tenant| {
                let value = route_record(tenant).to_string();
                let keys = [
                    format!("host:{}", tenant.host),
                    format!("tenant:{}", tenant.id),
                ];
                keys.map(|key| json!({ "key": key, "value": value }))
            })
            .collect();
        let text = Value::Array(records).to_string();
        let published = self.home.join("routes.json");
        if self.kv().is_dir() && files::read_if_there(&published)?.as_ref() == Some(&text) {
            return Ok(());
        }
        let draft = self.home.join("routes-draft.json");
        files::write_private(&draft, &text)?;
        let mut command = self.wrangler()?;
        command
            .args(["kv", "bulk", "put"])
            .arg(&draft)
            .args(["--local", "--binding", "ROUTES", "--persist-to"])
            .arg(self.kv());
        output_of(&mut command)
            .await
            .context("cannot write the route records to KV")?;
        fs::rename(&draft, &published)?;
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
            .env("PATH", self.tools.path(&self.search_path)?)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("TMPDIR", self.temp()?)
            .env("LANG", "C.UTF-8")
            .env("CI", "true")
            .env("NO_COLOR", "1")
            .env("WRANGLER_SEND_METRICS", "false")
            .env("WRANGLER_LOG_PATH", self.home.join("log"))
            .env("WRANGLER_REGISTRY_PATH", self.home.join("registry"))
            // Else it asks the internet for a sample of the properties that a request has there.
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
        Ok(command)
    }

    fn temp(&self) -> Result<PathBuf> {
        let temp = self.home.join("tmp");
        files::private_dir(&temp)?;
        Ok(temp)
    }
}

fn route_record(tenant: &DemoTenant<'_>) -> Value {
    json!({
        "version": 1,
        "tenant_id": tenant.id,
        "status": "active",
        "region": REGION,
        "keys": [{
            "id": tenant.api_key_id,
            "sha256": hex::encode(Sha256::digest(tenant.api_key)),
            "scopes": DEMO_SCOPES,
            "expires_at": null,
        }],
    })
}
