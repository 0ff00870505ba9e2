//! Lambda entry point of the migration step: run once by each deployment, before the other functions
//! are switched over. Safe to run again.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};
use souk_app::{Clock as _, Database, SkuSeed, admin, seed_tenant};
use souk_domain::{Currency, Money, TenantId};
use souk_runtime::adapters::{SystemClock, database};
use souk_runtime::config::{APP_ROLE_PASSWORD, Lookup, RELAY_ROLE_PASSWORD};
use souk_runtime::telemetry;

/// What to do besides migrating.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MigrateRequest {
    /// Enters a tenant with a small catalog, for a first look at the system.
    seed_demo: Option<SeedDemo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedDemo {
    tenant_id: TenantId,
}

/// What was done.
#[derive(Debug, Serialize)]
struct MigrateReport {
    /// Migrations that the schema has now.
    applied: usize,
    /// Whether the demo tenant is there.
    seeded: bool,
}

/// Passwords of the roles that functions log in with, where IAM does not authenticate them.
struct RolePasswords {
    app: Option<String>,
    relay: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let lookup = Lookup::environment();
    telemetry::init(&lookup)?;
    let db = database(&lookup)?;
    let passwords = RolePasswords {
        app: lookup.optional(APP_ROLE_PASSWORD),
        relay: lookup.optional(RELAY_ROLE_PASSWORD),
    };
    run(service_fn(|event: LambdaEvent<MigrateRequest>| {
        migrate(&db, &passwords, event.payload)
    }))
    .await
}

async fn migrate(
    db: &Database,
    passwords: &RolePasswords,
    request: MigrateRequest,
) -> Result<MigrateReport, Error> {
    let applied = db.migrate().await?;
    if let Some(password) = &passwords.app {
        admin::set_password(db, admin::LoginRole::App, password).await?;
    }
    if let Some(password) = &passwords.relay {
        admin::set_password(db, admin::LoginRole::Relay, password).await?;
    }
    let seeded = match request.seed_demo {
        Some(demo) => {
            seed_tenant(
                db,
                demo.tenant_id,
                "Demo",
                &demo_catalog()?,
                SystemClock.now(),
            )
            .await?;
            true
        }
        None => false,
    };
    tracing::info!(migrations = applied, seeded, "schema is up to date");
    Ok(MigrateReport { applied, seeded })
}

fn demo_catalog() -> Result<Vec<SkuSeed>, Error> {
    let euro: Currency = "EUR".parse()?;
    [
        ("TEA-GREEN-100G", "Green tea, 100 g", 1_299),
        ("TEA-OOLONG-100G", "Oolong tea, 100 g", 1_999),
        ("TEAPOT-CLAY", "Clay teapot", 5_900),
    ]
    .into_iter()
    .map(|(sku, title, cents)| {
        let unit_price = Money::new(cents, euro);
        Ok(SkuSeed {
            sku: sku.parse()?,
            title: title.to_owned(),
            unit_price,
            units: 1_000_000,
        })
    })
    .collect()
}
