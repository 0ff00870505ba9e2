//! What was published to the edge's store, and since when.

use super::DirectoryTx;
use crate::DatabaseError;
use crate::orders::timestamp;
use souk_domain::{TenantId, Timestamp};

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationRow {
    /// Its number, from 1.
    pub version: u64,
    /// When it was decided.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
    /// SHA-256 over all its keys and values.
    pub digest: [u8; 32],
    /// How many entries it has.
    pub entries: u64,
    /// Which publication it went back to.
    pub restores: Option<u64>,
    /// When all of it was in the store.
    pub finished_at: Option<Timestamp>,
}

/// An entry of the edge's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeEntryRow {
    /// Under which it is looked up.
    pub key: String,
    /// Whose it is; the settings are nobody's.
    pub tenant: Option<TenantId>,
    /// A record, as JSON.
    pub value: String,
}

fn number(version: i64) -> Result<u64, DatabaseError> {
    u64::try_from(version).map_err(|e| DatabaseError::corrupt("number of a publication", e))
}

fn column(version: u64) -> Result<i64, DatabaseError> {
    i64::try_from(version).map_err(|_| DatabaseError::OutOfRange {
        what: "a publication's number",
    })
}

impl DirectoryTx {
    /// Up to `limit` publications, the last one first.
    pub async fn publications(&mut self, limit: u16) -> Result<Vec<PublicationRow>, DatabaseError> {
        self.publications_of(None, limit).await
    }

    /// One publication.
    pub async fn publication(
        &mut self,
        version: u64,
    ) -> Result<Option<PublicationRow>, DatabaseError> {
        let mut found = self.publications_of(Some(version), 1).await?;
        Ok(found.pop())
    }

    async fn publications_of(
        &mut self,
        version: Option<u64>,
        limit: u16,
    ) -> Result<Vec<PublicationRow>, DatabaseError> {
        let rows = sqlx::query!(
            "SELECT version, made_at, made_by, digest, entries, restores, finished_at \
             FROM souk_directory.edge_publications WHERE $1::bigint IS NULL OR version = $1 \
             ORDER BY version DESC LIMIT $2",
            version.map(column).transpose()?,
            i64::from(limit),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PublicationRow {
                    version: number(row.version)?,
                    made_at: timestamp(row.made_at)?,
                    made_by: row.made_by,
                    digest: <[u8; 32]>::try_from(row.digest.as_slice())
                        .map_err(|e| DatabaseError::corrupt("digest of a publication", e))?,
                    entries: number(row.entries)?,
                    restores: row.restores.map(number).transpose()?,
                    finished_at: row.finished_at.map(timestamp).transpose()?,
                })
            })
            .collect()
    }

    /// All entries of a publication, in the order of their keys.
    pub async fn edge_entries(&mut self, version: u64) -> Result<Vec<EdgeEntryRow>, DatabaseError> {
        let rows = sqlx::query!(
            r#"SELECT key, tenant_id, value FROM souk_directory.edge_entries
               WHERE from_version <= $1 AND (until_version IS NULL OR until_version > $1)
               ORDER BY key COLLATE "C""#,
            column(version)?,
        )
        .fetch_all(self.connection())
        .await?;
        let rows = rows.into_iter().map(|row| EdgeEntryRow {
            key: row.key,
            tenant: row.tenant_id.map(TenantId::from_uuid),
            value: row.value,
        });
        Ok(rows.collect())
    }

    /// Enters a publication that has these entries instead of the ones before it with the keys of
    /// `ended`; all others go on. It is the one after the last.
    #[allow(
        clippy::as_conversions,
        reason = "how the query macro is told a parameter's type"
    )]
    pub async fn insert_publication(
        &mut self,
        publication: &PublicationRow,
        begun: &[EdgeEntryRow],
        ended: &[String],
    ) -> Result<(), DatabaseError> {
        let version = column(publication.version)?;
        sqlx::query!(
            "WITH head AS (UPDATE souk_directory.edge_head SET version = $1) \
             INSERT INTO souk_directory.edge_publications \
                 (version, made_at, made_by, digest, entries, restores) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            version,
            publication.made_at.as_offset_date_time(),
            publication.made_by,
            publication.digest.as_slice(),
            column(publication.entries)?,
            publication.restores.map(column).transpose()?,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "UPDATE souk_directory.edge_entries SET until_version = $1 \
             WHERE until_version IS NULL AND key = ANY($2)",
            version,
            ended,
        )
        .execute(self.connection())
        .await?;
        let keys: Vec<_> = begun.iter().map(|entry| entry.key.clone()).collect();
        let values: Vec<_> = begun.iter().map(|entry| entry.value.clone()).collect();
        let tenants: Vec<_> = begun
            .iter()
            .map(|entry| entry.tenant.map(|tenant| tenant.as_uuid()))
            .collect();
        sqlx::query!(
            "INSERT INTO souk_directory.edge_entries (key, from_version, tenant_id, value) \
             SELECT key, $1, tenant_id, value \
             FROM unnest($2::text[], $3::uuid[], $4::text[]) AS begun (key, tenant_id, value)",
            version,
            &keys,
            &tenants as &[Option<uuid::Uuid>],
            &values,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets what only publications had that are neither among the last `kept` nor younger than `days`
    /// before `now`. Some of them may still be listed: those with an entry that is in the store to this
    /// day. They are not whole any more, and their digest tells.
    pub async fn prune_publications(
        &mut self,
        now: Timestamp,
        days: i32,
        kept: u32,
    ) -> Result<(), DatabaseError> {
        let first_kept: Option<i64> = sqlx::query_scalar!(
            "SELECT least(min(version) FILTER (WHERE made_at >= $1::timestamptz - make_interval(days => $2)), \
                 max(version) - $3 + 1) \
             FROM souk_directory.edge_publications",
            now.as_offset_date_time(),
            days,
            i64::from(kept),
        )
        .fetch_one(self.connection())
        .await?;
        sqlx::query!(
            "DELETE FROM souk_directory.edge_entries WHERE until_version <= $1",
            first_kept,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "DELETE FROM souk_directory.edge_publications p WHERE version < $1 AND NOT EXISTS \
                 (SELECT 1 FROM souk_directory.edge_entries e WHERE e.from_version = p.version)",
            first_kept,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Writes down that all of the publication is in the store.
    pub async fn finish_publication(
        &mut self,
        version: u64,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.edge_publications SET finished_at = coalesce(finished_at, $2) \
             WHERE version = $1",
            column(version)?,
            now.as_offset_date_time(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
