//! Makes an API key.

use super::{ApiKeyRow, TenantError, TenantTools};
use souk_domain::{API_KEY_RANDOM_BYTES, ApiKeyId, ApiKeyKind, ApiKeyText, TenantId, Timestamp};
use souk_policy::api_key::PUBLISHABLE_SCOPES;
use souk_policy::identity::Scopes;
use souk_policy::route::KEYS_MAX;
use souk_postgres::directory::DirectoryTx;

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// Who may know it.
    pub kind: ApiKeyKind,
    /// What its holder may do.
    pub scopes: Vec<String>,
    /// From when on it is not accepted.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedKey {
    /// What is kept of it.
    pub key: ApiKeyRow,
    /// The key itself, for its holder: it cannot be shown again.
    pub text: ApiKeyText,
}

/// Makes a key for a new principal, from `random` bytes that nobody else knows.
///
/// # Errors
/// [`TenantError::Scopes`], [`TenantError::ScopeNotPublishable`], [`TenantError::Expiry`],
/// [`TenantError::TooManyKeys`], [`TenantError::UnknownTenant`], [`TenantError::Database`].
pub async fn create_key(
    tools: &TenantTools,
    tenant: TenantId,
    request: &KeyRequest,
    random: &[u8; API_KEY_RANDOM_BYTES],
) -> Result<CreatedKey, TenantError> {
    let now = tools.clock.now();
    let scopes = check_scopes(request.kind, &request.scopes)?;
    if request.expires_at.is_some_and(|at| at <= now) {
        return Err(TenantError::Expiry);
    }
    let text = ApiKeyText::new(request.kind, random).map_err(|_| TenantError::Randomness)?;
    let id = ApiKeyId::from_uuid(tools.ids.uuid_v7(now));
    let key = ApiKeyRow {
        id,
        tenant,
        principal: id
            .to_string()
            .parse()
            .map_err(|_| TenantError::UnknownKey(id))?,
        kind: request.kind,
        sha256: text.sha256(),
        shown_prefix: text.shown_prefix(),
        scopes,
        created_at: now,
        expires_at: request.expires_at,
        revoked_at: None,
    };
    let mut tx = tools.directory.begin().await?;
    live_keys(&mut tx, tenant, now).await?;
    tx.insert_api_key(&key).await?;
    let detail = [
        ("key", key.id.to_string()),
        ("kind", key.kind.as_str().to_owned()),
        ("scopes", key.scopes.join(" ")),
    ];
    let detail = detail
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    tx.append_audit(tools.fact("key.create", tenant, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(CreatedKey { key, text })
}

/// The tenant's keys that are accepted at `now`; there is room for one more. Nobody else changes the
/// tenant until the transaction ends.
pub(super) async fn live_keys(
    tx: &mut DirectoryTx,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Vec<ApiKeyRow>, TenantError> {
    tx.lock_tenant(tenant)
        .await?
        .ok_or(TenantError::UnknownTenant(tenant))?;
    let mut keys = tx.api_keys_of(tenant).await?;
    keys.retain(|key| is_live(key, now));
    if keys.len() >= KEYS_MAX {
        return Err(TenantError::TooManyKeys);
    }
    Ok(keys)
}

pub(super) fn is_live(key: &ApiKeyRow, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)
}

/// In order, and none that a browser must not have where anyone may know the key.
fn check_scopes(kind: ApiKeyKind, scopes: &[String]) -> Result<Vec<String>, TenantError> {
    let scopes = Scopes::new(scopes.iter().map(String::as_str))?;
    let scopes: Vec<String> = scopes.iter().map(str::to_owned).collect();
    let safe = |scope: &&String| PUBLISHABLE_SCOPES.contains(&scope.as_str());
    match kind {
        ApiKeyKind::Publishable => match scopes.iter().find(|scope| !safe(scope)) {
            Some(scope) => Err(TenantError::ScopeNotPublishable(scope.clone())),
            None => Ok(scopes),
        },
        ApiKeyKind::Secret => Ok(scopes),
    }
}
