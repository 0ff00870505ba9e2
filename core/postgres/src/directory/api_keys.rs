//! API keys: what is known of them, never the keys.

use super::DirectoryTx;
use crate::DatabaseError;
use crate::orders::timestamp;
use souk_domain::{ApiKeyId, ApiKeyKind, Principal, TenantId, Timestamp};
use std::collections::BTreeMap;

/// An API key, as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Under whose name its holder acts.
    pub principal: Principal,
    /// Who may know it.
    pub kind: ApiKeyKind,
    /// SHA-256 of its whole text.
    pub sha256: [u8; 32],
    /// Its first characters, by which its holder can tell it.
    pub shown_prefix: String,
    /// What its holder may do, in order.
    pub scopes: Vec<String>,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// From when on it is not accepted.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not accepted, whatever `expires_at` says.
    pub revoked_at: Option<Timestamp>,
}

impl DirectoryTx {
    /// Enters a key.
    pub async fn insert_api_key(&mut self, key: &ApiKeyRow) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.api_keys (api_key_id, tenant_id, principal, kind, sha256, \
                 shown_prefix, scopes, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            key.id.as_uuid(),
            key.tenant.as_uuid(),
            key.principal.as_str(),
            key.kind.as_str(),
            key.sha256.as_slice(),
            key.shown_prefix,
            &key.scopes,
            key.created_at.as_offset_date_time(),
            key.expires_at.map(|at| at.as_offset_date_time()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The keys of `tenant`, revoked and expired ones too, in the order of their ids.
    pub async fn api_keys_of(&mut self, tenant: TenantId) -> Result<Vec<ApiKeyRow>, DatabaseError> {
        let mut keys = self.edge_keys(Some(tenant)).await?;
        Ok(keys.remove(&tenant).unwrap_or_default())
    }

    /// The keys of all tenants or of one, revoked and expired ones too, each tenant's in the order of
    /// their ids.
    pub(super) async fn edge_keys(
        &mut self,
        only: Option<TenantId>,
    ) -> Result<BTreeMap<TenantId, Vec<ApiKeyRow>>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT api_key_id, tenant_id, principal, kind, sha256, shown_prefix, scopes, \
                 created_at, expires_at, revoked_at \
             FROM souk_directory.api_keys WHERE $1::uuid IS NULL OR tenant_id = $1 \
             ORDER BY tenant_id, api_key_id",
            only.map(|tenant| tenant.as_uuid()),
        )
        .fetch_all(self.connection())
        .await?;
        let mut keys: BTreeMap<TenantId, Vec<ApiKeyRow>> = BTreeMap::new();
        for row in rows {
            let tenant = TenantId::from_uuid(row.tenant_id);
            keys.entry(tenant).or_default().push(ApiKeyRow {
                id: ApiKeyId::from_uuid(row.api_key_id),
                tenant,
                principal: row
                    .principal
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("principal", e))?,
                kind: row
                    .kind
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("key kind", e))?,
                sha256: <[u8; 32]>::try_from(row.sha256.as_slice())
                    .map_err(|e| DatabaseError::corrupt("key digest", e))?,
                shown_prefix: row.shown_prefix,
                scopes: row.scopes,
                created_at: timestamp(row.created_at)?,
                expires_at: row.expires_at.map(timestamp).transpose()?,
                revoked_at: row.revoked_at.map(timestamp).transpose()?,
            });
        }
        Ok(keys)
    }

    /// Lets a key of `tenant` expire at `at`, unless it expires earlier.
    pub async fn expire_api_key(
        &mut self,
        tenant: TenantId,
        key: ApiKeyId,
        at: Timestamp,
    ) -> Result<(), DatabaseError> {
        self.end_api_key((tenant, key), Some(at), None).await
    }

    /// Revokes a key of `tenant`. A key that is revoked stays so since when it was.
    pub async fn revoke_api_key(
        &mut self,
        tenant: TenantId,
        key: ApiKeyId,
        at: Timestamp,
    ) -> Result<(), DatabaseError> {
        self.end_api_key((tenant, key), None, Some(at)).await
    }

    /// What is there already and earlier stays.
    async fn end_api_key(
        &mut self,
        (tenant, key): (TenantId, ApiKeyId),
        expires_at: Option<Timestamp>,
        revoked_at: Option<Timestamp>,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.api_keys \
             SET expires_at = least(expires_at, $3), revoked_at = coalesce(revoked_at, $4) \
             WHERE tenant_id = $1 AND api_key_id = $2",
            tenant.as_uuid(),
            key.as_uuid(),
            expires_at.map(|at| at.as_offset_date_time()),
            revoked_at.map(|at| at.as_offset_date_time()),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
