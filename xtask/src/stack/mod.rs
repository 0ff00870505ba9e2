//! The local cloud: Postgres, MiniStack with the functions in it, and the edge worker under workerd.

mod cloud;
mod console;
mod databases;
mod demo;
mod edge;
mod feeds;
mod ministack;
mod provision;
mod psp;
mod secrets;
mod serve;

pub(crate) use console::Console;
pub(crate) use databases::{Databases, Role, SHARDS, Servers};
pub(crate) use serve::{check, serve, show_logs};

use crate::files;
use crate::package::Artefacts;
use crate::postgres::{self, Data, run_sql};
use crate::process::Parts;
use crate::repo::Repo;
use anyhow::{Context, Result, bail};
use cloud::Cloud;
use core::time::Duration;
use feeds::Feeds;
use nix::sys::signal::Signal;
use provision::{Deployment, Queues};
use secrets::Secrets;
use souk_names::Names;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// In the state directory: locked while a stack runs on it.
const LOCK: &str = "lock";
/// In the state directory: what a shell reads before the operator's command line is used.
const OPERATOR: &str = "operator.env";

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
    /// The shards and the directory, as each of their roles.
    pub(crate) databases: Databases,
    /// MiniStack.
    pub(crate) aws_endpoint: String,
    /// The functions' HTTP API, without the edge before it.
    pub(crate) origin_url: String,
    /// The edge.
    pub(crate) edge_url: String,
    /// What stands for the payment service provider.
    pub(crate) psp_url: String,
    pub(crate) secrets: Secrets,
    pub(crate) artefacts: Artefacts,
    /// A file that sets the environment of the operator's command line in a shell.
    pub(crate) operator: PathBuf,
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
        let (databases, (cloud, origin_url), psp_url) = tokio::try_join!(
            self.start_postgres(&secrets),
            self.start_ministack(),
            self.start_psp(&artefacts),
        )?;
        let names = Names::read()?;
        let deployment = Deployment {
            cloud: &cloud,
            artefacts: &artefacts,
            databases: &databases,
            secrets: &secrets,
            psp_url: &psp_url,
            names: &names,
            feeds: Feeds::of(&names)?,
            made: Mutex::default(),
        };
        let began = Instant::now();
        // The edge is told what the directory knows, so there must be one.
        let queues = deployment.prepare().await?;
        let directory = databases.directory(Role::Owner)?;
        let (edge_url, ()) = tokio::try_join!(
            self.start_edge(&artefacts, &secrets, &origin_url, &directory),
            self.deploy(&deployment, &queues, began),
        )?;
        psp::tell_the_edge(&psp_url, &edge_url, &secrets).await?;
        self.console.follow_functions(&cloud, &self.state);
        Ok(Facts {
            databases,
            aws_endpoint: cloud.endpoint.clone(),
            origin_url,
            edge_url,
            psp_url,
            secrets,
            artefacts,
            operator: self.state.join(OPERATOR),
        })
    }

    /// Stops all parts, the last one first.
    pub(crate) async fn stop(self) -> Result<()> {
        self.console.go_quiet();
        self.console.stop_following().await;
        self.parts.stop().await?;
        if self.data == Data::ThrownAway {
            postgres::remove_data(&self.state)?;
        }
        Ok(())
    }

    async fn start_postgres(&self, secrets: &Secrets) -> Result<Databases> {
        let began = Instant::now();
        let (server, replica) = if let Some(url) = &self.repo.postgres_url {
            // Whose files are not ours has no replica of ours.
            let server = Url::parse(url).context("SOUK_POSTGRES_URL or DATABASE_URL")?;
            (server, None)
        } else {
            let (server, replica) = self.start_own_postgres().await?;
            (server, Some(replica))
        };
        let file = self.repo.sql("create_databases.sql");
        let variables = [("password", secrets.owner_password.as_str())];
        run_sql(&self.repo, &server, &file, &variables).await?;
        self.say("Postgres", began);
        Ok(Databases::new(server, replica, secrets))
    }

    async fn start_own_postgres(&self) -> Result<(Url, Url)> {
        let (repo, state, parts) = (&self.repo, &self.state, &self.parts);
        let (server, lines) = postgres::start(repo, state, parts, self.data).await?;
        self.console.follow("postgres", lines, state);
        let (replica, lines) = postgres::start_replica(repo, state, parts, &server).await?;
        self.console.follow("replica", lines, state);
        Ok((server, replica))
    }

    async fn start_ministack(&self) -> Result<(Cloud, String)> {
        let began = Instant::now();
        let (endpoint, lines) = ministack::start(&self.repo, &self.state, &self.parts).await?;
        self.console.follow(console::MINISTACK, lines, &self.state);
        let cloud = Cloud::at(&endpoint);
        let origin_url = provision::http_api(&cloud, &Names::read()?).await?;
        self.say("MiniStack", began);
        Ok((cloud, origin_url))
    }

    async fn start_psp(&self, artefacts: &Artefacts) -> Result<String> {
        let began = Instant::now();
        let (url, lines) = psp::start(artefacts, &self.state, &self.parts).await?;
        self.console.follow("psp", lines, &self.state);
        self.say("payment service provider, simulated", began);
        Ok(url)
    }

    async fn start_edge(
        &self,
        artefacts: &Artefacts,
        secrets: &Secrets,
        origin_url: &str,
        directory: &Url,
    ) -> Result<String> {
        let began = Instant::now();
        let edge = edge::Edge::new(&self.repo, &self.state, artefacts)?;
        edge.publish(artefacts, directory).await?;
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
        deployment: &Deployment<'_>,
        queues: &Queues,
        began: Instant,
    ) -> Result<()> {
        let mut operator = deployment.run(queues).await?;
        let edge = edge::Edge::home(&self.state);
        operator.push(("SOUK_EDGE_LOCAL", edge.display().to_string()));
        let lines = operator
            .iter()
            .map(|(name, value)| format!("export {name}='{value}'\n"));
        files::write_private(&self.state.join(OPERATOR), &lines.collect::<String>())?;
        self.say("functions and queues", began);
        Ok(())
    }

    fn say(&self, what: &str, since: Instant) {
        let elapsed: Duration = since.elapsed();
        self.console
            .say(&format!("{what}: ready after {elapsed:.1?}"));
    }
}
