//! A queue and its dead letter queue, over the SQS API.

use super::letter::Letter;
use crate::sqs::{self, BATCH_MAX, Outcomes, all_failed, entry_id, outcomes, told};
use anyhow::{Context as _, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    DeleteMessageBatchResultEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use serde_json::Value;

/// How long what was received is hidden from others. What a killed process has received comes back
/// after it.
const HIDDEN_S: i32 = 300;
/// A request that waits asks every server of the queue, so that empty means empty.
const WAIT_S: i32 = 1;

/// A queue, and the one with the messages that its consumer has given up.
#[derive(Debug)]
pub(super) struct Queues {
    client: Client,
    source_url: String,
    letters_url: String,
}

impl Queues {
    /// Finds both by a name in `SOUK_EVENT_QUEUES` or by the URL of the first.
    pub(super) async fn find(queue: &str) -> Result<Self> {
        let source_url = sqs::url_of(queue)?.url;
        let client = sqs::client().await;
        let wanted = QueueAttributeName::RedrivePolicy;
        let attributes = client
            .get_queue_attributes()
            .queue_url(&source_url)
            .attribute_names(wanted.clone())
            .send()
            .await
            .map_err(told)
            .with_context(|| format!("cannot look at the queue {source_url}"))?;
        let policy = attributes
            .attributes()
            .and_then(|all| all.get(&wanted))
            .with_context(|| format!("the queue {source_url} gives nothing up"))?;
        let policy: Value = serde_json::from_str(policy).context("the queue's redrive policy")?;
        let name = policy
            .get("deadLetterTargetArn")
            .and_then(Value::as_str)
            .and_then(|arn| arn.rsplit(':').next())
            .context("the queue's redrive policy names no other queue")?;
        let found = client.get_queue_url().queue_name(name).send().await;
        let letters_url = found
            .map_err(told)
            .with_context(|| format!("cannot find the queue {name}"))?
            .queue_url
            .context("a queue has a URL")?;
        Ok(Self {
            client,
            source_url,
            letters_url,
        })
    }

    /// How many messages there are, about: SQS does not promise more.
    pub(super) async fn count(&self) -> Result<u64> {
        let wanted = QueueAttributeName::ApproximateNumberOfMessages;
        let attributes = self
            .client
            .get_queue_attributes()
            .queue_url(&self.letters_url)
            .attribute_names(wanted.clone())
            .send()
            .await
            .map_err(told)?;
        let count = attributes.attributes().and_then(|all| all.get(&wanted));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// At most `at_most` messages; none where no more can be had for now.
    pub(super) async fn receive(&self, at_most: usize) -> Result<Vec<Letter>> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.letters_url)
            .max_number_of_messages(i32::try_from(at_most.clamp(1, BATCH_MAX))?)
            .visibility_timeout(HIDDEN_S)
            .wait_time_seconds(WAIT_S)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(told)
            .context("cannot receive")?;
        let messages = received.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(Letter::new).collect())
    }

    /// Sends `entries`, made with [`entry_id`] of their places, to the queue.
    pub(super) async fn send(&self, entries: Vec<SendMessageBatchRequestEntry>) -> Outcomes {
        sqs::send(&self.client, &self.source_url, entries).await
    }

    /// Deletes these.
    pub(super) async fn delete(&self, letters: &[&Letter]) -> Result<Outcomes> {
        let entries = letters.iter().enumerate().map(|(place, letter)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(entry_id(place))
                .receipt_handle(&letter.receipt)
                .build()
        });
        let deleted = self
            .client
            .delete_message_batch()
            .queue_url(&self.letters_url)
            .set_entries(Some(entries.collect::<Result<_, _>>()?))
            .send()
            .await;
        Ok(match deleted {
            Ok(deleted) => {
                let done = deleted
                    .successful()
                    .iter()
                    .map(DeleteMessageBatchResultEntry::id);
                outcomes(letters.len(), done, deleted.failed())
            }
            Err(error) => all_failed(letters.len(), error),
        })
    }

    /// Shows them to others again, at once. One that cannot be shown again shows itself in some minutes.
    pub(super) async fn give_back(&self, receipts: &[String]) {
        for chunk in receipts.chunks(BATCH_MAX) {
            let entries = chunk.iter().enumerate().filter_map(|(place, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(entry_id(place))
                    .receipt_handle(receipt)
                    .visibility_timeout(0);
                entry.build().ok()
            });
            let request = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.letters_url)
                .set_entries(Some(entries.collect()));
            if let Err(error) = request.send().await {
                let why = DisplayErrorContext(error).to_string();
                eprintln!("messages stay hidden for {HIDDEN_S} s: {why}");
                return;
            }
        }
    }
}
