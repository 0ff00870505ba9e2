//! Lifting a handler of one message to a handler of an SQS batch with a partial response.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures::FutureExt as _;
use lambda_runtime::Context;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Time kept back for the answer of the function itself.
const ANSWER_RESERVE: Duration = Duration::from_secs(1);

/// Which promise the queue makes about order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// None: each message stands alone.
    Standard,
    /// Order within a message group: the first failure of a group stops that group, and the others
    /// go on.
    Fifo,
}

/// Applies `handle` to each message in the batch's order and reports those that failed, so that SQS
/// delivers them again and only them. Needs `ReportBatchItemFailures` on the event source mapping.
///
/// A handler that panics fails its own message. A message whose turn comes too late before
/// `deadline` counts as failed without having been tried.
///
/// Source: AWS Lambda Developer Guide, "Implementing partial batch responses".
pub async fn process_batch<F, Fut, E>(
    event: SqsEvent,
    kind: QueueKind,
    deadline: Instant,
    handle: F,
) -> SqsBatchResponse
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: core::error::Error,
{
    let stop_at = deadline.checked_sub(ANSWER_RESERVE).unwrap_or(deadline);
    let mut stopped_groups: BTreeSet<String> = BTreeSet::new();
    let mut failures = Vec::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        let group = match kind {
            QueueKind::Standard => None,
            QueueKind::Fifo => Some(group_of(&message)),
        };
        let blocked = group
            .as_ref()
            .is_some_and(|group| stopped_groups.contains(group));
        let outcome = if blocked {
            Err("an earlier message of its group failed".to_owned())
        } else {
            process_one(&handle, message, stop_at).await
        };
        if let Err(reason) = outcome {
            tracing::warn!(
                message.id = id,
                reason,
                "message failed and will be delivered again"
            );
            stopped_groups.extend(group);
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failures.push(failure);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

fn group_of(message: &SqsMessage) -> String {
    message
        .attributes
        .get("MessageGroupId")
        .cloned()
        .unwrap_or_default()
}

async fn process_one<F, Fut, E>(
    handle: &F,
    message: SqsMessage,
    stop_at: Instant,
) -> Result<(), String>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: core::error::Error,
{
    if Instant::now() >= stop_at {
        return Err("no time was left".to_owned());
    }
    let work = async { handle(message.body.unwrap_or_default()).await };
    let caught = AssertUnwindSafe(work).catch_unwind();
    match tokio::time::timeout_at(stop_at, caught).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(with_causes(&error)),
        Ok(Err(_panic)) => Err("the handler panicked".to_owned()),
        Err(_elapsed) => Err("the handler ran out of time".to_owned()),
    }
}

/// An error with its causes, for a log line.
pub fn with_causes(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// When Lambda ends the function: the deadline that it gives in Unix time, on this process's clock.
pub fn deadline(context: &Context) -> Instant {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let left = Duration::from_millis(context.deadline).saturating_sub(since_epoch);
    let now = Instant::now();
    now.checked_add(left).unwrap_or(now)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn message(id: &str, group: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.body = Some(id.to_owned());
        message
            .attributes
            .insert("MessageGroupId".to_owned(), group.to_owned());
        message
    }

    fn batch(messages: &[(&str, &str)]) -> SqsEvent {
        let mut event = SqsEvent::default();
        event.records = messages
            .iter()
            .map(|(id, group)| message(id, group))
            .collect();
        event
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn failed(response: &SqsBatchResponse) -> Vec<&str> {
        response
            .batch_item_failures
            .iter()
            .map(|f| f.item_identifier.as_str())
            .collect()
    }

    #[tokio::test]
    async fn a_group_stops_at_its_first_failure_and_others_go_on() {
        let seen = Mutex::new(Vec::new());
        let event = batch(&[
            ("a1", "a"),
            ("b1", "b"),
            ("a2", "a"),
            ("b2", "b"),
            ("a3", "a"),
        ]);
        let response = process_batch(event, QueueKind::Fifo, in_a_minute(), |body| {
            seen.lock().unwrap().push(body.clone());
            async move {
                if body == "a2" {
                    Err(std::io::Error::other("refused"))
                } else {
                    Ok(())
                }
            }
        })
        .await;
        assert_eq!(failed(&response), ["a2", "a3"]);
        assert_eq!(*seen.lock().unwrap(), ["a1", "b1", "a2", "b2"]);
    }

    #[tokio::test]
    async fn in_a_standard_queue_each_message_stands_alone() {
        let event = batch(&[("a1", ""), ("a2", ""), ("a3", "")]);
        let response = process_batch(
            event,
            QueueKind::Standard,
            in_a_minute(),
            |body| async move {
                if body == "a2" {
                    Err(std::io::Error::other("refused"))
                } else {
                    Ok(())
                }
            },
        )
        .await;
        assert_eq!(failed(&response), ["a2"]);
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_message() {
        let event = batch(&[("a1", "a"), ("b1", "b")]);
        let response = process_batch(event, QueueKind::Fifo, in_a_minute(), |body| async move {
            assert_ne!(body, "a1", "planted");
            Ok::<(), std::io::Error>(())
        })
        .await;
        assert_eq!(failed(&response), ["a1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_in_the_time_is_delivered_again() {
        let event = batch(&[("a1", "a"), ("b1", "b"), ("c1", "c")]);
        let deadline = Instant::now() + Duration::from_secs(10);
        let response = process_batch(event, QueueKind::Fifo, deadline, |body| async move {
            let seconds = if body == "b1" { 60 } else { 1 };
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<(), std::io::Error>(())
        })
        .await;
        assert_eq!(failed(&response), ["b1", "c1"]);
    }
}
