//! Who is publishing, and what the edge's store is known to hold.

use super::DirectoryTx;
use crate::DatabaseError;
use std::collections::BTreeMap;

/// A digest of each value that the store is known to hold; none where it is not known what it holds.
type Stored = BTreeMap<String, Option<[u8; 32]>>;

impl DirectoryTx {
    /// Takes the right to publish for `lease_s` seconds, or says who has it. The token is above all that
    /// were given.
    pub async fn take_edge_lease(
        &mut self,
        holder: &str,
        lease_s: u32,
    ) -> Result<Result<i64, String>, DatabaseError> {
        let token = sqlx::query_scalar!(
            "UPDATE souk_directory.edge_head \
             SET lease_token = lease_token + 1, lease_holder = $1, \
                 lease_until = clock_timestamp() + make_interval(secs => $2) \
             WHERE lease_until IS NULL OR lease_until <= clock_timestamp() RETURNING lease_token",
            holder,
            f64::from(lease_s),
        )
        .fetch_optional(self.connection())
        .await?;
        if let Some(token) = token {
            return Ok(Ok(token));
        }
        let holder = sqlx::query_scalar!("SELECT lease_holder FROM souk_directory.edge_head")
            .fetch_one(self.connection())
            .await?;
        Ok(Err(holder))
    }

    /// Prolongs the right by `lease_s` seconds. Whether it is still this one's, and stays so until the
    /// transaction ends.
    pub async fn hold_edge_lease(
        &mut self,
        token: i64,
        lease_s: u32,
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "UPDATE souk_directory.edge_head \
             SET lease_until = clock_timestamp() + make_interval(secs => $2) WHERE lease_token = $1",
            token,
            f64::from(lease_s),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives the right back, if it is still this one's.
    pub async fn release_edge_lease(&mut self, token: i64) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.edge_head SET lease_until = NULL WHERE lease_token = $1",
            token,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// What the store is known to hold.
    pub async fn edge_stored(&mut self) -> Result<Stored, DatabaseError> {
        let rows = sqlx::query!("SELECT key, sha256 FROM souk_directory.edge_stored")
            .fetch_all(self.connection())
            .await?;
        rows.into_iter()
            .map(|row| {
                let sha256 = row.sha256.map(|sha256| {
                    <[u8; 32]>::try_from(sha256.as_slice())
                        .map_err(|e| DatabaseError::corrupt("digest of an entry", e))
                });
                Ok((row.key, sha256.transpose()?))
            })
            .collect()
    }

    /// These are about to be written or removed: until that is confirmed, nobody knows.
    pub async fn doubt_edge_stored(&mut self, keys: &[String]) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.edge_stored (key) SELECT unnest($1::text[]) \
             ON CONFLICT (key) DO UPDATE SET sha256 = NULL",
            keys,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The store has taken these.
    pub async fn confirm_edge_stored(
        &mut self,
        keys: &[String],
        digests: &[Vec<u8>],
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "UPDATE souk_directory.edge_stored SET sha256 = taken.sha256 \
             FROM unnest($1::text[], $2::bytea[]) AS taken (key, sha256) \
             WHERE edge_stored.key = taken.key",
            keys,
            digests,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The store has these no more.
    pub async fn forget_edge_stored(&mut self, keys: &[String]) -> Result<(), DatabaseError> {
        sqlx::query!(
            "DELETE FROM souk_directory.edge_stored WHERE key = ANY($1)",
            keys,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
