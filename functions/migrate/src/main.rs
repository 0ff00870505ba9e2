//! Lambda entry point of the migration step: run once by each deployment, before the other functions
//! are switched over. Safe to run again.

mod demo;

use crate::demo::SeedDemo;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};
use souk_app::admin::LoginRole;
use souk_app::tenants::{Directory, ShardName, TenantTools};
use souk_app::{Clock as _, Database, PendingMigration, admin, maintain_partitions};
use souk_runtime::adapters::{SystemClock, SystemIds, all_primaries, directory_database};
use souk_runtime::config::{
    APP_ROLE_PASSWORD, DIRECTORY_READER_ROLE_PASSWORD, Lookup, RELAY_ROLE_PASSWORD, SHARDS,
    SWEEPER_ROLE_PASSWORD,
};
use souk_runtime::environment::Environment;

use souk_runtime::telemetry;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who the audit log says has acted.
const OPERATOR: &str = "souk-migrate";

/// What to do besides migrating.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MigrateRequest {
    /// Only says what is pending, and applies nothing.
    #[serde(default)]
    look: bool,
    /// Tenants with a small catalog to enter, for a first look at the system.
    #[serde(default)]
    seed_demo: Vec<SeedDemo>,
}

/// What was done.
#[derive(Debug, Serialize)]
struct MigrateReport {
    /// Migrations that each database has now, by the shard's name; the directory's under `directory`.
    applied: BTreeMap<String, usize>,
    /// Demo tenants that are there.
    seeded: usize,
    /// What each database lacks, if only that was asked.
    pending: BTreeMap<String, Vec<Pending>>,
}

/// A migration that a database lacks.
#[derive(Debug, Serialize)]
struct Pending {
    version: i64,
    description: String,
    /// What in it does not only add.
    breaking: Vec<String>,
}

/// The databases, by the owner of their schemas.
struct Databases {
    shards: BTreeMap<ShardName, Database>,
    directory: Option<Database>,
}

/// Passwords of the roles that functions log in with, where IAM does not authenticate them.
struct RolePasswords {
    of_shards: Vec<(LoginRole, String)>,
    directory_reader: Option<String>,
}

impl RolePasswords {
    fn from(lookup: &Lookup<'_>) -> Self {
        let of_shards = [
            (LoginRole::App, APP_ROLE_PASSWORD),
            (LoginRole::Relay, RELAY_ROLE_PASSWORD),
            (LoginRole::Sweeper, SWEEPER_ROLE_PASSWORD),
        ];
        Self {
            of_shards: of_shards
                .into_iter()
                .filter_map(|(role, variable)| Some((role, lookup.optional(variable)?)))
                .collect(),
            directory_reader: lookup.optional(DIRECTORY_READER_ROLE_PASSWORD),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let environment = Environment::load().await?;
    let lookup = environment.lookup();
    telemetry::init(&lookup)?;
    let databases = Databases {
        shards: all_primaries(&lookup, SHARDS)?,
        directory: directory_database(&lookup)?,
    };
    let passwords = RolePasswords::from(&lookup);
    run(service_fn(|event: LambdaEvent<MigrateRequest>| {
        migrate(&databases, &passwords, event.payload)
    }))
    .await
}

/// One database after the other: shards of one server share their roles, which cannot be altered by
/// two at a time.
async fn migrate(
    databases: &Databases,
    passwords: &RolePasswords,
    request: MigrateRequest,
) -> Result<MigrateReport, Error> {
    let pending = pending(databases).await?;
    if request.look {
        return Ok(MigrateReport {
            applied: BTreeMap::new(),
            seeded: 0,
            pending,
        });
    }
    refuse_breaking(&pending)?;
    let mut applied = BTreeMap::new();
    for (name, db) in &databases.shards {
        applied.insert(name.to_string(), db.migrate().await?);
        // The sweeper's first run is a minute away, and the first order may come before it.
        maintain_partitions(db, SystemClock.now()).await?;
        for (role, password) in &passwords.of_shards {
            admin::set_password(db, *role, password).await?;
        }
    }
    if let Some(db) = &databases.directory {
        let migrations = Directory::on(db.clone()).migrate().await?;
        applied.insert("directory".to_owned(), migrations);
        if let Some(password) = &passwords.directory_reader {
            admin::set_password(db, LoginRole::DirectoryReader, password).await?;
        }
    }
    let seeded = request.seed_demo.len();
    if seeded > 0 {
        let tools = tenant_tools(databases)?;
        for tenant in request.seed_demo {
            demo::seed(&tools, tenant).await?;
        }
    }
    tracing::info!(migrations = ?applied, seeded, "schemas are up to date");
    Ok(MigrateReport {
        applied,
        seeded,
        pending: BTreeMap::new(),
    })
}

/// What each database lacks, by the shard's name; the directory's under `directory`.
async fn pending(databases: &Databases) -> Result<BTreeMap<String, Vec<Pending>>, Error> {
    let mut all = BTreeMap::new();
    for (name, db) in &databases.shards {
        all.insert(name.to_string(), listed(db.pending().await?));
    }
    if let Some(db) = &databases.directory {
        let pending = Directory::on(db.clone()).pending().await?;
        all.insert("directory".to_owned(), listed(pending));
    }
    Ok(all)
}

fn listed(pending: Vec<PendingMigration>) -> Vec<Pending> {
    let each = pending.into_iter().map(|migration| Pending {
        version: migration.version,
        description: migration.description,
        breaking: migration.breaking,
    });
    each.collect()
}

/// Nothing is applied anywhere while something pending would break the version that runs (ADR 0027).
fn refuse_breaking(pending: &BTreeMap<String, Vec<Pending>>) -> Result<(), Error> {
    let breaking = pending.iter().flat_map(|(database, all)| {
        let breaking = all
            .iter()
            .filter(|migration| !migration.breaking.is_empty());
        breaking.map(move |migration| {
            let (version, why) = (migration.version, migration.breaking.join(", "));
            format!("{database}: the migration {version} does not only add: {why}")
        })
    });
    let breaking: Vec<_> = breaking.collect();
    if breaking.is_empty() {
        return Ok(());
    }
    Err(breaking.join("; ").into())
}

fn tenant_tools(databases: &Databases) -> Result<TenantTools, Error> {
    let directory = databases
        .directory
        .clone()
        .ok_or("a demo tenant needs a directory")?;
    Ok(TenantTools {
        directory: Directory::on(directory),
        shards: databases.shards.clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        operator: OPERATOR.to_owned(),
    })
}
