//! Fills the read model of orders from events.

use souk_domain::{Event, EventData};
use souk_postgres::{DatabaseError, Shards, inbox, order_summaries};

/// The consumer's name in the inbox.
const CONSUMER: &str = "read-models";

/// What an event did to the read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// It was applied.
    Applied,
    /// It had been applied before.
    Duplicate,
}

/// Why an event could not be applied. It was not, and may be delivered again.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The event does not follow the last one applied to its order.
    #[error("event {sequence} of the order is out of sequence")]
    OutOfSequence {
        /// Its position.
        sequence: u64,
    },
    /// The database refuses or fails.
    #[error("the database operation failed")]
    Shards(#[from] DatabaseError),
}

/// Applies `event` to `order_summaries`, once: inbox entry and effect commit together.
pub async fn project_order(db: &Shards, event: &Event) -> Result<Projection, ProjectionError> {
    let mut tx = db.begin(event.tenant_id).await?;
    if !inbox::accept(&mut tx, CONSUMER, event.id).await? {
        tx.rollback().await?;
        return Ok(Projection::Duplicate);
    }
    let sequence = event.sequence;
    let follows = match &event.data {
        EventData::OrderPlacedV1(placed) => {
            order_summaries::insert_placed(&mut tx, sequence, placed).await?
        }
        EventData::OrderCancelledV1(cancelled) => {
            order_summaries::apply_cancelled(&mut tx, sequence, cancelled).await?
        }
    };
    if !follows {
        tx.rollback().await?;
        return Err(ProjectionError::OutOfSequence { sequence });
    }
    tx.commit().await?;
    Ok(Projection::Applied)
}
