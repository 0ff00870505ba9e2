//! Hosts that lead to tenants.

use super::DirectoryTx;
use crate::DatabaseError;
use souk_domain::{TenantId, Timestamp};

impl DirectoryTx {
    /// Lets `host`, in the form that the edge looks up, lead to `tenant`.
    ///
    /// # Errors
    /// `domains_pkey` when it leads to a tenant already.
    pub async fn insert_domain(
        &mut self,
        tenant: TenantId,
        host: &str,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.domains (host, tenant_id, created_at) VALUES ($1, $2, $3)",
            host,
            tenant.as_uuid(),
            now.as_offset_date_time(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Lets `host` lead nowhere. Whether it led to `tenant`.
    pub async fn delete_domain(
        &mut self,
        tenant: TenantId,
        host: &str,
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "DELETE FROM souk_directory.domains WHERE host = $1 AND tenant_id = $2",
            host,
            tenant.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The hosts that lead to `tenant`, in order.
    pub async fn domains_of(&mut self, tenant: TenantId) -> Result<Vec<String>, DatabaseError> {
        let hosts = sqlx::query_scalar!(
            "SELECT host FROM souk_directory.domains WHERE tenant_id = $1 ORDER BY host",
            tenant.as_uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        Ok(hosts)
    }

    /// The tenant that `host` leads to.
    pub async fn tenant_of_host(&mut self, host: &str) -> Result<Option<TenantId>, DatabaseError> {
        let tenant = sqlx::query_scalar!(
            "SELECT tenant_id FROM souk_directory.domains WHERE host = $1",
            host,
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(tenant.map(TenantId::from_uuid))
    }
}
