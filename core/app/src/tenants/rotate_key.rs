//! Replaces an API key by another one of the same principal.

use super::create_key::{CreatedKey, is_live, live_keys};
use super::{ApiKeyRow, TenantError, TenantTools};
use souk_domain::{API_KEY_RANDOM_BYTES, ApiKeyId, ApiKeyText, TenantId, Timestamp};

/// How to replace a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key to replace.
    pub old: ApiKeyId,
    /// For how long it is accepted beside the new one.
    pub grace: time::Duration,
    /// From when on the new one is not accepted.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key that has the principal, the kind and the scopes of an old one, which expires after a
/// grace. What was begun with the old key goes on with the new one: idempotency keys are the
/// principal's.
///
/// # Errors
/// [`TenantError::UnknownKey`], [`TenantError::KeyNotLive`], [`TenantError::TwoKeysLive`],
/// [`TenantError::TooManyKeys`], [`TenantError::Expiry`], [`TenantError::Database`].
pub async fn rotate_key(
    tools: &TenantTools,
    tenant: TenantId,
    rotation: Rotation,
    random: &[u8; API_KEY_RANDOM_BYTES],
) -> Result<CreatedKey, TenantError> {
    let now = tools.clock.now();
    let old_expires_at = now.plus(rotation.grace.max(time::Duration::ZERO))?;
    if rotation.expires_at.is_some_and(|at| at <= now) {
        return Err(TenantError::Expiry);
    }
    let mut tx = tools.directory.begin().await?;
    let live = live_keys(&mut tx, tenant, now).await?;
    let all = tx.api_keys_of(tenant).await?;
    let old = all
        .into_iter()
        .find(|key| key.id == rotation.old)
        .ok_or(TenantError::UnknownKey(rotation.old))?;
    if !is_live(&old, now) {
        return Err(TenantError::KeyNotLive(old.id));
    }
    if live
        .iter()
        .any(|key| key.id != old.id && key.principal == old.principal)
    {
        return Err(TenantError::TwoKeysLive);
    }
    let text = ApiKeyText::new(old.kind, random).map_err(|_| TenantError::Randomness)?;
    let key = ApiKeyRow {
        id: ApiKeyId::from_uuid(tools.ids.uuid_v7(now)),
        sha256: text.sha256(),
        shown_prefix: text.shown_prefix(),
        created_at: now,
        expires_at: rotation.expires_at,
        ..old
    };
    tx.insert_api_key(&key).await?;
    tx.expire_api_key(tenant, rotation.old, old_expires_at)
        .await?;
    let detail = [
        ("key", key.id.to_string()),
        ("replaces", rotation.old.to_string()),
        ("replaced_expires_at", old_expires_at.to_string()),
    ];
    let detail = detail
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    tx.append_audit(tools.fact("key.rotate", tenant, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(CreatedKey { key, text })
}
