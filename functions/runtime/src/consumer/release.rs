//! Sends parked messages to their consumer again.

use super::queue::{ReleasedMessage, SourceQueue};
use souk_app::parked::{ParkedFilter, ParkedMessage, mark_released, parked_page};
use souk_app::{DatabaseError, Shards};

/// Messages read and sent at a time.
const PAGE_MESSAGES: u16 = 100;

/// What a release did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReleaseReport {
    /// Messages that the queue has taken.
    pub released: u64,
    /// Messages that it refused; they stay as they were.
    pub refused: u64,
}

/// Sends the messages that are parked as `filter` says to `queue`, their consumer's, at most `messages_max` of them:
/// an aggregate's in sequence. Each stays parked until its consumer has applied it. One that it cannot take still is
/// parked again, so a release may be repeated, and cut off anywhere: what comes twice is applied once.
///
/// # Errors
/// The database's. What was sent until then is sent.
pub async fn release(
    db: &Shards,
    queue: &impl SourceQueue,
    filter: ParkedFilter<'_>,
    messages_max: u64,
) -> Result<ReleaseReport, DatabaseError> {
    let mut report = ReleaseReport::default();
    let mut after: Option<(String, u64)> = None;
    let mut left = messages_max;
    while left > 0 {
        let limit = u16::try_from(left).unwrap_or(u16::MAX).min(PAGE_MESSAGES);
        let from = after
            .as_ref()
            .map(|(subject, sequence)| (subject.as_str(), *sequence));
        let page = parked_page(db, filter, from, limit).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.subject.clone(), last.sequence));
        left = left.saturating_sub(u64::try_from(page.len()).unwrap_or(u64::MAX));
        let messages: Vec<_> = page.iter().map(outgoing).collect();
        let outcomes = queue.send_again(&messages).await;
        let mut taken = Vec::with_capacity(messages.len());
        for (message, outcome) in messages.iter().zip(outcomes) {
            match outcome {
                Ok(()) => taken.push(message.event_id),
                Err(error) => {
                    report.refused = report.refused.saturating_add(1);
                    tracing::warn!(event.id = %message.event_id, %error, "message not released");
                }
            }
        }
        mark_released(db, filter.tenant, filter.consumer, &taken).await?;
        let taken = u64::try_from(taken.len()).unwrap_or(u64::MAX);
        report.released = report.released.saturating_add(taken);
    }
    Ok(report)
}

fn outgoing(parked: &ParkedMessage) -> ReleasedMessage {
    ReleasedMessage {
        event_id: parked.event_id,
        event_type: parked.event_type.clone(),
        group: parked.subject.clone(),
        body: parked.body.clone(),
        releases: parked.releases,
    }
}
