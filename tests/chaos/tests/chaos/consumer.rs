//! A consumer's process: takes messages off the queue and applies them to the read model, each with its
//! inbox entry in one transaction, as the read models' function does.

use crate::queue::client;
use crate::workers::{until_standard_input_ends, variable};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use core::time::Duration;
use souk_app::{Database, Shards, project_order};
use souk_domain::Event;
use std::collections::BTreeSet;

/// Before a delivery, in words of [`Delivery`].
pub(crate) const DELIVERED: &str = "delivered: ";

/// A message that has reached a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) aggregate: String,
    /// The event's, among the aggregate's.
    pub(crate) sequence: u64,
    /// The message's, among all that the queue has taken.
    pub(crate) queue_sequence: u128,
}

impl Delivery {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, words) = line.split_once(DELIVERED)?;
        let mut words = words.split(' ');
        Some(Self {
            aggregate: words.next()?.to_owned(),
            sequence: words.next()?.parse().ok()?,
            queue_sequence: words.next()?.parse().ok()?,
        })
    }
}

pub(crate) async fn run() {
    let db = Database::connect_lazily(&variable("SOUK_CHAOS_DATABASE_URL"), 2).unwrap();
    let shards = Shards::single(db);
    let sqs = client(&variable("SOUK_CHAOS_ENDPOINT"));
    let queue_url = variable("SOUK_CHAOS_QUEUE_URL");
    let consuming = async {
        loop {
            let received = sqs
                .receive_message()
                .queue_url(&queue_url)
                .max_number_of_messages(10)
                .wait_time_seconds(1)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await;
            match received {
                Ok(received) => apply(&sqs, &queue_url, &shards, received.messages()).await,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::select! {
        () = consuming => {}
        () = until_standard_input_ends() => {}
    }
}

async fn apply(sqs: &aws_sdk_sqs::Client, queue_url: &str, shards: &Shards, messages: &[Message]) {
    let mut failed = BTreeSet::new();
    for message in messages {
        let attribute = |name| message.attributes().unwrap()[&name].clone();
        let group = attribute(MessageSystemAttributeName::MessageGroupId);
        let queue_sequence = attribute(MessageSystemAttributeName::SequenceNumber);
        let event = Event::from_json_text(message.body().unwrap()).unwrap();
        assert_eq!(group, event.subject.to_string());
        println!("{DELIVERED}{group} {} {queue_sequence}", event.sequence);
        // A group stops at its first failure. What is not deleted comes again.
        if failed.contains(&group) || project_order(shards, &event).await.is_err() {
            failed.insert(group);
            continue;
        }
        let handle = message.receipt_handle().unwrap();
        let deleted = sqs
            .delete_message()
            .queue_url(queue_url)
            .receipt_handle(handle);
        let _comes_again_and_is_ignored = deleted.send().await;
    }
}
