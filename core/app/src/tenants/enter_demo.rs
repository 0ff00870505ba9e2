//! Enters a tenant whose id and key somebody else has made, for demonstrations.

use super::{
    ApiKeyRow, NewTenant, ShardName, TenantError, TenantTools, create_tenant, show_tenant,
};
use crate::{SkuSeed, seed_tenant};
use souk_domain::{ApiKeyId, ApiKeyKind, TenantId};

/// A tenant with a secret key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoTenant {
    /// Its id.
    pub id: TenantId,
    /// Its name for people.
    pub name: String,
    /// The host that leads to it.
    pub host: String,
    /// Where its rows are to be, if it is not there yet.
    pub shard: ShardName,
    /// Whose functions serve it.
    pub region: String,
    /// The id of its key.
    pub api_key_id: ApiKeyId,
    /// The key's SHA-256.
    pub api_key_sha256: [u8; 32],
    /// The key's first characters.
    pub api_key_shown_prefix: String,
    /// What its holder may do.
    pub scopes: Vec<String>,
}

/// Enters what is not there yet of the tenant, its key and its skus; what is there stays as it is, also
/// on another shard, to which the tenant may have been moved.
///
/// # Errors
/// As [`create_tenant`].
pub async fn enter_demo(
    tools: &TenantTools,
    demo: DemoTenant,
    skus: &[SkuSeed],
) -> Result<(), TenantError> {
    let view = match show_tenant(tools, demo.id).await {
        Err(TenantError::UnknownTenant(_)) => {
            let new = NewTenant {
                id: Some(demo.id),
                name: demo.name.clone(),
                hosts: vec![demo.host.clone()],
                shard: demo.shard.clone(),
                region: demo.region.clone(),
            };
            create_tenant(tools, new).await?;
            show_tenant(tools, demo.id).await?
        }
        found => found?,
    };
    if !view.keys.iter().any(|key| key.id == demo.api_key_id) {
        enter_key(tools, &demo).await?;
    }
    let now = tools.clock.now();
    let shard = tools.shard(&view.tenant.placement.shard)?;
    seed_tenant(shard, demo.id, &demo.name, skus, now).await?;
    Ok(())
}

async fn enter_key(tools: &TenantTools, demo: &DemoTenant) -> Result<(), TenantError> {
    let now = tools.clock.now();
    let id = demo.api_key_id;
    let key = ApiKeyRow {
        id,
        tenant: demo.id,
        principal: id
            .to_string()
            .parse()
            .map_err(|_| TenantError::UnknownKey(id))?,
        kind: ApiKeyKind::Secret,
        sha256: demo.api_key_sha256,
        shown_prefix: demo.api_key_shown_prefix.clone(),
        scopes: demo.scopes.clone(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    let mut tx = tools.directory.begin().await?;
    tx.insert_api_key(&key).await?;
    let (id, scopes) = (id.to_string(), key.scopes.join(" "));
    let detail = [
        ("key", id.as_str()),
        ("kind", "secret"),
        ("scopes", &scopes),
    ];
    tx.append_audit(tools.fact("key.create", demo.id, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(())
}
