//! An operator's tools, from the environment: `SOUK_DIRECTORY_DATABASE_URL` and `SOUK_SHARDS_ADMIN`,
//! both by the owner of the schema.

use anyhow::{Context as _, Result};
use clap::Args;
use souk_app::tenants::TenantTools;
use souk_app::{Shard, Shards, Tools};
use souk_runtime::adapters::{SystemClock, SystemIds, directory, primaries};
use souk_runtime::config::{Lookup, SHARDS_ADMIN};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

/// Who acts.
#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// What the audit log calls you.
    #[arg(long, env = "SOUK_OPERATOR", global = true, default_value_t = login())]
    operator: String,
}

/// The name in the environment, as most shells set it.
fn login() -> String {
    let lookup = Lookup::environment();
    let name = lookup
        .optional("USER")
        .or_else(|| lookup.optional("LOGNAME"));
    name.unwrap_or_else(|| "unknown".to_owned())
}

impl Operator {
    /// Tools for what concerns the directory alone.
    pub(crate) fn of_directory(self) -> Result<TenantTools> {
        Ok(TenantTools {
            directory: directory(&Lookup::environment())?,
            shards: BTreeMap::new(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            operator: self.operator,
        })
    }

    /// Tools for what concerns shards as well.
    pub(crate) fn of_shards(self) -> Result<TenantTools> {
        let shards = primaries(&Lookup::environment(), SHARDS_ADMIN)?;
        Ok(TenantTools {
            shards,
            ..self.of_directory()?
        })
    }
}

/// Tools to act for tenants, wherever they are, by the owner of the schema.
pub(crate) fn tenant_tools() -> Result<Tools> {
    let lookup = Lookup::environment();
    let shards = primaries(&lookup, SHARDS_ADMIN)?.into_iter();
    let shards = shards.map(|(name, database)| Shard::new(name, database));
    Ok(Tools {
        db: Shards::placed_by(directory(&lookup)?, shards),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        prices: Arc::default(),
    })
}

/// Bytes that nobody else knows.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
