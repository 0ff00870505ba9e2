//! Handlers: parse, call the use case, answer.

mod deliveries;
mod endpoints;
mod secrets;

pub(crate) use deliveries::{get_delivery, list_deliveries, replay_deliveries, replay_delivery};
pub(crate) use endpoints::{
    delete_endpoint, disable_endpoint, enable_endpoint, get_endpoint, list_endpoints, put_endpoint,
};
pub(crate) use secrets::{create_endpoint, rotate_secret};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::str::FromStr;
use http::HeaderMap;
use souk_app::webhooks::{EndpointCommand, WebhookRefusal};
use souk_app::{AppError, StoredResponse};
use souk_domain::{EventId, WebhookEndpointId};
use souk_runtime::conditional::if_match;
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::{Code, Problem};
use souk_runtime::request::Command;

/// The answer to a command: what `respond` makes of its outcome, or why it was refused.
fn responder<T>(
    edge: &EdgeCaller,
    respond: impl Fn(&T) -> StoredResponse + Send + Sync,
) -> impl Fn(Result<&T, &AppError>) -> StoredResponse + Send + Sync {
    let request_id = edge.caller.request_id;
    move |outcome| match outcome {
        Ok(done) => respond(done),
        Err(error) => Problem::from(error).to_stored(request_id),
    }
}

/// The endpoint that the path names. A text that is no id names none.
fn endpoint_id(text: &str) -> Result<WebhookEndpointId, Problem> {
    text.parse()
        .map_err(|_| Problem::from(&WebhookRefusal::EndpointNotFound))
}

/// The event that the path names.
fn event_id(text: &str) -> Result<EventId, Problem> {
    text.parse()
        .map_err(|_| Problem::from(&WebhookRefusal::DeliveryNotFound))
}

/// A command on the endpoint that the path names, for the version that the headers name.
fn endpoint_command(
    id: &str,
    command: &Command,
    headers: &HeaderMap,
    json: Option<&serde_json::Value>,
) -> Result<EndpointCommand, Problem> {
    Ok(EndpointCommand {
        once: command.once(json)?,
        endpoint: endpoint_id(id)?,
        expected: if_match(headers)?,
    })
}

fn to_cursor(id: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(id.to_string())
}

fn from_cursor<T: FromStr>(cursor: &str) -> Result<T, Problem> {
    let decoded = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "send next_cursor of the page before, as it is";
        Problem::new(Code::CursorInvalid, detail)
    })
}
