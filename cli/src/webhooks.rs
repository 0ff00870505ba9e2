//! `souk webhooks`: endpoints of a tenant, what was sent to them, and sending it again.

use crate::operator::tenant_tools;
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use souk_app::webhooks::{
    Delivery, DeliveryFilter, DeliveryView, EndpointCommand, REPLAYED_MAX, ReplayRange, Replayed,
    get_delivery, get_endpoint, list_deliveries, list_endpoints, replay_deliveries,
    replay_delivery,
};
use souk_app::{AppError, Caller, ExpectedVersion, Once, StoredResponse, Tools};
use souk_domain::webhook::{DeliveryStatus, EndpointState, WebhookEndpoint};
use souk_domain::{
    EventId, IdempotencyKey, RequestFingerprint, RequestId, TenantId, Timestamp, WebhookEndpointId,
};
use souk_runtime::answer::json_response;

/// Rows asked for at a time.
const PAGE: u8 = 100;
const PRINCIPAL: &str = "souk-operator";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Whose.
    #[arg(long, global = true)]
    tenant: Option<TenantId>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the endpoints as JSON, one a line.
    List,
    /// Prints an endpoint, or with an event what was sent of it and what came of that, as JSON.
    Show {
        endpoint: WebhookEndpointId,
        #[arg(long)]
        event: Option<EventId>,
    },
    /// Prints the newest deliveries to an endpoint as JSON, one a line.
    Deliveries {
        endpoint: WebhookEndpointId,
        /// Only those: pending, delivered, failed or skipped.
        #[arg(long)]
        status: Option<DeliveryStatus>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Sends an event, or a range of them, again.
    Replay {
        endpoint: WebhookEndpointId,
        /// This one.
        #[arg(long, conflicts_with_all = ["since", "until"], required_unless_present = "since")]
        event: Option<EventId>,
        /// What happened from then on, such as 2026-11-21T00:00:00Z.
        #[arg(long, requires = "until")]
        since: Option<Timestamp>,
        /// What happened before then.
        #[arg(long, requires = "since")]
        until: Option<Timestamp>,
        /// In these states; failed and skipped where nothing is said.
        #[arg(long = "status", value_name = "STATUS")]
        statuses: Vec<DeliveryStatus>,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let tools = tenant_tools()?;
    let tenant = arguments.tenant.context("--tenant is needed")?;
    let caller = caller(&tools, tenant)?;
    match arguments.command {
        Command::List => list(&tools, &caller).await,
        Command::Show { endpoint, event } => show(&tools, &caller, endpoint, event).await,
        Command::Deliveries {
            endpoint,
            status,
            limit,
        } => deliveries(&tools, &caller, (endpoint, status), limit).await,
        Command::Replay {
            endpoint,
            event: Some(event),
            ..
        } => replay_one(&tools, &caller, endpoint, event).await,
        Command::Replay {
            endpoint,
            since,
            until,
            statuses,
            ..
        } => {
            let missed = vec![DeliveryStatus::Failed, DeliveryStatus::Skipped];
            let range = ReplayRange {
                since: since.context("--since is needed")?,
                until: until.context("--until is needed")?,
                statuses: if statuses.is_empty() {
                    missed
                } else {
                    statuses
                },
                after: None,
                limit: REPLAYED_MAX,
            };
            replay_range(&tools, &caller, endpoint, range).await
        }
    }
}

fn caller(tools: &Tools, tenant: TenantId) -> Result<Caller> {
    Ok(Caller {
        tenant,
        principal: PRINCIPAL.parse()?,
        request_id: RequestId::from_uuid(tools.ids.uuid_v7(tools.clock.now())),
        traceparent: None,
        consistency: None,
    })
}

/// A command that nobody has given before.
fn command(tools: &Tools, endpoint: WebhookEndpointId) -> Result<EndpointCommand> {
    let key = tools.ids.uuid_v7(tools.clock.now()).to_string();
    Ok(EndpointCommand {
        once: Once {
            key: IdempotencyKey::parse(&key)?,
            operation: "souk webhooks replay",
            fingerprint: RequestFingerprint::new("POST", "souk webhooks replay", None)?,
        },
        endpoint,
        expected: ExpectedVersion::Any,
    })
}

async fn list(tools: &Tools, caller: &Caller) -> Result<()> {
    let mut after = None;
    loop {
        let page = list_endpoints(tools, caller, after, PAGE).await?;
        for endpoint in &page.endpoints {
            println!("{}", shown(endpoint));
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn show(
    tools: &Tools,
    caller: &Caller,
    endpoint: WebhookEndpointId,
    event: Option<EventId>,
) -> Result<()> {
    let found = match event {
        None => shown(&get_endpoint(tools, caller, endpoint).await?.endpoint),
        Some(event) => view(&get_delivery(tools, caller, endpoint, event).await?),
    };
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

async fn deliveries(
    tools: &Tools,
    caller: &Caller,
    (endpoint, status): (WebhookEndpointId, Option<DeliveryStatus>),
    limit: u32,
) -> Result<()> {
    let mut left = limit;
    let mut after = None;
    while left > 0 {
        let filter = DeliveryFilter {
            endpoint,
            status,
            after,
        };
        let wanted = u8::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = list_deliveries(tools, caller, filter, wanted).await?;
        for delivery in &page.deliveries {
            println!("{}", line(delivery));
        }
        left = left.saturating_sub(wanted.into());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

async fn replay_one(
    tools: &Tools,
    caller: &Caller,
    endpoint: WebhookEndpointId,
    event: EventId,
) -> Result<()> {
    let command = command(tools, endpoint)?;
    let answer = replay_delivery(tools, caller, &command, event, told(line)).await?;
    println!("{}", success(&answer.response)?);
    Ok(())
}

async fn replay_range(
    tools: &Tools,
    caller: &Caller,
    endpoint: WebhookEndpointId,
    mut range: ReplayRange,
) -> Result<()> {
    let mut total = 0_u64;
    loop {
        let command = command(tools, endpoint)?;
        let respond = told(
            |replayed: &Replayed| json!({ "replayed": replayed.count, "next": replayed.next }),
        );
        let answer = replay_deliveries(tools, caller, &command, range.clone(), respond).await?;
        let done = success(&answer.response)?;
        let count = done.get("replayed").and_then(Value::as_u64);
        total = total.saturating_add(count.unwrap_or_default());
        let Some(next) = done.get("next").and_then(Value::as_str) else {
            println!("{total} on their way again");
            return Ok(());
        };
        range.after = Some(next.parse()?);
    }
}

fn told<T>(
    show: impl Fn(&T) -> Value + Send + Sync,
) -> impl Fn(Result<&T, &AppError>) -> StoredResponse + Send + Sync {
    move |outcome| match outcome {
        Ok(done) => json_response(200, &show(done)),
        Err(error) => json_response(409, &json!(error.to_string())),
    }
}

fn success(response: &StoredResponse) -> Result<Value> {
    let said: Value = serde_json::from_slice(&response.body)?;
    if response.status == 200 {
        return Ok(said);
    }
    bail!("{}", said.as_str().unwrap_or("it was refused"))
}

fn shown(endpoint: &WebhookEndpoint) -> Value {
    let settings = &endpoint.settings;
    let patterns = settings.filter.patterns().iter();
    let (status, disabled) = match endpoint.state {
        EndpointState::Enabled => ("enabled", Value::Null),
        EndpointState::Disabled { by, at } => ("disabled", json!({ "by": by.as_str(), "at": at })),
    };
    json!({
        "id": endpoint.id,
        "url": settings.url.as_str(),
        "description": settings.description.as_str(),
        "event_types": patterns.map(ToString::to_string).collect::<Vec<_>>(),
        "ordered": settings.ordered,
        "status": status,
        "disabled": disabled,
        "failing_since": endpoint.health.failing_since,
        "version": endpoint.version,
        "created_at": endpoint.created_at,
    })
}

fn line(delivery: &Delivery) -> Value {
    json!({
        "event_id": delivery.event,
        "event_type": delivery.event_type,
        "occurred_at": delivery.occurred_at,
        "status": delivery.status.as_str(),
        "attempts": delivery.attempts,
        "replays": delivery.replays,
        "next_attempt_at": delivery.next_attempt_at,
        "settled_at": delivery.settled_at,
    })
}

fn view(view: &DeliveryView) -> Value {
    let attempts = view.attempts.iter().map(|attempt| {
        json!({
            "attempt": attempt.attempt,
            "started_at": attempt.started_at,
            "outcome": attempt.outcome.as_str(),
            "status_code": attempt.status_code,
            "latency_ms": attempt.latency_ms,
            "error": attempt.error,
            "response": attempt.response,
        })
    });
    let mut shown = line(&view.delivery);
    if let Value::Object(members) = &mut shown {
        members.insert("body".to_owned(), json!(view.body));
        members.insert("attempts".to_owned(), attempts.collect());
    }
    shown
}
