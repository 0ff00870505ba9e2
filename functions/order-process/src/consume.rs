//! Events of the queue.

use crate::OrderProcess;
use souk_app::process::{Advanced, ProcessCause, advance_process};
use souk_app::{AppError, PaymentProvider};
use souk_domain::Event;

/// Looks at the order that the event concerns. What the event says does not matter: the order and its
/// payments are looked at as they are now, so that an event which comes twice, late or out of order
/// does no harm. Returns the number of steps that were taken.
///
/// # Errors
/// [`AppError`]: the event has not led to anything yet, and is delivered again. The order's deadline looks after it
/// all the same.
pub async fn consume<P: PaymentProvider>(
    function: &OrderProcess<P>,
    event: &Event,
) -> Result<u32, AppError> {
    let Some(order) = event.data.order() else {
        return Ok(0);
    };
    let cause = ProcessCause {
        name: event.data.type_name().to_owned(),
        request_id: Some(event.correlation_id),
        traceparent: event.traceparent.clone(),
    };
    let (tools, provider) = (&function.tools, &function.provider);
    let order = (event.tenant_id, order);
    let advancing = advance_process(tools, provider, function.settings, order, &cause);
    // Large, with all that a call to the PSP and two transactions want.
    let advanced = Box::pin(advancing).await?;
    let steps = match &advanced {
        Advanced::Rests { steps, .. } | Advanced::Later { steps } => *steps,
        Advanced::Elsewhere | Advanced::NoSuchOrder => 0,
    };
    tracing::info!(
        event.id = %event.id,
        event.name = event.data.type_name(),
        order.id = %order.1,
        request.id = %event.correlation_id,
        process.steps = steps,
        "order process looked at"
    );
    Ok(steps)
}
