//! Deliveries: from a batch of events, and from the schedule.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use core::time::Duration;
use souk_app::webhooks::{
    DeliveryReport, Entered, WebhookSender, WebhookTools, deliver_due, deliver_due_of,
    enter_deliveries,
};
use souk_app::{AppError, Database};
use souk_domain::{Event, EventError, TenantId};
use souk_runtime::batch::{QueueKind, process_batch, with_causes};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Kept back of the function's time to end what is under way: an attempt, and to write down its end.
const STOP_RESERVE: Duration = Duration::from_secs(25);

/// Why an event was not entered. It is delivered again, and after too many times goes to the DLQ.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error("the message is no event")]
    Event(#[from] EventError),
    #[error("the event was not entered")]
    App(#[from] AppError),
}

/// Enters the deliveries of each event of the batch, and then attempts what is due of their tenants. What
/// an endpoint does with them fails no message: they are in the database by then.
pub async fn deliver_events<S: WebhookSender>(
    tools: &WebhookTools<S>,
    batch: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    let tenants: Mutex<BTreeSet<TenantId>> = Mutex::default();
    let enter = |body: String| {
        let tenants = &tenants;
        async move {
            let (tenant, entered) = enter(tools, &body).await?;
            if entered != Entered::To(0) {
                let mut tenants = tenants.lock().unwrap_or_else(PoisonError::into_inner);
                tenants.insert(tenant);
            }
            Ok::<(), MessageError>(())
        }
    };
    let response = process_batch(batch, QueueKind::Fifo, deadline, enter).await;
    let tenants = tenants.into_inner().unwrap_or_else(PoisonError::into_inner);
    let report = deliver_due_of(tools, tenants, stop_at(deadline)).await;
    tell(report);
    response
}

async fn enter<S>(
    tools: &WebhookTools<S>,
    body: &str,
) -> Result<(TenantId, Entered), MessageError> {
    let event = Event::from_json_text(body)?;
    let entered = enter_deliveries(&tools.tools, &event).await?;
    tracing::info!(
        event.id = %event.id,
        event.type = event.data.type_name(),
        request.id = %event.correlation_id,
        entered = ?entered,
        "event entered"
    );
    Ok((event.tenant_id, entered))
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
