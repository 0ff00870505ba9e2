//! What the edge is told of all tenants together.

use super::{DirectoryTx, LimitRow};
use crate::DatabaseError;
use crate::orders::timestamp;
use souk_domain::Timestamp;

/// What counts for all tenants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeSettingsRow {
    /// How often one address may come to one isolate.
    pub address: Option<LimitRow>,
    /// Kill switches.
    pub disabled: Vec<String>,
    /// The hosts that keys of issuers may be fetched from.
    pub issuer_hosts: Vec<String>,
}

/// Addresses that are not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedRow {
    /// Such as `192.0.2.0/24`.
    pub range: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl DirectoryTx {
    /// The settings. Nobody else changes them until the transaction ends.
    pub async fn lock_edge_settings(&mut self) -> Result<EdgeSettingsRow, DatabaseError> {
        sqlx::query!("SELECT FROM souk_directory.edge_settings FOR UPDATE")
            .fetch_one(self.connection())
            .await?;
        self.edge_settings().await
    }

    /// The settings.
    pub async fn edge_settings(&mut self) -> Result<EdgeSettingsRow, DatabaseError> {
        let row = sqlx::query!(
            "SELECT address_interval_us, address_burst, disabled, issuer_hosts \
             FROM souk_directory.edge_settings",
        )
        .fetch_one(self.connection())
        .await?;
        Ok(EdgeSettingsRow {
            address: LimitRow::of(row.address_interval_us, row.address_burst)?,
            disabled: row.disabled,
            issuer_hosts: row.issuer_hosts,
        })
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// `edge_settings_address_limit`, `edge_settings_disabled_form`, `edge_settings_issuer_hosts_form`.
    pub async fn set_edge_settings(&mut self, to: &EdgeSettingsRow) -> Result<(), DatabaseError> {
        let (interval_us, burst) = LimitRow::columns(to.address)?;
        sqlx::query!(
            "UPDATE souk_directory.edge_settings SET address_interval_us = $1, address_burst = $2, \
                 disabled = $3, issuer_hosts = $4",
            interval_us,
            burst,
            &to.disabled,
            &to.issuer_hosts,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Lets addresses not be served. Whether they were before.
    ///
    /// # Errors
    /// `edge_denied_range_form`, `edge_denied_reason_length`.
    pub async fn insert_denied(&mut self, denied: &DeniedRow) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "INSERT INTO souk_directory.edge_denied (range, reason, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (range) DO NOTHING",
            denied.range,
            denied.reason,
            denied.created_at.as_offset_date_time(),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Lets addresses be served again. Whether they were not.
    pub async fn delete_denied(&mut self, range: &str) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "DELETE FROM souk_directory.edge_denied WHERE range = $1",
            range,
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// All addresses that are not served, in order.
    pub async fn denied(&mut self) -> Result<Vec<DeniedRow>, DatabaseError> {
        let rows = sqlx::query!(
            r#"SELECT range, reason, created_at FROM souk_directory.edge_denied
               ORDER BY range COLLATE "C""#,
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DeniedRow {
                    range: row.range,
                    reason: row.reason,
                    created_at: timestamp(row.created_at)?,
                })
            })
            .collect()
    }
}
