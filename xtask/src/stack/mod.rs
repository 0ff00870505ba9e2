//! The local cloud: Postgres, MiniStack with the functions in it, and the edge worker under workerd.

mod cloud;
mod console;
mod demo;
mod edge;
mod ministack;
mod provision;
mod secrets;
mod serve;

pub(crate) use console::Console;
pub(crate) use edge::DEMO_HOST;
pub(crate) use serve::{check, serve, show_logs};

use crate::files;
use crate::package::Artefacts;
use crate::postgres::{self, Data, run_sql, set_login};
use crate::process::Parts;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use cloud::Cloud;
use core::time::Duration;
use nix::sys::signal::Signal;
use secrets::Secrets;
use std::fs::File;
use std::path::{Path, PathBuf};
use tokio::time::Instant;
use url::Url;

/// The database of the stack, and the role that owns it.
const DATABASE: &str = "souk";
const OWNER_ROLE: &str = "souk_owner";
const APP_ROLE: &str = "souk_app";
const RELAY_ROLE: &str = "souk_relay";

/// In the state directory: locked while a stack runs on it.
const LOCK: &str = "lock";

/// A running local cloud.
#[derive(Debug)]
pub(crate) struct Stack {
    repo: Repo,
    parts: Parts,
    console: Console,
    // Held while it runs: one stack for each state directory.
    _lock: File,
    state: PathBuf,
    data: Data,
}

/// Where the parts of a running stack are, and what opens them.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The server, as the role that may do everything.
    pub(crate) postgres_url: Url,
    /// The stack's database, as each of its roles.
    pub(crate) databases: Databases,
    /// MiniStack.
    pub(crate) aws_endpoint: String,
    /// The functions' HTTP API, without the edge before it.
    pub(crate) origin_url: String,
    /// The edge.
    pub(crate) edge_url: String,
    pub(crate) secrets: Secrets,
    pub(crate) artefacts: Artefacts,
}

/// The stack's database, by role.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    pub(crate) owner: Url,
    pub(crate) app: Url,
    pub(crate) relay: Url,
}

impl Databases {
    fn on(server: &Url, secrets: &Secrets) -> Result<Self> {
        let login = |role, password: &str| {
            let mut url = server.clone();
            url.set_path(DATABASE);
            set_login(&mut url, role, password)?;
            Ok::<_, anyhow::Error>(url)
        };
        Ok(Self {
            owner: login(OWNER_ROLE, &secrets.owner_password)?,
            app: login(APP_ROLE, &secrets.app_password)?,
            relay: login(RELAY_ROLE, &secrets.relay_password)?,
        })
    }
}

impl Stack {
    /// Takes the state directory; nothing runs yet. Whatever happens then, [`Stack::stop`] must
    /// follow.
    pub(crate) fn claim(repo: &Repo, state: &Path, console: Console, data: Data) -> Result<Self> {
        files::private_dir(state)?;
        let lock = File::create(state.join(LOCK))?;
        if lock.try_lock().is_err() {
            bail!("another local cloud runs on {}", state.display());
        }
        let logs = state.join("log");
        files::remove_dir(&logs)?;
        files::private_dir(&logs)?;
        Ok(Self {
            repo: repo.clone(),
            parts: Parts::of(state),
            console,
            _lock: lock,
            state: state.to_owned(),
            data,
        })
    }

    /// Forgets everything that an earlier run has left, before [`Stack::start`].
    pub(crate) fn start_afresh(&self) -> Result<()> {
        files::clear_dir(&self.state, LOCK)?;
        postgres::remove_data(&self.state)?;
        files::private_dir(&self.state.join("log"))
    }

    /// Starts all parts and deploys `artefacts` into them, as far as possible at the same time.
    pub(crate) async fn start(&self, artefacts: Artefacts) -> Result<Facts> {
        let secrets = Secrets::kept(&self.state)?;
        let (databases, (cloud, origin_url)) =
            tokio::try_join!(self.start_postgres(&secrets), self.start_ministack(),)?;
        let (postgres_url, databases) = databases;
        let (edge_url, ()) = tokio::try_join!(
            self.start_edge(&artefacts, &secrets, &origin_url),
            self.deploy(&cloud, &artefacts, &databases, &secrets),
        )?;
        self.console.follow_functions(&cloud, &self.state);
        Ok(Facts {
            postgres_url,
            databases,
            aws_endpoint: cloud.endpoint.clone(),
            origin_url,
            edge_url,
            secrets,
            artefacts,
        })
    }

    /// Stops all parts, the last one first.
    pub(crate) async fn stop(self) -> Result<()> {
        self.console.go_quiet();
        self.console.stop_following().await;
        self.parts.stop().await
    }

    async fn start_postgres(&self, secrets: &Secrets) -> Result<(Url, Databases)> {
        let began = Instant::now();
        let server = if let Some(url) = &self.repo.postgres_url {
            Url::parse(url).context("SOUK_POSTGRES_URL or DATABASE_URL")?
        } else {
            let (url, lines) =
                postgres::start(&self.repo, &self.state, &self.parts, self.data).await?;
            self.console.follow("postgres", lines, &self.state);
            url
        };
        let file = self.repo.sql("create_owner.sql");
        let variables = [("password", secrets.owner_password.as_str())];
        run_sql(&self.repo, &server, &file, &variables).await?;
        self.say("Postgres", began);
        let databases = Databases::on(&server, secrets)?;
        Ok((server, databases))
    }

    async fn start_ministack(&self) -> Result<(Cloud, String)> {
        let began = Instant::now();
        let (endpoint, lines) = ministack::start(&self.repo, &self.state, &self.parts).await?;
        self.console.follow(console::MINISTACK, lines, &self.state);
        let cloud = Cloud::at(&endpoint);
        let origin_url = provision::http_api(&cloud).await?;
        self.say("MiniStack", began);
        Ok((cloud, origin_url))
    }

    async fn start_edge(
        &self,
        artefacts: &Artefacts,
        secrets: &Secrets,
        origin_url: &str,
    ) -> Result<String> {
        let began = Instant::now();
        let edge = edge::Edge::new(&self.repo, &self.state, artefacts)?;
        edge.publish_route(secrets).await?;
        let command = edge.command(secrets, origin_url)?;
        // SIGINT is what Ctrl-C sends: wrangler then ends its workerd.
        let lines = self.parts.start("edge", command, Signal::SIGINT)?;
        let lines = edge.ready(lines).await?;
        self.console.follow("edge", lines, &self.state);
        self.say("edge", began);
        Ok(edge.url())
    }

    async fn deploy(
        &self,
        cloud: &Cloud,
        artefacts: &Artefacts,
        databases: &Databases,
        secrets: &Secrets,
    ) -> Result<()> {
        let began = Instant::now();
        provision::deploy(cloud, artefacts, databases, secrets).await?;
        self.say("functions and queues", began);
        Ok(())
    }

    fn say(&self, what: &str, since: Instant) {
        let elapsed: Duration = since.elapsed();
        self.console
            .say(&format!("{what}: ready after {elapsed:.1?}"));
    }
}
