//! Which store the edge reads: Cloudflare's, or the one of the local cloud.

use super::cloudflare::Cloudflare;
use super::local::Local;
use anyhow::{Context as _, Result};
use clap::Args;
use souk_app::edge::{EdgeStore, EdgeStoreError, EntryToStore, StoredEntry};
use souk_runtime::config::Lookup;
use std::path::PathBuf;

/// The token of Cloudflare's API, with the right to edit Workers KV.
const TOKEN: &str = "CLOUDFLARE_API_TOKEN";

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The namespace of Workers KV that the edge reads. Its token is in `CLOUDFLARE_API_TOKEN`.
    #[arg(long, env = "SOUK_EDGE_KV_NAMESPACE", global = true, value_name = "ID")]
    kv_namespace: Option<String>,
    /// The account that has it.
    #[arg(long, env = "CLOUDFLARE_ACCOUNT_ID", global = true, value_name = "ID")]
    account: Option<String>,
    /// Where Cloudflare's API is.
    #[arg(
        long,
        env = "SOUK_CLOUDFLARE_API_URL",
        global = true,
        value_name = "URL",
        default_value = "https://api.cloudflare.com/client/v4"
    )]
    cloudflare_api: String,
    /// How long one request to it may take.
    #[arg(long, global = true, value_name = "MS", default_value_t = 15_000,
        value_parser = clap::value_parser!(u64).range(1..=40_000))]
    cloudflare_timeout_ms: u64,
    /// The folder of a local cloud's edge, `.souk/edge`, instead.
    #[arg(
        long,
        env = "SOUK_EDGE_LOCAL",
        global = true,
        value_name = "DIR",
        conflicts_with = "kv_namespace"
    )]
    local: Option<PathBuf>,
}

impl StoreArguments {
    /// The store, if one is named.
    pub(crate) fn find(&self) -> Result<Option<Store>> {
        if let Some(folder) = &self.local {
            return Ok(Some(Store::Local(Local::at(folder)?)));
        }
        let Some(namespace) = &self.kv_namespace else {
            return Ok(None);
        };
        let account = self.account.as_deref();
        let account = account.context("CLOUDFLARE_ACCOUNT_ID or --account is missing")?;
        let token = Lookup::environment().required(TOKEN)?;
        let cloudflare = Cloudflare::new(
            &self.cloudflare_api,
            account,
            namespace,
            &token,
            core::time::Duration::from_millis(self.cloudflare_timeout_ms),
        )?;
        Ok(Some(Store::Cloudflare(cloudflare)))
    }

    /// The store, or what to do.
    pub(crate) fn require(&self) -> Result<Store> {
        self.find()?.context(
            "name the edge's store: --kv-namespace (SOUK_EDGE_KV_NAMESPACE), or --local (SOUK_EDGE_LOCAL)",
        )
    }
}

/// One of the stores.
#[derive(Debug)]
pub(crate) enum Store {
    Cloudflare(Cloudflare),
    Local(Local),
}

impl EdgeStore for Store {
    async fn list(&self) -> Result<Vec<StoredEntry>, EdgeStoreError> {
        match self {
            Self::Cloudflare(store) => store.list().await,
            Self::Local(store) => store.list().await,
        }
    }

    async fn put(&self, entries: &[EntryToStore]) -> Result<Vec<String>, EdgeStoreError> {
        match self {
            Self::Cloudflare(store) => store.put(entries).await,
            Self::Local(store) => store.put(entries).await,
        }
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<String>, EdgeStoreError> {
        match self {
            Self::Cloudflare(store) => store.delete(keys).await,
            Self::Local(store) => store.delete(keys).await,
        }
    }
}
