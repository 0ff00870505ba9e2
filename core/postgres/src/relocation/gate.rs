//! Who is let in: a tenant's placement on one database, changed by its mover.

use super::{RelocationError, Site, end};
use crate::{Database, TenantTx};
use core::time::Duration;
use souk_domain::{TenantId, Timestamp};

/// Whether rows of the tenant may lie where it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// None do.
    First,
    /// Those of an earlier stay or of a move that was given up: they are to be purged.
    Again,
}

/// Begins a transaction that has the tenant alone: writers have ended, and new ones wait.
async fn begin_alone(site: Site<'_>) -> Result<TenantTx, RelocationError> {
    let mut tx = site.db.begin_unplaced(site.tenant).await?;
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(souk.tenant_lock($1))",
        site.tenant.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(tx)
}

/// Makes a place for the tenant that serves nobody yet.
///
/// # Errors
/// [`RelocationError::ServedThere`] when the tenant is served there already.
pub async fn prepare(
    site: Site<'_>,
    name: &str,
    created_at: Timestamp,
) -> Result<Arrival, RelocationError> {
    let mut tx = begin_alone(site).await?;
    let outcome = async {
        let tenant = site.tenant.as_uuid();
        let found = sqlx::query!(
            "SELECT placement, move_token FROM souk.tenants WHERE tenant_id = $1",
            tenant,
        )
        .fetch_optional(tx.connection())
        .await?;
        let Some(found) = found else {
            sqlx::query!(
                "INSERT INTO souk.tenants (tenant_id, name, created_at, placement, move_token) \
                 VALUES ($1, $2, $3, 'incoming', $4)",
                tenant,
                name,
                created_at.as_offset_date_time(),
                site.token,
            )
            .execute(tx.connection())
            .await?;
            return Ok(Arrival::First);
        };
        if found.move_token > site.token {
            return Err(RelocationError::Replaced);
        }
        if !matches!(found.placement.as_str(), "incoming" | "moved") {
            return Err(RelocationError::ServedThere);
        }
        sqlx::query!(
            "UPDATE souk.tenants SET placement = 'incoming', move_token = $2 WHERE tenant_id = $1",
            tenant,
            site.token,
        )
        .execute(tx.connection())
        .await?;
        Ok(Arrival::Again)
    }
    .await;
    end(tx, outcome).await
}

/// Makes this mover the one whose writes count here, where the tenant's placement is one of `placements`. A hold of an
/// earlier mover stays.
///
/// # Errors
/// [`RelocationError::Replaced`] by a later mover. [`RelocationError::NotServedHere`] in another placement.
pub async fn take(site: Site<'_>, placements: &[&str]) -> Result<(), RelocationError> {
    let mut tx = begin_alone(site).await?;
    let outcome = async {
        let found = sqlx::query!(
            "SELECT placement, move_token FROM souk.tenants WHERE tenant_id = $1",
            site.tenant.as_uuid(),
        )
        .fetch_optional(tx.connection())
        .await?
        .ok_or(RelocationError::NotServedHere)?;
        if found.move_token > site.token {
            return Err(RelocationError::Replaced);
        }
        if !placements.contains(&found.placement.as_str()) {
            return Err(RelocationError::NotServedHere);
        }
        sqlx::query!(
            "UPDATE souk.tenants SET move_token = $2 WHERE tenant_id = $1",
            site.tenant.as_uuid(),
            site.token,
        )
        .execute(tx.connection())
        .await?;
        Ok(())
    }
    .await;
    end(tx, outcome).await
}

/// The token under which the tenant was moved away from `db`; none where it was not.
pub async fn left_behind(db: &Database, tenant: TenantId) -> Result<Option<i64>, RelocationError> {
    let mut tx = db.begin_unplaced(tenant).await?;
    let token = sqlx::query_scalar!(
        "SELECT move_token FROM souk.tenants WHERE tenant_id = $1 AND placement = 'moved'",
        tenant.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    tx.commit().await?;
    Ok(token)
}

/// Holds writes at the source: when this returns, all that had begun have ended, and new ones are
/// refused with SQLSTATE SK001, for `at_most` or until [`release`], [`seal`] or [`retire`].
pub async fn hold(site: Site<'_>, at_most: Duration) -> Result<(), RelocationError> {
    change(
        site,
        "UPDATE souk.tenants SET placement = 'held', \
             held_until = clock_timestamp() + make_interval(secs => $3) \
         WHERE tenant_id = $1 AND move_token = $2 AND placement IN ('active', 'held')",
        Some(at_most),
    )
    .await
    .and_then(or_replaced)
}

/// Makes the hold last until the tenant is retired or released. Not when it has lapsed: writes may
/// have happened since.
pub async fn seal(site: Site<'_>) -> Result<bool, RelocationError> {
    change(
        site,
        "UPDATE souk.tenants SET held_until = 'infinity' \
         WHERE tenant_id = $1 AND move_token = $2 AND placement = 'held' \
           AND held_until > clock_timestamp()",
        None,
    )
    .await
}

/// Ends a hold: the source takes writes again. Nothing happens where there is none.
pub async fn release(site: Site<'_>) -> Result<(), RelocationError> {
    change(
        site,
        "UPDATE souk.tenants SET placement = 'active', held_until = NULL \
         WHERE tenant_id = $1 AND move_token = $2 AND placement IN ('active', 'held')",
        None,
    )
    .await
    .and_then(or_replaced)
}

/// Gives the place at the target up: what was copied to it is left behind.
pub async fn give_up(site: Site<'_>) -> Result<(), RelocationError> {
    change(
        site,
        "UPDATE souk.tenants SET placement = 'moved' \
         WHERE tenant_id = $1 AND move_token <= $2 AND placement = 'incoming'",
        None,
    )
    .await
    .map(|_| ())
}

/// Lets the target serve the tenant.
pub async fn activate(site: Site<'_>) -> Result<(), RelocationError> {
    change(
        site,
        "UPDATE souk.tenants SET placement = 'active', held_until = NULL \
         WHERE tenant_id = $1 AND move_token = $2 AND placement IN ('incoming', 'active')",
        None,
    )
    .await
    .and_then(or_replaced)
}

/// Lets the source send everyone elsewhere, and forget the events that the target publishes.
pub async fn retire(site: Site<'_>) -> Result<(), RelocationError> {
    change(
        site,
        "WITH gone AS (UPDATE souk.tenants SET placement = 'moved', held_until = NULL \
             WHERE tenant_id = $1 AND move_token = $2 AND placement IN ('held', 'moved') \
             RETURNING tenant_id), \
         forgotten AS (DELETE FROM souk.outbox_events e USING gone \
             WHERE e.tenant_id = gone.tenant_id \
               AND souk.is_unsent(e.lane, e.position, e.written_in)), \
         let_go AS (DELETE FROM souk.outbox_held h USING gone WHERE h.tenant_id = gone.tenant_id) \
         SELECT tenant_id FROM gone",
        None,
    )
    .await
    .and_then(or_replaced)
}

/// Runs a statement that changes the tenant's row, with the tenant alone. Whether there was one to
/// change.
async fn change(
    site: Site<'_>,
    statement: &'static str,
    at_most: Option<Duration>,
) -> Result<bool, RelocationError> {
    let mut tx = begin_alone(site).await?;
    let mut query = sqlx::query(statement)
        .bind(site.tenant.as_uuid())
        .bind(site.token);
    if let Some(at_most) = at_most {
        query = query.bind(at_most.as_secs_f64());
    }
    let outcome = query
        .execute(tx.connection())
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(RelocationError::from);
    end(tx, outcome).await
}

fn or_replaced(changed: bool) -> Result<(), RelocationError> {
    changed.then_some(()).ok_or(RelocationError::Replaced)
}
