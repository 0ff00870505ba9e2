//! The commands that move an order on. Each answers 200 with the order as it is then, and the same
//! again for the same key.

use super::{answered, order_id, responder};
use crate::OrdersState;
use crate::representation::commands::{cancellation, fulfilment};
use axum::extract::State;
use axum::response::Response;
use souk_app::{Once, OrderCommand, cancel_order, complete_order, confirm_order, fulfil_order};
use souk_domain::Fulfilment;
use souk_runtime::problem::Problem;
use souk_runtime::request::CommandOn;

/// `POST /v1/orders/{id}/confirm`.
pub(crate) async fn confirm(
    State(state): State<OrdersState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let command = order_command(&asked, asked.once()?)?;
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let answer = confirm_order(&state.tools, caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/fulfil`: without a body, all that is left.
pub(crate) async fn fulfil(
    State(state): State<OrdersState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, what) = asked.once_with(fulfilment)?;
    let command = order_command(&asked, once)?;
    let what = what.unwrap_or(Fulfilment::Rest);
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let answer = fulfil_order(&state.tools, caller, &command, what, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/complete`.
pub(crate) async fn complete(
    State(state): State<OrdersState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let command = order_command(&asked, asked.once()?)?;
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let answer = complete_order(&state.tools, caller, &command, respond).await?;
    Ok(answered(&state, answer).await)
}

/// `POST /v1/orders/{id}/cancel`: with or without a reason.
pub(crate) async fn cancel(
    State(state): State<OrdersState>,
    asked: CommandOn,
) -> Result<Response, Problem> {
    let (once, cancellation) = asked.once_with(cancellation)?;
    let command = order_command(&asked, once)?;
    let reason = cancellation.and_then(|given| given.reason);
    let (caller, respond) = (&asked.edge.caller, responder(200, &asked.edge));
    let answer = cancel_order(&state.tools, caller, &command, reason, respond).await?;
    Ok(answered(&state, answer).await)
}

/// What the path, the key and `If-Match` say: 400 where the last cannot be read, 404 for an id that
/// cannot be one.
fn order_command(asked: &CommandOn, once: Once) -> Result<OrderCommand, Problem> {
    let expected = asked.expected()?;
    Ok(OrderCommand {
        expected,
        ..OrderCommand::on(order_id(&asked.id)?, once)
    })
}
