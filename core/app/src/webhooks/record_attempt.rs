//! Writes down how an attempt ended.

use super::{SendEnd, SendError};
use crate::{AppError, Tools};
use souk_domain::webhook::{AttemptOutcome, DisabledBy, Jitter, WebhookEndpoint, after_attempt};
use souk_domain::{
    Event, EventData, EventId, RequestId, Subject, TenantId, Timestamp, WebhookEndpointDisabledV1,
};
use souk_postgres::webhooks::{self, AttemptEnd, ClaimedDelivery};
use souk_postgres::{TenantTx, outbox};

/// Bytes of an answer's body that are kept.
const RESPONSE_BYTES_MAX: usize = 1_000;
/// Bytes of an error that are kept.
const ERROR_BYTES_MAX: usize = 400;
/// The endpoint wants no more.
const GONE: u16 = 410;

/// What the end of an attempt has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) outcome: AttemptOutcome,
    /// False where somebody else had taken the delivery over.
    pub(super) in_time: bool,
    pub(super) disabled: Option<DisabledBy>,
}

/// Writes down how the attempt ended, what becomes of the delivery, and how its endpoint fares, with the
/// event that tells where that disables it, in one transaction.
pub(super) async fn record_attempt(
    tools: &Tools,
    tenant: TenantId,
    claimed: &ClaimedDelivery,
    end: SendEnd,
    jitter: Jitter,
) -> Result<Recorded, AppError> {
    let now = tools.clock.now();
    let end = attempt_end(end);
    let outcome = end.outcome;
    let step = after_attempt(claimed.failures, outcome, jitter, now)?;
    let mut tx = tools.db.begin(tenant).await?;
    let in_time = webhooks::end_attempt(&mut tx, claimed, &end, &step, now).await?;
    let disabled = follow_health(tools, &mut tx, claimed, outcome, now).await?;
    tx.commit().await?;
    Ok(Recorded {
        outcome,
        in_time,
        disabled,
    })
}

/// Notes how the endpoint fares, and disables it where that is due. Its row is locked only where that
/// changes anything: an endpoint that is well, or has failed for a while, is not written at each attempt.
async fn follow_health(
    tools: &Tools,
    tx: &mut TenantTx,
    claimed: &ClaimedDelivery,
    outcome: AttemptOutcome,
    now: Timestamp,
) -> Result<Option<DisabledBy>, AppError> {
    let changed = |endpoint: &WebhookEndpoint| {
        let (after, by) = endpoint.clone().after(outcome, now);
        (after != *endpoint).then_some((after, by))
    };
    let seen = webhooks::load_endpoint(tx, claimed.endpoint).await?;
    if seen.as_ref().and_then(changed).is_none() {
        return Ok(None);
    }
    let locked = webhooks::load_endpoint_for_update(tx, claimed.endpoint).await?;
    let Some((endpoint, by)) = locked.as_ref().and_then(changed) else {
        return Ok(None);
    };
    webhooks::update_endpoint(tx, &endpoint).await?;
    if let Some(by) = by {
        let event = disabled_event(tools, tx.tenant(), &endpoint, by, now);
        let text = event.to_json_text()?;
        outbox::append(tx, &event, &text).await?;
    }
    Ok(by)
}

fn disabled_event(
    tools: &Tools,
    tenant: TenantId,
    endpoint: &WebhookEndpoint,
    by: DisabledBy,
    now: Timestamp,
) -> Event {
    Event {
        id: EventId::from_uuid(tools.ids.uuid_v7(now)),
        tenant_id: tenant,
        subject: Subject::WebhookEndpoint(endpoint.id),
        sequence: endpoint.events,
        time: now,
        correlation_id: RequestId::from_uuid(tools.ids.uuid_v7(now)),
        causation_id: None,
        traceparent: None,
        data: EventData::WebhookEndpointDisabledV1(WebhookEndpointDisabledV1 {
            endpoint_id: endpoint.id,
            reason: by.as_str().to_owned(),
            failing_since: endpoint.health.failing_since.unwrap_or(now),
            disabled_at: now,
        }),
    }
}

fn attempt_end(end: SendEnd) -> AttemptEnd {
    let (outcome, status_code, error, response) = match end.answer {
        Ok((status @ 200..=299, body)) => {
            (AttemptOutcome::Delivered, Some(status), None, Some(body))
        }
        Ok((GONE, body)) => (AttemptOutcome::Gone, Some(GONE), None, Some(body)),
        Ok((status, body)) => (AttemptOutcome::Failed, Some(status), None, Some(body)),
        Err(error) => (AttemptOutcome::Failed, None, Some(told(&error)), None),
    };
    AttemptEnd {
        outcome,
        status_code,
        latency_ms: end.latency_ms,
        error,
        response: response.map(|body| beginning(&body, RESPONSE_BYTES_MAX)),
    }
}

fn told(error: &SendError) -> String {
    beginning(&error.to_string(), ERROR_BYTES_MAX)
}

/// The first characters that fit, without those that the database does not take.
fn beginning(text: &str, bytes_max: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| *c != '\0') {
        if kept.len().saturating_add(c.len_utf8()) > bytes_max {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_is_delivered() {
        let outcome = |status| {
            let answer = Ok((status, String::new()));
            attempt_end(SendEnd {
                answer,
                latency_ms: 1,
            })
            .outcome
        };
        for status in [200, 201, 204, 299] {
            assert_eq!(outcome(status), AttemptOutcome::Delivered, "{status}");
        }
        for status in [
            100, 199, 300, 301, 302, 307, 308, 400, 404, 409, 429, 500, 503,
        ] {
            assert_eq!(outcome(status), AttemptOutcome::Failed, "{status}");
        }
        assert_eq!(outcome(410), AttemptOutcome::Gone);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(beginning("aäö", 3), "aä");
        assert_eq!(beginning("a\0b", 9), "ab");
    }
}
