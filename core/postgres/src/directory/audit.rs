//! The audit log, beside what it tells of.

use super::DirectoryTx;
use crate::DatabaseError;
use crate::orders::timestamp;
use souk_domain::{AuditEntry, AuditFact, AuditHash, AuditHead, TenantId};

impl DirectoryTx {
    /// Appends `fact`, in the transaction of what it tells of. Entries are numbered in the order of
    /// their transactions' ends: until this one has ended, no other can append.
    pub async fn append_audit(&mut self, fact: AuditFact) -> Result<AuditEntry, DatabaseError> {
        let head = self.lock_audit_head().await?;
        let entry = AuditEntry::after(head, fact).map_err(|_| DatabaseError::OutOfRange {
            what: "an audit entry",
        })?;
        let seq = i64::try_from(entry.seq).map_err(|_| DatabaseError::OutOfRange {
            what: "an audit entry's number",
        })?;
        sqlx::query!(
            "WITH head AS (UPDATE souk_directory.audit_head SET seq = $1, hash = $8) \
             INSERT INTO souk_directory.audit_log \
                 (seq, at, actor, action, tenant_id, detail, previous_hash, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            seq,
            entry.fact.at.as_offset_date_time(),
            entry.fact.actor,
            entry.fact.action,
            entry.fact.tenant.map(|tenant| tenant.as_uuid()),
            entry.fact.detail,
            entry.previous_hash.as_bytes().as_slice(),
            entry.hash.as_bytes().as_slice(),
        )
        .execute(self.connection())
        .await?;
        Ok(entry)
    }

    /// The recorded head of the log. Nobody appends until the transaction ends.
    pub async fn lock_audit_head(&mut self) -> Result<AuditHead, DatabaseError> {
        let row = sqlx::query!("SELECT seq, hash FROM souk_directory.audit_head FOR UPDATE")
            .fetch_one(self.connection())
            .await?;
        Ok(AuditHead {
            seq: number(row.seq)?,
            hash: hash(&row.hash)?,
        })
    }

    /// Up to `limit` entries after the `after`th, in order, of one tenant or of all.
    pub async fn read_audit(
        &mut self,
        tenant: Option<TenantId>,
        after: u64,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, DatabaseError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = sqlx::query!(
            "SELECT seq, at, actor, action, tenant_id, detail, previous_hash, hash \
             FROM souk_directory.audit_log \
             WHERE seq > $1 AND ($2::uuid IS NULL OR tenant_id = $2) ORDER BY seq LIMIT $3",
            after,
            tenant.map(|tenant| tenant.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(AuditEntry {
                    seq: number(row.seq)?,
                    fact: AuditFact {
                        at: timestamp(row.at)?,
                        actor: row.actor,
                        action: row.action,
                        tenant: row.tenant_id.map(TenantId::from_uuid),
                        detail: row.detail,
                    },
                    previous_hash: hash(&row.previous_hash)?,
                    hash: hash(&row.hash)?,
                })
            })
            .collect()
    }
}

fn number(seq: i64) -> Result<u64, DatabaseError> {
    u64::try_from(seq).map_err(|e| DatabaseError::corrupt("audit entry's number", e))
}

fn hash(bytes: &[u8]) -> Result<AuditHash, DatabaseError> {
    <[u8; 32]>::try_from(bytes)
        .map(AuditHash::from_bytes)
        .map_err(|e| DatabaseError::corrupt("audit hash", e))
}
