//! Deliveries: from a batch of events, and from the schedule.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use core::time::Duration;
use souk_app::webhooks::{
    CONSUMER, DeliveryReport, Entered, WebhookSender, WebhookTools, deliver_due, deliver_due_of,
    enter_deliveries,
};
use souk_app::{AppError, Database};
use souk_domain::{Event, Queue, TenantId};
use souk_runtime::batch::with_causes;
use souk_runtime::consumer::{Consumer, QueueKind, SourceQueue};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Kept back of the function's time to end what is under way: an attempt, and to write down its end.
const STOP_RESERVE: Duration = Duration::from_secs(25);

/// Enters the deliveries of each event of the batch, and then attempts what is due of their tenants. What
/// an endpoint does with them fails no message: they are in the database by then.
pub async fn deliver_events<S: WebhookSender>(
    tools: &WebhookTools<S>,
    queue: &impl SourceQueue,
    batch: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    let tenants: Mutex<BTreeSet<TenantId>> = Mutex::default();
    let response = Consumer::new(CONSUMER, QueueKind::Fifo, tools.tools.db.clone(), queue)
        .on_each(Queue::Webhooks.event_types(), async |event: Event| {
            let entered = enter(tools, &event).await?;
            if entered != Entered::To(0) {
                let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
                tenants.insert(event.tenant_id);
            }
            Ok(())
        })
        .consume(batch, deadline)
        .await;
    let tenants = tenants.into_inner().unwrap_or_else(PoisonError::into_inner);
    let report = deliver_due_of(tools, tenants, stop_at(deadline)).await;
    tell(report);
    response
}

async fn enter<S>(tools: &WebhookTools<S>, event: &Event) -> Result<Entered, AppError> {
    let entered = enter_deliveries(&tools.tools, event).await?;
    tracing::info!(
        event.id = %event.id,
        event.type = event.data.type_name(),
        request.id = %event.correlation_id,
        entered = ?entered,
        "event entered"
    );
    Ok(entered)
}

/// Attempts what is due of all tenants, in each database of `sweepers`, which are by the role
/// `souk_sweeper`. Returns what failed for a whole database; the others are done.
pub async fn deliver_all_due<S: WebhookSender>(
    tools: &WebhookTools<S>,
    sweepers: &[Database],
    deadline: Instant,
) -> (DeliveryReport, Vec<AppError>) {
    let mut total = DeliveryReport::default();
    let mut failed = Vec::new();
    for database in sweepers {
        match deliver_due(tools, database, stop_at(deadline)).await {
            Ok(report) => total = total.and(report),
            Err(error) => {
                let cause = with_causes(&error);
                tracing::error!(cause, "what is due in a database could not be read");
                failed.push(error);
            }
        }
    }
    tell(total);
    (total, failed)
}

fn stop_at(deadline: Instant) -> Instant {
    deadline.checked_sub(STOP_RESERVE).unwrap_or(deadline)
}

fn tell(report: DeliveryReport) {
    tracing::info!(
        attempts.delivered = report.delivered,
        attempts.failed = report.failed,
        attempts.overtaken = report.overtaken,
        endpoints.disabled = report.disabled,
        deliveries.skipped = report.skipped,
        tenants.held_up = report.errors,
        out_of_time = report.out_of_time,
        "webhooks delivered"
    );
}
