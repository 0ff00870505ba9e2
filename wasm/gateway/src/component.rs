//! The handler, from a request to an answer.

use crate::answer::{self, edge_answer, origin_answer};
use crate::arrival::Arrival;
use crate::pipeline::Outcome;
use crate::{clock, memory, origin, pipeline};
use bytes::{Bytes, BytesMut};
use souk_policy::ForwardPlan;
use souk_policy::decide::{BODY_BYTES_MAX, body_too_large};
use souk_policy::log::log_line;
use souk_policy::problem::{Code, Problem, misconfigured};
use spin_sdk::http::{BoxBody, Request, Response};
use spin_sdk::http_service;

/// What becomes of a request.
#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let (parts, body) = request.into_parts();
    let arrival = Arrival::new(
        &parts.method,
        &parts.uri,
        &parts.headers,
        clock::now_ms(),
        &clock::random_bytes(),
    );
    let facts = arrival.facts();
    let plan = match pipeline::run(&arrival, &facts.for_policy()).await {
        Ok(Outcome::Forward(plan)) => plan,
        Ok(Outcome::Answer(answer)) => {
            return edge_answer(
                &arrival,
                &answer,
                &log_line(arrival.request_id(), None, None),
            );
        }
        Err(problem) => return refused(&arrival, &problem, None),
    };
    match forwarded(&arrival, &plan, &parts.headers, body).await {
        Ok(response) => response,
        Err(problem) => refused(&arrival, &problem, Some(&plan)),
    }
}

/// Reads the body where there can be one, signs, forwards.
async fn forwarded(
    arrival: &Arrival,
    plan: &ForwardPlan,
    headers: &spin_sdk::http::HeaderMap,
    body: impl http_body_util::BodyExt<Data = Bytes> + Unpin,
) -> Result<Response<BoxBody>, Problem> {
    let config = memory::config().ok_or_else(misconfigured)?;
    let body = if plan.reads_body() {
        read(body).await?
    } else {
        Bytes::new()
    };
    let sealed = plan.seal(
        &body,
        &config.signing_key,
        clock::now_ms().cast_signed() / 1_000,
    )?;
    let sent = origin::forwarded_headers(plan, headers, &sealed, body.len())?;
    let request = origin::Sent::new(arrival, plan, &config, sent, body)?;
    let response = origin::send(&request).await?;
    Ok(origin_answer(arrival, plan, response))
}

/// The body, or why there is none.
async fn read(
    mut body: impl http_body_util::BodyExt<Data = Bytes> + Unpin,
) -> Result<Bytes, Problem> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::new(Code::BodyUnreadable, "The body broke off."));
        };
        if let Ok(chunk) = frame.into_data() {
            if all.len().saturating_add(chunk.len()) > BODY_BYTES_MAX {
                return Err(body_too_large());
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(all.freeze())
}

fn refused(arrival: &Arrival, problem: &Problem, plan: Option<&ForwardPlan>) -> Response<BoxBody> {
    let log = log_line(arrival.request_id(), plan, Some(problem.code()));
    let mut answer = problem.answer(arrival.request_id());
    if let Some(plan) = plan {
        answer::put_all(&mut answer.headers, plan.answer_headers());
    }
    edge_answer(arrival, &answer, &log)
}
