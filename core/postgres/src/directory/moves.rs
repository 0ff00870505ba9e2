//! How far the moves of tenants have come.

use super::DirectoryTx;
use crate::{DatabaseError, ShardName};
use core::str::FromStr;
use souk_domain::{TenantId, Timestamp, WordError};
use uuid::Uuid;

/// What has been done of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveStep {
    /// It was decided.
    Started,
    /// The target has an empty place for the tenant.
    Prepared,
    /// All rows were copied once; what has changed since is known by its transactions.
    Copied,
    /// Writes were held, at least for a while.
    Held,
    /// The directory names the target: there is no way back.
    Switched,
    /// The target serves the tenant, the source says that it does not.
    Finished,
    /// It was given up; the source serves the tenant.
    Aborted,
}

impl MoveStep {
    /// The word as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Prepared => "prepared",
            Self::Copied => "copied",
            Self::Held => "held",
            Self::Switched => "switched",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing is left to do.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Aborted)
    }
}

impl FromStr for MoveStep {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        Ok(match word {
            "started" => Self::Started,
            "prepared" => Self::Prepared,
            "copied" => Self::Copied,
            "held" => Self::Held,
            "switched" => Self::Switched,
            "finished" => Self::Finished,
            "aborted" => Self::Aborted,
            _ => {
                return Err(WordError {
                    expected: "started, prepared, copied, held, switched, finished, aborted",
                });
            }
        })
    }
}

/// A move that is not over, as its mover knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRow {
    /// Its id.
    pub id: Uuid,
    /// Who is moved.
    pub tenant: TenantId,
    /// From where.
    pub from: ShardName,
    /// To where.
    pub to: ShardName,
    /// How far it has come.
    pub step: MoveStep,
    /// Under which token the mover works.
    pub fencing_token: i64,
    /// The oldest transaction of the source that the copy may have missed, where there is a whole copy.
    pub copied_below: Option<String>,
}

impl DirectoryTx {
    /// Starts a move; the tenant is locked by the caller.
    ///
    /// # Errors
    /// `tenant_moves_open_key` when the tenant is being moved.
    pub async fn insert_move(
        &mut self,
        started: &MoveRow,
        now: Timestamp,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "INSERT INTO souk_directory.tenant_moves (move_id, tenant_id, from_shard, to_shard, \
                 step, fencing_token, started_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            started.id,
            started.tenant.as_uuid(),
            started.from.as_str(),
            started.to.as_str(),
            started.step.as_str(),
            started.fencing_token,
            now.as_offset_date_time(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The next token for a move of `tenant`: above all that were given.
    pub async fn next_move_token(&mut self, tenant: TenantId) -> Result<i64, DatabaseError> {
        let token = sqlx::query_scalar!(
            r#"SELECT coalesce(max(fencing_token), 0) + 1 AS "token!"
               FROM souk_directory.tenant_moves WHERE tenant_id = $1"#,
            tenant.as_uuid(),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(token)
    }

    /// Takes over the move of `tenant` that is not over, under `token`.
    pub async fn take_over_move(
        &mut self,
        tenant: TenantId,
        token: i64,
    ) -> Result<Option<MoveRow>, DatabaseError> {
        let row = sqlx::query!(
            "UPDATE souk_directory.tenant_moves SET fencing_token = $2 \
             WHERE tenant_id = $1 AND finished_at IS NULL \
             RETURNING move_id, from_shard, to_shard, step, fencing_token, copied_below",
            tenant.as_uuid(),
            token,
        )
        .fetch_optional(self.connection())
        .await?;
        let shard = |name: &str| {
            name.parse()
                .map_err(|e| DatabaseError::corrupt("shard name", e))
        };
        row.map(|row| {
            Ok(MoveRow {
                id: row.move_id,
                tenant,
                from: shard(&row.from_shard)?,
                to: shard(&row.to_shard)?,
                step: row
                    .step
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("step of a move", e))?,
                fencing_token: row.fencing_token,
                copied_below: row.copied_below,
            })
        })
        .transpose()
    }

    /// Writes down how far the move is. Whether this mover is still the one: where another has taken
    /// over, nothing is written.
    pub async fn record_move(
        &mut self,
        moved: &MoveRow,
        detail: &str,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let done = sqlx::query!(
            "UPDATE souk_directory.tenant_moves \
             SET step = $3, copied_below = $4, detail = $5, finished_at = $6 \
             WHERE move_id = $1 AND fencing_token = $2 AND finished_at IS NULL",
            moved.id,
            moved.fencing_token,
            moved.step.as_str(),
            moved.copied_below,
            detail,
            moved.step.is_over().then(|| now.as_offset_date_time()),
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether a move of `tenant` is not over.
    pub async fn has_open_move(&mut self, tenant: TenantId) -> Result<bool, DatabaseError> {
        let open = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM souk_directory.tenant_moves
                   WHERE tenant_id = $1 AND finished_at IS NULL) AS "open!""#,
            tenant.as_uuid(),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(open)
    }
}
