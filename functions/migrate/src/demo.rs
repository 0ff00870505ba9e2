//! Tenants for a first look at the system.

use lambda_runtime::Error;
use serde::Deserialize;
use souk_app::SkuSeed;
use souk_app::tenants::{DemoTenant, TenantTools, enter_demo};
use souk_domain::{ApiKeyId, Currency, Money, TenantId};

const UNITS: u32 = 1_000_000;

/// A tenant to enter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedDemo {
    tenant_id: TenantId,
    name: String,
    host: String,
    shard: String,
    region: String,
    api_key: SeedKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedKey {
    id: ApiKeyId,
    /// In hexadecimal digits.
    sha256: String,
    shown_prefix: String,
    scopes: Vec<String>,
}

/// Enters what is not there yet of a tenant and its catalog.
pub(crate) async fn seed(tools: &TenantTools, seed: SeedDemo) -> Result<(), Error> {
    let mut sha256 = [0_u8; 32];
    hex::decode_to_slice(&seed.api_key.sha256, &mut sha256)?;
    let demo = DemoTenant {
        id: seed.tenant_id,
        name: seed.name,
        host: seed.host,
        shard: seed.shard.parse()?,
        region: seed.region,
        api_key_id: seed.api_key.id,
        api_key_sha256: sha256,
        api_key_shown_prefix: seed.api_key.shown_prefix,
        scopes: seed.api_key.scopes,
    };
    enter_demo(tools, demo, &catalog()?).await?;
    Ok(())
}

fn catalog() -> Result<Vec<SkuSeed>, Error> {
    let euro: Currency = "EUR".parse()?;
    [
        ("TEA-GREEN-100G", "Green tea, 100 g", 1_299),
        ("TEA-OOLONG-100G", "Oolong tea, 100 g", 1_999),
        ("TEAPOT-CLAY", "Clay teapot", 5_900),
    ]
    .into_iter()
    .map(|(sku, title, cents)| {
        Ok(SkuSeed {
            sku: sku.parse()?,
            title: title.to_owned(),
            unit_price: Money::new(cents, euro),
            units: UNITS,
        })
    })
    .collect()
}
