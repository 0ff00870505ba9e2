//! Makes a function's part of the API's description (OpenAPI 3.1) complete: what every operation has
//! in common is taken from the table of operations and the lists of problems, so that a handler's
//! annotation says only what is its own.

use crate::EdgeCode;
use crate::operations::{Access, Function, Keyed, OPERATIONS, Operation};
use crate::problem::{Code, PROBLEM_JSON};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What an operation answers besides what all of its kind do: its name, and problems.
pub type Refusals = (&'static str, &'static [Code]);

/// A problem as the description needs it: status, code, title.
type Listed = (u16, &'static str, &'static str);

/// A function's part of the description.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// A whole OpenAPI document, of this function's operations.
    pub document: Value,
    /// What annotations and table do not agree on, in words; a test wants it empty.
    pub disagreements: Vec<String>,
}

/// Makes a function's part of `described`, which is what its handlers' annotations say.
pub fn complete(mut described: Value, function: Function, refusals: &[Refusals]) -> Part {
    let mut disagreements = Vec::new();
    let mut paths = Map::new();
    for operation in OPERATIONS.iter().filter(|one| one.function == function) {
        let method = operation.method.to_ascii_lowercase();
        let pointer = format!("/paths/{}/{method}", escaped(operation.pattern));
        let Some(annotated) = described.pointer_mut(&pointer).map(Value::take) else {
            disagreements.push(format!("{} has no description", operation.name));
            continue;
        };
        let own = refusals.iter().filter(|(name, _)| *name == operation.name);
        let own: Vec<Code> = own.flat_map(|(_, codes)| codes.iter().copied()).collect();
        let item = paths.entry(operation.pattern).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(method, completed(annotated, operation, &own));
        }
    }
    disagreements.extend(left_over(&described, refusals, function));
    let mut components = shared_components();
    if let Some(Value::Object(schemas)) = described
        .pointer_mut("/components/schemas")
        .map(Value::take)
        && let Some(Value::Object(own)) = components.get_mut("schemas")
    {
        own.extend(schemas);
    }
    let mut part = head();
    part.insert("paths".to_owned(), Value::Object(paths));
    part.insert("components".to_owned(), Value::Object(components));
    let mut part = Value::Object(part);
    close_bodies(&mut part);
    Part {
        document: part,
        disagreements,
    }
}

/// What is described and not in the table.
fn left_over(described: &Value, refusals: &[Refusals], function: Function) -> Vec<String> {
    let mut words = Vec::new();
    let paths = described.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if !operation.is_null() {
                words.push(format!("{method} {path} is described and not in the table"));
            }
        }
    }
    for (name, _) in refusals {
        let known = |one: &Operation| one.name == *name && one.function == function;
        if !OPERATIONS.iter().any(known) {
            words.push(format!("{name} has problems and is not in the table"));
        }
    }
    words
}

fn head() -> Map<String, Value> {
    let head = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Souk",
            "version": "1",
            "summary": "Orders, catalog and stock of headless shops",
            "description": "The host says which shop is meant. Money is in minor units. Times are \
                RFC 3339 in UTC. Errors are problem documents (RFC 9457), see the pages that their \
                `type` leads to. `HEAD` is answered wherever `GET` is.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{
            "url": "https://{shop}",
            "variables": { "shop": { "default": "demo.localhost", "description": "The shop's host" } },
        }],
    });
    match head {
        Value::Object(head) => head,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn completed(annotated: Value, operation: &Operation, own: &[Code]) -> Value {
    let Value::Object(mut complete) = annotated else {
        return annotated;
    };
    complete.insert("operationId".to_owned(), json!(operation.name));
    complete.insert("tags".to_owned(), json!([tag(operation.pattern)]));
    complete.insert("security".to_owned(), security(operation.access));
    let has_body = complete.contains_key("requestBody");
    let parameters = complete.entry("parameters").or_insert_with(|| json!([]));
    if let Value::Array(parameters) = parameters {
        parameters.extend(common_parameters(operation));
    }
    let responses = complete.entry("responses").or_insert_with(|| json!({}));
    if let Value::Object(responses) = responses {
        for (status, response) in responses.iter_mut() {
            add_headers(response, &success_headers(operation, status));
        }
        for (status, problems) in by_status(&problems(operation, has_body, own)) {
            responses.insert(status.to_string(), problem_response(status, &problems));
        }
    }
    Value::Object(complete)
}

/// The first part of a path that is no version.
fn tag(pattern: &str) -> &str {
    let mut parts = pattern
        .split('/')
        .filter(|part| !matches!(*part, "" | "v1"));
    let first = parts.next().unwrap_or_default();
    first.strip_suffix(".json").unwrap_or(first)
}

/// `roles` of the scheme are the scopes (OpenAPI 3.1, Security Requirement Object).
fn security(access: Access) -> Value {
    match access {
        Access::Scope(scope) => json!([{ "api_key": [scope] }]),
        Access::Public => json!([{}, { "api_key": [] }]),
        Access::Psp => json!([{ "stripe_signature": [] }]),
    }
}

fn common_parameters(operation: &Operation) -> Vec<Value> {
    let mut names = Vec::new();
    if operation.keyed == Keyed::Required {
        names.push("IdempotencyKey");
    }
    if operation.method == "GET" && operation.pattern.starts_with("/v1/") {
        names.push("SoukConsistency");
    }
    let reference = |name| json!({ "$ref": format!("#/components/parameters/{name}") });
    names.into_iter().map(reference).collect()
}

fn success_headers(operation: &Operation, status: &str) -> Vec<&'static str> {
    let mut names = vec!["Souk-Request-Id"];
    if operation.keyed == Keyed::Required && status.starts_with('2') {
        names.extend([
            "Idempotency-Key-Expires",
            "Idempotent-Replayed",
            "Souk-Consistency",
        ]);
    }
    names
}

fn add_headers(response: &mut Value, names: &[&str]) {
    let Value::Object(response) = response else {
        return;
    };
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    for name in names {
        if let Value::Object(headers) = headers {
            let reference = json!({ "$ref": format!("#/components/headers/{name}") });
            headers.insert((*name).to_owned(), reference);
        }
    }
}

/// Everything that can be answered in place of what was asked for.
fn problems(operation: &Operation, has_body: bool, own: &[Code]) -> BTreeSet<Listed> {
    let mut edge = vec![
        EdgeCode::PathInvalid,
        EdgeCode::QueryInvalid,
        EdgeCode::HostInvalid,
        EdgeCode::ContentLengthInvalid,
        EdgeCode::IdempotencyKeyInvalid,
        EdgeCode::CredentialInvalid,
        EdgeCode::CredentialExpired,
        EdgeCode::TenantSuspended,
        EdgeCode::AddressDenied,
        EdgeCode::TenantNotFound,
        EdgeCode::RouteNotFound,
        EdgeCode::BodyTooLarge,
        EdgeCode::HeadersTooLarge,
        EdgeCode::RateLimited,
        EdgeCode::EdgeMisconfigured,
        EdgeCode::OriginUnreachable,
        EdgeCode::RoutingUnavailable,
        EdgeCode::RegionNotServed,
        EdgeCode::OperationDisabled,
        EdgeCode::OriginUnavailable,
        EdgeCode::OriginTimeout,
    ];
    let mut codes = vec![
        Code::ConsistencyTokenInvalid,
        Code::InternalError,
        Code::DatabaseUnavailable,
        Code::TenantUnplaced,
    ];
    if matches!(operation.access, Access::Scope(_)) {
        edge.extend([EdgeCode::CredentialMissing, EdgeCode::ScopeMissing]);
    }
    if operation.access != Access::Psp {
        // Whoever presents a token, also where none is needed.
        edge.push(EdgeCode::KeysUnavailable);
    }
    if operation.method != "GET" {
        edge.push(EdgeCode::BodyUnreadable);
    }
    if has_body {
        codes.extend([
            Code::MalformedJson,
            Code::BodyTooDeep,
            Code::UnsupportedMediaType,
            Code::ValidationFailed,
        ]);
    }
    if operation.keyed == Keyed::Required {
        codes.extend([
            Code::IdempotencyKeyMissing,
            Code::IdempotencyKeyInFlight,
            Code::IdempotencyKeyReused,
            Code::Contended,
            Code::TenantMoving,
        ]);
    }
    let edge = edge
        .into_iter()
        .map(|code| (code.status(), code.as_str(), code.title()));
    let codes = codes.iter().chain(own);
    let codes = codes.map(|code| (code.status().as_u16(), code.as_str(), code.title()));
    edge.chain(codes).collect()
}

fn by_status(problems: &BTreeSet<Listed>) -> BTreeMap<u16, Vec<Listed>> {
    let mut by_status: BTreeMap<u16, Vec<Listed>> = BTreeMap::new();
    for problem in problems {
        by_status.entry(problem.0).or_default().push(*problem);
    }
    by_status
}

fn problem_response(status: u16, problems: &[Listed]) -> Value {
    let lines: Vec<String> = problems
        .iter()
        .map(|(_, code, title)| {
            format!(
                "- [`{code}`](/problems/{}): {title}",
                code.replace('_', "-")
            )
        })
        .collect();
    let codes: Vec<&str> = problems.iter().map(|(_, code, _)| *code).collect();
    let mut response = json!({
        "description": lines.join("\n"),
        "content": { PROBLEM_JSON: { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "type": "object", "properties": { "code": { "type": "string", "enum": codes } } },
        ] } } },
    });
    let mut headers = vec!["Souk-Request-Id"];
    match status {
        401 | 403 => headers.push("WWW-Authenticate"),
        409 | 503 => headers.push("Retry-After"),
        429 => headers.extend(["Retry-After", "RateLimit", "RateLimit-Policy"]),
        _ => {}
    }
    add_headers(&mut response, &headers);
    response
}

/// What operations refer to.
fn shared_components() -> Map<String, Value> {
    let header =
        |description: &str, schema: Value| json!({ "description": description, "schema": schema });
    let text = || json!({ "type": "string" });
    let mut components = Map::new();
    components.insert("schemas".to_owned(), problem_schemas());
    components.insert("securitySchemes".to_owned(), json!({
        "api_key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A secret key of the shop's, `souk_sk_…`, or a publishable one, `souk_pk_…`, which \
                may read the catalog and ask for quotes; or an access token (JWT) of an issuer of the shop's.",
        },
        "stripe_signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Stripe-Signature",
            "description": "Stripe's signature over the time and the body, by the endpoint's secret.",
        },
    }));
    components.insert("parameters".to_owned(), json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": true,
            "description": "A new UUID for each new request, and the same with each repetition: the request \
                has its effect once. 1 to 255 visible ASCII characters, quoted (RFC 9651) or not.",
            "schema": { "type": "string", "pattern": r"^[!#-+\--\[\]-~]{1,255}$", "minLength": 1, "maxLength": 255 },
            "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        },
        "SoukConsistency": {
            "name": "Souk-Consistency",
            "in": "header",
            "required": false,
            "description": "From the answer of a write that the answer has to reflect.",
            "schema": { "type": "string", "maxLength": 256 },
        },
    }));
    components.insert("headers".to_owned(), json!({
        "Souk-Request-Id": header("Name it when you ask what happened.", json!({ "type": "string", "pattern": "^req_[0-9a-f]{32}$" })),
        "Idempotency-Key-Expires": header("Until when the key gives this answer.", json!({ "type": "string", "format": "date-time" })),
        "Idempotent-Replayed": header("`true`: this is the answer of an earlier request.", json!({ "type": "string", "enum": ["true"] })),
        "Souk-Consistency": header("Send it with reads that have to see this write.", text()),
        "Retry-After": header("Seconds after which the same request may be sent again.", json!({ "type": "integer", "minimum": 1 })),
        "RateLimit": header("What is left of each limit (draft-ietf-httpapi-ratelimit-headers).", text()),
        "RateLimit-Policy": header("The limits that count for the caller.", text()),
        "WWW-Authenticate": header("What is missing (RFC 6750).", text()),
    }));
    components
}

fn problem_schemas() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "Problem": {
            "type": "object",
            "description": "A problem document (RFC 9457). Some problems have more members, see their pages.",
            "required": ["type", "title", "status", "detail", "code"],
            "properties": {
                "type": { "type": "string", "format": "uri-reference", "description": "Leads to the page of the problem." },
                "title": text(),
                "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                "detail": text(),
                "code": { "type": "string", "description": "Its stable name." },
                "request_id": text(),
                "errors": { "type": "array", "items": { "$ref": "#/components/schemas/FieldError" } },
            },
        },
        "FieldError": {
            "type": "object",
            "description": "One field that is not as it should be.",
            "required": ["reason"],
            "properties": {
                "pointer": { "type": "string", "format": "json-pointer", "description": "Where in the body (RFC 6901)." },
                "parameter": { "type": "string", "description": "Which parameter of the query." },
                "reason": text(),
            },
        },
    })
}

/// Schemas that more than one function describes, and that bodies of requests have.
const SHARED_SCHEMAS: [&str; 1] = ["Money"];

/// Objects in bodies of requests take no members that are not described: readers refuse them.
fn close_bodies(part: &mut Value) {
    // What several functions describe is the same in each, whether its requests have it or not.
    let mut open: Vec<String> = SHARED_SCHEMAS.map(str::to_owned).to_vec();
    for operation in OPERATIONS {
        let method = operation.method.to_ascii_lowercase();
        let pointer = format!("/paths/{}/{method}/requestBody", escaped(operation.pattern));
        if let Some(body) = part.pointer(&pointer) {
            collect_references(body, &mut open);
        }
    }
    let mut closed: BTreeSet<String> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !closed.insert(name.clone()) {
            continue;
        }
        if let Some(schema) = part.pointer_mut(&format!("/components/schemas/{}", escaped(&name))) {
            close(schema);
            collect_references(schema, &mut open);
        }
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("properties").is_some_and(Value::is_object) {
                members
                    .entry("additionalProperties")
                    .or_insert(json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect_references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|text| text.strip_prefix("#/components/schemas/"));
            names.extend(name.map(str::to_owned));
            members
                .values()
                .for_each(|value| collect_references(value, names));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|value| collect_references(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
