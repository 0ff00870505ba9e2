//! What the edge has to be told after a change.

use crate::edge::{StoreArguments, publish_tenant};
use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;
use souk_app::tenants::{TenantTools, route_records};
use souk_domain::TenantId;
use std::fs;
use std::path::PathBuf;

/// Where the edge's records go. Where its store is named, a change is published at once.
#[derive(Debug, Args)]
pub(crate) struct Publishing {
    #[command(flatten)]
    store: StoreArguments,
    /// After a change, writes the tenant's records to this file, in the form that `wrangler kv bulk
    /// put` takes: for a store that this machine does not reach.
    #[arg(long, global = true, value_name = "FILE")]
    kv_file: Option<PathBuf>,
}

impl Publishing {
    pub(crate) async fn publish(&self, tools: &TenantTools, tenant: TenantId) -> Result<()> {
        let is_published = publish_tenant(tools, &self.store, tenant).await?;
        let Some(file) = &self.kv_file else {
            if !is_published {
                eprintln!("The edge does not know yet: souk edge publish --tenant {tenant}");
            }
            return Ok(());
        };
        let records = route_records(tools, tenant).await?;
        let entries: Vec<_> = records
            .iter()
            .map(|record| json!({ "key": record.key, "value": record.value }))
            .collect();
        fs::write(file, serde_json::to_string_pretty(&entries)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        eprintln!("{} records in {}", entries.len(), file.display());
        Ok(())
    }
}
