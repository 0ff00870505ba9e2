//! Discounts, taxes and shipping.

use crate::CatalogState;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use souk_app::{AppError, StoredResponse, VersionedRules, get_pricing_rules, put_pricing_rules};
use souk_domain::pricing::{PricingRules, PricingRulesError};
use souk_runtime::answer::{answered, json_response};
use souk_runtime::conditional::{entity_tag, if_match, unless_none_match};
use souk_runtime::edge_signature::EdgeCaller;
use souk_runtime::problem::{FieldError, Problem};
use souk_runtime::request::{Command, read_body};

/// `GET /v1/pricing-rules`: 200 with the rules, which can be put as they are.
pub(crate) async fn read(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let rules = get_pricing_rules(&state.tools, &edge.caller).await?;
    unless_none_match(&headers, rules_response(&rules))
}

/// `PUT /v1/pricing-rules`: 200 with the rules as they are now.
pub(crate) async fn replace(
    State(state): State<CatalogState>,
    Extension(edge): Extension<EdgeCaller>,
    command: Command,
    (headers, body): (HeaderMap, Bytes),
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let json = read_body(&headers, &body, |_| Some(()))?.json;
    let rules = PricingRules::from_json(&json).map_err(refused)?;
    let once = command.once(Some(&json))?;
    let request_id = edge.caller.request_id;
    let respond = |outcome: Result<&VersionedRules, &AppError>| match outcome {
        Ok(rules) => rules_response(rules),
        Err(error) => Problem::from(error).to_stored(request_id),
    };
    let wanted = (rules, expected);
    let answer = put_pricing_rules(&state.tools, &edge.caller, &once, wanted, respond).await?;
    Ok(answered(answer))
}

fn rules_response(versioned: &VersionedRules) -> StoredResponse {
    let mut response = json_response(200, &versioned.rules);
    let tag = entity_tag(Some(versioned.version), &response.body);
    response.headers.extend([
        ("etag".to_owned(), tag),
        // May be asked for again with the tag, and is kept by nobody else.
        ("cache-control".to_owned(), "private, no-cache".to_owned()),
    ]);
    response
}

fn refused(error: PricingRulesError) -> Problem {
    let fields = error.violations.into_iter().map(|violation| FieldError {
        pointer: violation.pointer,
        reason: violation.reason,
    });
    Problem::validation(fields.collect())
}
