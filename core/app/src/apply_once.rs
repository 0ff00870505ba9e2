//! A consumer's effect, once per event.

use souk_domain::Event;
use souk_postgres::inbox::{self, Acceptance};
use souk_postgres::{DatabaseError, Shards, TenantTx};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied<T> {
    /// It had its effect now, which gave this.
    First(T),
    /// It had its effect before.
    Known,
    /// An earlier event of its aggregate is parked for the consumer: it had no effect yet.
    Behind,
}

/// Has `effect` for `event`, unless `consumer` had it before: the note of it and the effect are one transaction of
/// the event's tenant. An effect that fails leaves no note.
///
/// # Errors
/// Those of `effect`, and of the database as `E`; nothing was changed, but after a lost connection in the commit,
/// where nobody knows and the next delivery finds out.
pub async fn apply_once<T, E, F>(
    db: &Shards,
    consumer: &str,
    event: &Event,
    effect: F,
) -> Result<Applied<T>, E>
where
    F: AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    E: From<DatabaseError>,
{
    let mut tx = db.begin(event.tenant_id).await?;
    let accepted = if inbox::accept(&mut tx, consumer, event.id).await? {
        Acceptance::First
    } else {
        Acceptance::Known
    };
    finish(tx, accepted, effect).await
}

/// The same for a consumer that needs an aggregate's events in order: not while an earlier one is parked for it.
///
/// # Errors
/// As [`apply_once`].
pub async fn apply_once_in_order<T, E, F>(
    db: &Shards,
    consumer: &str,
    event: &Event,
    effect: F,
) -> Result<Applied<T>, E>
where
    F: AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    E: From<DatabaseError>,
{
    let mut tx = db.begin(event.tenant_id).await?;
    let accepted = inbox::accept_in_order(&mut tx, consumer, event).await?;
    finish(tx, accepted, effect).await
}

async fn finish<T, E, F>(mut tx: TenantTx, accepted: Acceptance, effect: F) -> Result<Applied<T>, E>
where
    F: AsyncFnOnce(&mut TenantTx) -> Result<T, E>,
    E: From<DatabaseError>,
{
    let applied = match accepted {
        Acceptance::First => effect(&mut tx).await.map(Applied::First),
        Acceptance::Known => Ok(Applied::Known),
        Acceptance::Behind => Ok(Applied::Behind),
    };
    match applied {
        Ok(Applied::First(given)) => {
            tx.commit().await?;
            Ok(Applied::First(given))
        }
        // Undone at once, rather than when the server notices that nobody is there.
        nothing => {
            tx.rollback().await?;
            nothing
        }
    }
}
