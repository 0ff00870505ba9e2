//! The consumer's queue in SQS.

use super::queue::{
    ATTRIBUTE_CONSUMER, ATTRIBUTE_ERROR, ATTRIBUTE_FIRST_FAILED_AT, ATTRIBUTE_REASON,
    ATTRIBUTE_RECEIVES, ATTRIBUTE_RELEASED, ATTRIBUTE_TYPE, DeadLetter, QueueError,
    ReleasedMessage, SourceQueue,
};
use crate::adapters::{AwsBounds, aws_config};
use crate::config::{CONSUMER_DLQ_URL, CONSUMER_QUEUE_URL, Lookup};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue, SendMessageBatchRequestEntry,
};
use core::error::Error;
use core::time::Duration;
use souk_domain::EventHead;
use std::collections::HashMap;

/// Calls at the end of a batch, within what the consumer keeps back of its time.
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_millis(900),
    operation_timeout: Duration::from_secs(2),
    attempts_max: 2,
};
/// Entries of a batch call.
const ENTRIES_MAX: usize = 10;
/// How long SQS hides a message at most.
const HIDDEN_MAX: Duration = Duration::from_hours(12);
/// Bytes of an error in a dead letter's attribute.
const ERROR_BYTES_MAX: usize = 2_000;
/// SQS wants it in the name of a FIFO queue.
const FIFO_SUFFIX: &str = ".fifo";

/// A queue and its dead-letter queue, as far as they are known.
#[derive(Debug, Clone)]
pub struct SqsSource {
    client: Client,
    queue_url: Option<String>,
    dlq_url: Option<String>,
}

impl SqsSource {
    /// By `client`, whose timeouts and retries bound each call. What has no URL is left to the queue itself.
    pub const fn new(client: Client, queue_url: Option<String>, dlq_url: Option<String>) -> Self {
        Self {
            client,
            queue_url,
            dlq_url,
        }
    }

    /// The queues of the configuration.
    pub async fn configured(lookup: &Lookup<'_>) -> Self {
        let client = Client::new(&aws_config(BOUNDS).await);
        let queue_url = lookup.optional(CONSUMER_QUEUE_URL);
        Self::new(client, queue_url, lookup.optional(CONSUMER_DLQ_URL))
    }

    async fn hide_some(&self, url: &str, delays: &[(String, Duration)]) -> Result<(), QueueError> {
        let entries = delays
            .iter()
            .enumerate()
            .map(|(index, (receipt, delay))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(whole_seconds(*delay))
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(unfit)?;
        let changed = self
            .client
            .change_message_visibility_batch()
            .queue_url(url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(failed)?;
        match changed.failed() {
            [] => Ok(()),
            [first, ..] => Err(QueueError(format!(
                "{} of {} refused: {}",
                changed.failed().len(),
                delays.len(),
                first.code()
            ))),
        }
    }

    async fn send_some(
        &self,
        url: &str,
        messages: &[ReleasedMessage],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let entries = messages
            .iter()
            .enumerate()
            .map(|(index, message)| released_entry(index, message, url))
            .collect::<Result<Vec<_>, _>>()?;
        let sent = self
            .client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(failed)?;
        let outcome = |index: usize| {
            let id = index.to_string();
            if sent.successful().iter().any(|taken| taken.id() == id) {
                return Ok(());
            }
            let refused = sent.failed().iter().find(|refused| refused.id() == id);
            let code = refused.map_or("not in the answer", |refused| refused.code());
            Err(QueueError(code.to_owned()))
        };
        Ok((0..messages.len()).map(outcome).collect())
    }
}

impl SourceQueue for SqsSource {
    async fn hide(&self, delays: &[(String, Duration)]) -> Result<(), QueueError> {
        let Some(url) = &self.queue_url else {
            return Ok(());
        };
        for some in delays.chunks(ENTRIES_MAX) {
            self.hide_some(url, some).await?;
        }
        Ok(())
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let url = self
            .dlq_url
            .as_ref()
            .ok_or_else(|| QueueError(format!("{CONSUMER_DLQ_URL} is not set")))?;
        let fifo = url.ends_with(FIFO_SUFFIX);
        self.client
            .send_message()
            .queue_url(url)
            .message_body(&letter.body)
            .set_message_group_id(fifo.then(|| letter.group.clone()))
            // Once, should this function die before its answer and the message come once more.
            .set_message_deduplication_id(fifo.then(|| letter.message_id.clone()))
            .set_message_attributes(Some(attributes_of(letter)?))
            .send()
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn send_again(&self, messages: &[ReleasedMessage]) -> Vec<Result<(), QueueError>> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for some in messages.chunks(ENTRIES_MAX) {
            let sent = match &self.queue_url {
                Some(url) => self.send_some(url, some).await,
                None => Err(QueueError(format!("{CONSUMER_QUEUE_URL} is not set"))),
            };
            match sent {
                Ok(some) => outcomes.extend(some),
                Err(error) => outcomes.extend(some.iter().map(|_| Err(error.clone()))),
            }
        }
        outcomes
    }
}

fn attributes_of(
    letter: &DeadLetter,
) -> Result<HashMap<String, MessageAttributeValue>, QueueError> {
    let head = EventHead::of_json_text(&letter.body).ok();
    let texts = [
        (ATTRIBUTE_REASON, Some(letter.reason.as_str().to_owned())),
        (ATTRIBUTE_ERROR, Some(sendable(&letter.error))),
        (
            ATTRIBUTE_FIRST_FAILED_AT,
            Some(letter.first_failed_at.to_string()),
        ),
        (ATTRIBUTE_CONSUMER, Some(letter.consumer.to_owned())),
        (ATTRIBUTE_RECEIVES, Some(letter.receives.to_string())),
        (ATTRIBUTE_TYPE, head.map(|head| head.type_name)),
        (ATTRIBUTE_RELEASED, letter.released.clone()),
    ];
    let attributes = texts.into_iter().filter_map(|(name, text)| {
        let text = text?;
        Some(attribute(&text).map(|value| (name.to_owned(), value)))
    });
    attributes.collect()
}

fn released_entry(
    index: usize,
    message: &ReleasedMessage,
    url: &str,
) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let fifo = url.ends_with(FIFO_SUFFIX);
    // Not the event's own id, under which the queue may still remember it.
    let deduplication_id = format!("{}-released-{}", message.event_id, message.releases);
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .set_message_group_id(fifo.then(|| message.group.clone()))
        .set_message_deduplication_id(fifo.then_some(deduplication_id))
        .message_attributes(ATTRIBUTE_TYPE, attribute(&message.event_type)?)
        .message_attributes(
            ATTRIBUTE_RELEASED,
            attribute(&message.releases.to_string())?,
        )
        .build()
        .map_err(unfit)
}

fn attribute(text: &str) -> Result<MessageAttributeValue, QueueError> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(text)
        .build()
        .map_err(unfit)
}

/// The beginning of a text, without what XML does not allow; never empty.
fn sendable(text: &str) -> String {
    let mut sendable = String::new();
    for character in text.chars() {
        if sendable.len().saturating_add(character.len_utf8()) > ERROR_BYTES_MAX {
            break;
        }
        let allowed = !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
        sendable.push(if allowed { character } else { ' ' });
    }
    if sendable.is_empty() {
        sendable.push('-');
    }
    sendable
}

fn whole_seconds(delay: Duration) -> i32 {
    i32::try_from(delay.min(HIDDEN_MAX).as_secs()).unwrap_or(i32::MAX)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(error: BuildError) -> QueueError {
    QueueError(error.to_string())
}

fn failed<E: Error + 'static, R: core::fmt::Debug + 'static>(error: SdkError<E, R>) -> QueueError {
    QueueError(DisplayErrorContext(error).to_string())
}
