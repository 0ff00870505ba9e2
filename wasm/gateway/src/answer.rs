//! Answers to the client, and the log.

use crate::arrival::Arrival;
use crate::clock::now_ms;
use bytes::Bytes;
use souk_policy::ForwardPlan;
use souk_policy::headers::reaches_client;
use souk_policy::log::log_line;
use souk_policy::problem::Answer;
use spin_sdk::http::{
    BoxBody, EmptyBody, FullBody, HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    box_body,
};
use std::io::Write as _;

/// Headers of an answer that a component may not set (`wasi:http`), beyond those that never reach a client.
const OF_CONNECTION: [&str; 5] = [
    "host",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
];

/// An answer of the edge's own.
pub(crate) fn edge_answer(arrival: &Arrival, answer: &Answer, log: &str) -> Response<BoxBody> {
    let is_empty = arrival.is_head() || answer.status == 204;
    let body = if is_empty {
        box_body(EmptyBody::new())
    } else {
        box_body(FullBody::new(Bytes::from(answer.body.clone())))
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
    for (name, value) in &answer.headers {
        put(response.headers_mut(), name, value);
    }
    written(arrival, log, answer.status);
    response
}

/// The origin's answer, without what is not for clients and with what is the edge's. Its body is handed on as
/// it comes.
pub(crate) fn origin_answer(
    arrival: &Arrival,
    plan: &ForwardPlan,
    origin: Response,
) -> Response<BoxBody> {
    let (mut parts, body) = origin.into_parts();
    let names: Vec<HeaderName> = parts.headers.keys().cloned().collect();
    for name in names {
        if !reaches_client(name.as_str()) || OF_CONNECTION.contains(&name.as_str()) {
            parts.headers.remove(&name);
        }
    }
    for (name, value) in plan.answer_headers() {
        if name == "vary" {
            if let Ok(value) = HeaderValue::from_str(&value) {
                parts.headers.append(name, value);
            }
        } else {
            put(&mut parts.headers, name, &value);
        }
    }
    let spent = format!("edge;dur={}", spent_ms(arrival));
    if let Ok(spent) = HeaderValue::from_str(&spent) {
        parts.headers.append("server-timing", spent);
    }
    let log = log_line(arrival.request_id(), Some(plan), None);
    written(arrival, &log, parts.status.as_u16());
    if arrival.is_head() {
        // The length of what is not there.
        parts.headers.remove("content-length");
        return Response::from_parts(parts, box_body(EmptyBody::new()));
    }
    Response::from_parts(parts, box_body(body))
}

/// Puts headers in place of those of the same name.
pub(crate) fn put_all(
    headers: &mut Vec<(&'static str, String)>,
    others: Vec<(&'static str, String)>,
) {
    headers.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
    headers.extend(others);
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // What the policy says is a header's value; one that were none is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

fn spent_ms(arrival: &Arrival) -> u64 {
    now_ms().saturating_sub(arrival.now_unix_ms())
}

fn written(arrival: &Arrival, log: &str, status: u16) {
    let spent_ms = spent_ms(arrival);
    let line = format!("{log},\"status\":{status},\"duration_ms\":{spent_ms}}}\n");
    // A log that nobody takes is no reason to give no answer.
    let _lost = std::io::stdout().write_all(line.as_bytes());
}

/// What is not the caller's fault goes to the log and not into the answer.
pub(crate) fn report(code: &str, cause: &str) {
    let line = format!("edge.problem code={code} cause={cause:?}\n");
    let _lost = std::io::stderr().write_all(line.as_bytes());
}
