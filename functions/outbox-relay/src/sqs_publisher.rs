//! Publishes to an SQS FIFO queue.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use souk_app::{EventPublisher, OutgoingEvent, PublishError};

/// Sends to one FIFO queue by `SendMessageBatch`: the group is the aggregate, the deduplication id is
/// the event's, so a repetition within five minutes is swallowed by the queue and a later one by the
/// consumer's inbox.
#[derive(Debug, Clone)]
pub struct SqsPublisher {
    client: Client,
    queue_url: String,
}

impl SqsPublisher {
    /// Sends to `queue_url` by `client`, whose timeouts and retries bound each call. Repeating a call
    /// is safe: the queue deduplicates.
    pub const fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }

    /// One request, of all of `batch`.
    async fn send(&self, batch: &[OutgoingEvent]) -> Answer {
        let mut outcomes = unmentioned(batch.len());
        let mut entries = Vec::with_capacity(batch.len());
        for (index, event) in batch.iter().enumerate() {
            match to_entry(index, event) {
                Ok(entry) => entries.push(entry),
                Err(error) => set(&mut outcomes, &index.to_string(), Err(error)),
            }
        }
        if entries.is_empty() {
            return Answer::ByEntry(outcomes);
        }
        let request = self.client.send_message_batch().queue_url(&self.queue_url);
        let output = match request.set_entries(Some(entries)).send().await {
            Ok(output) => output,
            Err(error) => return answer_of(error),
        };
        for taken in output.successful() {
            set(&mut outcomes, taken.id(), Ok(()));
        }
        for refused in output.failed() {
            let message = refused.message().unwrap_or("no message");
            let reason = format!("{}: {message}", refused.code());
            let error = if refused.sender_fault() {
                PublishError::refused(reason)
            } else {
                PublishError::unavailable(reason)
            };
            set(&mut outcomes, refused.id(), Err(error));
        }
        Answer::ByEntry(outcomes)
    }
}

/// What came of a request.
enum Answer {
    /// Of each event.
    ByEntry(Vec<Result<(), PublishError>>),
    /// The queue does not want it for what is in it; of which event is not said.
    RefusedWhole(String),
    /// The queue could not be reached, or did not do its part, or is not set up.
    Unavailable(String),
}

/// Errors for which the content of a request is at fault.
const CONTENT_ERRORS: [&str; 3] = [
    "AWS.SimpleQueueService.BatchRequestTooLong",
    "InvalidMessageContents",
    "InvalidParameterValue",
];

fn answer_of(error: SdkError<SendMessageBatchError>) -> Answer {
    let of_content = error.as_service_error().is_some_and(|service| {
        service.is_batch_request_too_long()
            || service
                .code()
                .is_some_and(|code| CONTENT_ERRORS.contains(&code))
    });
    let reason = DisplayErrorContext(error).to_string();
    if of_content {
        Answer::RefusedWhole(reason)
    } else {
        Answer::Unavailable(reason)
    }
}

/// Only what the answer names as taken counts as taken.
fn unmentioned(events: usize) -> Vec<Result<(), PublishError>> {
    let error = PublishError::unavailable("the queue's answer does not mention it");
    vec![Err(error); events]
}

fn set(
    outcomes: &mut [Result<(), PublishError>],
    entry_id: &str,
    outcome: Result<(), PublishError>,
) {
    let slot = entry_id
        .parse::<usize>()
        .ok()
        .and_then(|index| outcomes.get_mut(index));
    if let Some(slot) = slot {
        *slot = outcome;
    }
}

fn to_entry(
    index: usize,
    event: &OutgoingEvent,
) -> Result<SendMessageBatchRequestEntry, PublishError> {
    let unfit = |error: aws_sdk_sqs::error::BuildError| PublishError::refused(error.to_string());
    let event_type = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(&event.event_type)
        .build()
        .map_err(unfit)?;
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_group_id(&event.group)
        .message_deduplication_id(event.event_id.to_string())
        .message_attributes("type", event_type)
        .message_body(&event.body)
        .build()
        .map_err(unfit)
}

impl EventPublisher for SqsPublisher {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        let mut outcomes = Vec::with_capacity(batch.len());
        // What the queue refuses as a whole is sent in halves, until it is clear which event it is.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            match self.send(part).await {
                Answer::ByEntry(answers) => outcomes.extend(answers),
                Answer::RefusedWhole(_) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len().div_ceil(2));
                    parts.push(second);
                    parts.push(first);
                }
                Answer::RefusedWhole(reason) => outcomes.push(Err(PublishError::refused(reason))),
                Answer::Unavailable(reason) => {
                    outcomes.extend(vec![Err(PublishError::unavailable(reason)); part.len()]);
                }
            }
        }
        outcomes
    }
}
