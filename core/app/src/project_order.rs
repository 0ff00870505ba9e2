//! Fills the read model of orders from events.

use crate::{Applied, apply_once_in_order};
use souk_domain::{Event, EventData, OrderStatus, Queue};
use souk_postgres::order_summaries::{self, SummaryChange};
use souk_postgres::{DatabaseError, Shards};

/// The consumer's name in the inbox.
pub const READ_MODELS: &str = Queue::ReadModels.consumer();

/// What an event did to the read model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// It was applied.
    Applied,
    /// It had been applied before.
    Duplicate,
    /// An earlier event of its order is parked for this consumer: it was not applied.
    Behind,
    /// It is not about an order.
    Ignored,
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

/// Applies `event` to `order_summaries`, once: inbox entry and effect commit together. Events that are
/// not about orders change nothing.
pub async fn project_order(db: &Shards, event: &Event) -> Result<Projection, ProjectionError> {
    let Some(order) = event.subject.order() else {
        return Ok(Projection::Ignored);
    };
    let sequence = event.sequence;
    let applied = apply_once_in_order(db, READ_MODELS, event, async |tx| {
        let follows = if let EventData::OrderPlacedV1(placed) = &event.data {
            order_summaries::insert_placed(tx, sequence, placed).await?
        } else {
            let change = summary_change(&event.data);
            order_summaries::apply(tx, order, sequence, change).await?
        };
        if follows {
            return Ok(());
        }
        Err(ProjectionError::OutOfSequence { sequence })
    });
    Ok(match applied.await? {
        Applied::First(()) => Projection::Applied,
        Applied::Known => Projection::Duplicate,
        Applied::Behind => Projection::Behind,
    })
}

/// What an event after the first says of its order.
fn summary_change(data: &EventData) -> SummaryChange {
    let to = |status| SummaryChange {
        status: Some(status),
        ..SummaryChange::default()
    };
    match data {
        EventData::OrderPlacedV1(_) | EventData::OrderReinstatedV1(_) => to(OrderStatus::Placed),
        EventData::OrderConfirmedV1(_) => to(OrderStatus::Confirmed),
        EventData::OrderFulfilledV1(fulfilled) if fulfilled.complete => to(OrderStatus::Fulfilled),
        EventData::OrderCompletedV1(_) => to(OrderStatus::Completed),
        EventData::OrderCancelledV1(cancelled) => SummaryChange {
            cancelled_at: Some(cancelled.cancelled_at),
            ..to(OrderStatus::Cancelled)
        },
        EventData::OrderPaymentAuthorizedV1(payment)
        | EventData::OrderPaymentCapturedV1(payment)
        | EventData::OrderPaymentVoidedV1(payment)
        | EventData::OrderPaymentRefundedV1(payment) => SummaryChange {
            payment_status: Some(payment.payment_status),
            ..SummaryChange::default()
        },
        EventData::OrderFulfilledV1(_)
        | EventData::OrderReinstatementRefusedV1(_)
        // Not of an order's.
        | EventData::PaymentIntentCreatedV1(_)
        | EventData::PaymentIntentRequiresActionV1(_)
        | EventData::PaymentIntentProcessingV1(_)
        | EventData::PaymentIntentAuthorizedV1(_)
        | EventData::PaymentIntentCapturedV1(_)
        | EventData::PaymentIntentFailedV1(_)
        | EventData::PaymentIntentCanceledV1(_)
        | EventData::PaymentIntentConflictedV1(_)
        | EventData::PaymentIntentReviewV1(_)
        | EventData::RefundCreatedV1(_)
        | EventData::RefundSucceededV1(_)
        | EventData::RefundFailedV1(_)
        | EventData::DisputeOpenedV1(_)
        | EventData::DisputeClosedV1(_)
        | EventData::WebhookEndpointDisabledV1(_) => SummaryChange::default(),
    }
}
