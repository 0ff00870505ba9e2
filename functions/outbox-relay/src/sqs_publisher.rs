//! Publishes to an SQS FIFO queue.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
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

    async fn send(
        &self,
        batch: &[OutgoingEvent],
    ) -> Result<Vec<Result<(), PublishError>>, PublishError> {
        let entries = batch
            .iter()
            .enumerate()
            .map(|(index, event)| to_entry(index, event))
            .collect::<Result<Vec<_>, _>>()?;
        let output = self
            .client
            .send_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| PublishError(DisplayErrorContext(error).to_string()))?;
        // Only what the answer names as taken counts as taken.
        let unmentioned = || {
            Err(PublishError(
                "the queue's answer does not mention it".to_owned(),
            ))
        };
        let mut outcomes: Vec<Result<(), PublishError>> =
            batch.iter().map(|_| unmentioned()).collect();
        for taken in output.successful() {
            set(&mut outcomes, taken.id(), Ok(()));
        }
        for refused in output.failed() {
            let reason = format!(
                "{}: {}",
                refused.code(),
                refused.message().unwrap_or("no message")
            );
            set(&mut outcomes, refused.id(), Err(PublishError(reason)));
        }
        Ok(outcomes)
    }
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
    let unfit = |error: aws_sdk_sqs::error::BuildError| PublishError(error.to_string());
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
        match self.send(batch).await {
            Ok(outcomes) => outcomes,
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}
