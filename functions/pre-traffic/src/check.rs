//! What is looked at: whether the schema is the one that the new version needs, and whether it starts and answers.

use crate::smoke_order::SmokeOrder;
use crate::{Delivery, Versions};
use serde::Deserialize;
use serde_json::{Value, json};
use souk_names::{Function, Names};
use std::collections::BTreeMap;

/// Why a version gets no traffic, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Doubt(pub String);

/// A function, and the version that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Such as `souk-prod-orders`.
    pub function: String,
    /// Such as `17`.
    pub version: String,
}

/// The version that was published last: what a deployment of all functions leads to.
const NEWEST: &str = "$LATEST";
/// The function that knows the migrations.
const MIGRATE: &str = "migrate";
const ORDERS: &str = "orders";

/// What `migrate` answers when it is asked to look.
#[derive(Debug, Deserialize)]
struct Schemas {
    pending: BTreeMap<String, Vec<Pending>>,
}

#[derive(Debug, Deserialize)]
struct Pending {
    version: i64,
    description: String,
    breaking: Vec<String>,
}

/// Looks at all that `deployment` brings.
///
/// # Errors
/// The first thing that is not as it should be.
pub async fn check(
    delivery: &impl Delivery,
    versions: &impl Versions,
    names: &Names,
    smoke_order: Option<&SmokeOrder>,
    deployment: &str,
) -> Result<(), Doubt> {
    let all = delivery.new_versions(deployment).await?;
    if all.is_empty() {
        return Err(Doubt("the deployment names no function".to_owned()));
    }
    for new in &all {
        let (prefix, short, settings) = known(names, &new.function)?;
        schemas(versions, &format!("{prefix}{MIGRATE}")).await?;
        answers(versions, names, new, (short, settings)).await?;
        if short == ORDERS
            && let Some(order) = smoke_order
        {
            order.place(versions, new).await?;
        }
    }
    Ok(())
}

/// `souk-prod-`, `outbox-relay` and its settings, of `souk-prod-outbox-relay`.
fn known<'a>(
    names: &'a Names,
    function: &'a str,
) -> Result<(&'a str, &'a str, &'a Function), Doubt> {
    let mut fits: Vec<_> = names
        .functions
        .iter()
        .filter_map(|(short, settings)| {
            let prefix = function.strip_suffix(short.as_str())?;
            prefix
                .ends_with('-')
                .then_some((prefix, short.as_str(), settings))
        })
        .collect();
    fits.sort_by_key(|(prefix, ..)| prefix.len());
    let found = fits.into_iter().next();
    found.ok_or_else(|| Doubt(format!("{function} is no function of Souk's")))
}

/// The new version's own migrations are all there; one that is not must not be one that breaks who runs now.
async fn schemas(versions: &impl Versions, migrate: &str) -> Result<(), Doubt> {
    let look = json!({ "look": true });
    let answer = versions.invoke(migrate, NEWEST, &look).await?;
    let schemas: Schemas = serde_json::from_value(answer).map_err(|_| {
        Doubt(format!(
            "{migrate} does not say which migrations are pending"
        ))
    })?;
    let mut words = Vec::new();
    for (database, pending) in &schemas.pending {
        for migration in pending {
            let Pending {
                version,
                description,
                breaking,
            } = migration;
            words.push(if breaking.is_empty() {
                format!("{database} lacks the migration {version} ({description})")
            } else {
                let breaking = breaking.join(", ");
                format!("{database} lacks the migration {version} ({description}), which does not only add: {breaking}")
            });
        }
    }
    if words.is_empty() {
        return Ok(());
    }
    Err(Doubt(words.join("; ")))
}

/// It starts, with its configuration, and answers what changes nothing.
async fn answers(
    versions: &impl Versions,
    names: &Names,
    new: &NewVersion,
    (short, settings): (&str, &Function),
) -> Result<(), Doubt> {
    let NewVersion { function, version } = new;
    if settings.http {
        let event = http_event("GET", "/healthz", &BTreeMap::new(), "");
        let answer = versions.invoke(function, version, &event).await?;
        return status(&answer, 200, function).map(|_| ());
    }
    if names.consumers.contains_key(short) {
        // A batch without messages. What a schedule sends would do work.
        let nothing = json!({ "Records": [] });
        let answer = versions.invoke(function, version, &nothing).await;
        return answer.map(|_| ());
    }
    if short == MIGRATE {
        let look = json!({ "look": true });
        let answer = versions.invoke(function, version, &look).await;
        return answer.map(|_| ());
    }
    // What runs by a schedule alone does work whenever it is invoked: its first run is looked at by its alarm.
    Ok(())
}

/// The body of an answer that has the status `wanted`.
pub(crate) fn status(answer: &Value, wanted: u64, what: &str) -> Result<Value, Doubt> {
    let got = answer.get("statusCode").and_then(Value::as_u64);
    if got != Some(wanted) {
        // Never the body: the log must not hold what an answer had.
        let got = got.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        return Err(Doubt(format!("{what} answers {got} instead of {wanted}")));
    }
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(serde_json::from_str(body).unwrap_or(Value::Null))
}

/// What an HTTP API sends to a function (payload format 2.0).
pub(crate) fn http_event(
    method: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &str,
) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "pre-traffic",
            "domainName": "pre-traffic.invalid",
            "domainPrefix": "pre-traffic",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "souk-pre-traffic" },
            "requestId": "pre-traffic",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 0,
        },
        "body": body,
        "isBase64Encoded": false,
    })
}
