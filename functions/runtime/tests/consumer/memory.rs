//! A FIFO queue in memory: what is not settled comes again, in order, and each time is counted.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use core::time::Duration;
use souk_runtime::consumer::{
    ATTRIBUTE_RELEASED, DeadLetter, QueueError, ReleasedMessage, SourceQueue,
};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

#[derive(Debug, Clone)]
struct Held {
    id: String,
    group: String,
    body: String,
    receives: u32,
    released: Option<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct MemorySource(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    held: Vec<Held>,
    sent: u32,
    letters: Vec<DeadLetter>,
    hidden: Vec<(String, Duration, Instant)>,
    takes_no_letters: bool,
}

impl MemorySource {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts a message at the end.
    pub(crate) fn send(&self, group: &str, body: &str) -> String {
        self.enter(group, body, None)
    }

    fn enter(&self, group: &str, body: &str, released: Option<u32>) -> String {
        let mut state = self.state();
        state.sent += 1;
        let id = format!("m{}", state.sent);
        state.held.push(Held {
            id: id.clone(),
            group: group.to_owned(),
            body: body.to_owned(),
            receives: 0,
            released,
        });
        id
    }

    /// The first messages, at most so many.
    pub(crate) fn receive(&self, messages_max: usize) -> SqsEvent {
        let mut event = SqsEvent::default();
        for held in self.state().held.iter_mut().take(messages_max) {
            held.receives += 1;
            let mut message = SqsMessage::default();
            message.message_id = Some(held.id.clone());
            message.receipt_handle = Some(format!("r-{}", held.id));
            message.body = Some(held.body.clone());
            let attributes = [
                ("MessageGroupId", held.group.clone()),
                ("ApproximateReceiveCount", held.receives.to_string()),
                (
                    "ApproximateFirstReceiveTimestamp",
                    "1795248000000".to_owned(),
                ),
            ];
            for (name, value) in attributes {
                message.attributes.insert(name.to_owned(), value);
            }
            if let Some(times) = held.released {
                let mut value = SqsMessageAttribute::default();
                value.string_value = Some(times.to_string());
                let name = ATTRIBUTE_RELEASED.to_owned();
                message.message_attributes.insert(name, value);
            }
            event.records.push(message);
        }
        event
    }

    /// What the answer does not name is deleted.
    pub(crate) fn settle(&self, batch: &SqsEvent, response: &SqsBatchResponse) {
        let failed: BTreeSet<&str> = named(response).into_iter().collect();
        let done: BTreeSet<&str> = batch
            .records
            .iter()
            .map(|message| message.message_id.as_deref().unwrap())
            .filter(|id| !failed.contains(id))
            .collect();
        self.state()
            .held
            .retain(|held| !done.contains(held.id.as_str()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().held.is_empty()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.state().letters.clone()
    }

    pub(crate) fn take_no_letters(&self) {
        self.state().takes_no_letters = true;
    }

    /// What was hidden, for how long, and when.
    pub(crate) fn hidden(&self) -> Vec<(String, Duration, Instant)> {
        self.state().hidden.clone()
    }
}

/// The messages that an answer names.
pub(crate) fn named(response: &SqsBatchResponse) -> Vec<&str> {
    let failures = response.batch_item_failures.iter();
    failures
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}

impl SourceQueue for MemorySource {
    async fn hide(&self, delays: &[(String, Duration)]) -> Result<(), QueueError> {
        let now = Instant::now();
        let hidden = delays
            .iter()
            .cloned()
            .map(|(receipt, delay)| (receipt, delay, now));
        self.state().hidden.extend(hidden);
        Ok(())
    }

    async fn dead_letter(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.takes_no_letters {
            return Err(QueueError("planted".to_owned()));
        }
        state.letters.push(letter.clone());
        Ok(())
    }

    async fn send_again(&self, messages: &[ReleasedMessage]) -> Vec<Result<(), QueueError>> {
        for message in messages {
            self.enter(&message.group, &message.body, Some(message.releases));
        }
        messages.iter().map(|_| Ok(())).collect()
    }
}
