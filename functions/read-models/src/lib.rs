//! The read models: what is told of orders, as the storefronts read it.

use souk_app::{Projection, READ_MODELS, Shards, project_order};
use souk_domain::{Event, Queue};
use souk_runtime::consumer::{Consumer, HandlerError, QueueKind, SourceQueue};

/// The consumer of everything that goes to [`Queue::ReadModels`].
pub fn read_models<Q: SourceQueue>(db: Shards, queue: Q) -> Consumer<'static, Q> {
    let tenants = db.clone();
    Consumer::new(READ_MODELS, QueueKind::Fifo, db, queue)
        .on_each(Queue::ReadModels.event_types(), move |event| {
            apply(tenants.clone(), event)
        })
}

async fn apply(db: Shards, event: Event) -> Result<(), HandlerError> {
    let projection = project_order(&db, &event).await?;
    tracing::info!(
        event.id = %event.id,
        event.sequence = event.sequence,
        request.id = %event.correlation_id,
        projection = ?projection,
        "event applied"
    );
    match projection {
        Projection::Behind => Err(HandlerError::Behind),
        Projection::Applied | Projection::Duplicate | Projection::Ignored => Ok(()),
    }
}
