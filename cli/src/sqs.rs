//! The SQS API as an operator's commands use it.

use anyhow::{Result, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
};
use core::fmt;
use core::time::Duration;
use souk_domain::Queue;
use souk_runtime::adapters::{AwsBounds, aws_config};
use souk_runtime::config::Lookup;
use std::collections::{BTreeMap, BTreeSet};

/// Messages of one request at most: a limit of SQS.
pub(crate) const BATCH_MAX: usize = 10;
/// Bytes of bodies in a request at most: SQS allows 1 MiB, attributes included.
const REQUEST_BYTES_MAX: usize = 960 * 1024;
const BOUNDS: AwsBounds = AwsBounds {
    attempt_timeout: Duration::from_secs(10),
    operation_timeout: Duration::from_secs(30),
    attempts_max: 4,
};

/// What became of each entry of a request, in its order.
pub(crate) type Outcomes = Vec<Result<(), String>>;

/// The id of an entry in its request.
pub(crate) fn entry_id(place: usize) -> String {
    place.to_string()
}

/// A queue that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedQueue {
    pub(crate) url: String,
    /// Which of Souk's own it is; none, where it was named by its URL.
    pub(crate) queue: Option<Queue>,
}

/// The queue of that name in `SOUK_EVENT_QUEUES`, or of that URL.
pub(crate) fn url_of(queue: &str) -> Result<NamedQueue> {
    if queue.contains("://") {
        return Ok(NamedQueue {
            url: queue.to_owned(),
            queue: None,
        });
    }
    let name: Queue = queue.parse()?;
    let mut urls = Lookup::environment().event_queues()?;
    match urls.remove(&name) {
        Some(url) => Ok(NamedQueue {
            url,
            queue: Some(name),
        }),
        None => bail!("SOUK_EVENT_QUEUES has no {name}"),
    }
}

/// A client by the environment, with an operator's patience.
pub(crate) async fn client() -> Client {
    Client::new(&aws_config(BOUNDS).await)
}

/// Sends `entries`, made with [`entry_id`] of their places, to the queue at `url`.
pub(crate) async fn send(
    client: &Client,
    url: &str,
    entries: Vec<SendMessageBatchRequestEntry>,
) -> Outcomes {
    let count = entries.len();
    let request = client.send_message_batch().queue_url(url);
    match request.set_entries(Some(entries)).send().await {
        Ok(sent) => {
            let taken = sent
                .successful()
                .iter()
                .map(SendMessageBatchResultEntry::id);
            outcomes(count, taken, sent.failed())
        }
        // It may have been taken; then the next try is dropped, by its id.
        Err(error) => all_failed(count, error),
    }
}

/// Cuts `wave` into parts that fit a request; `bytes` tells how long the body of one is. What does not
/// fit alone is for the queue to refuse by name.
pub(crate) fn requests<T>(mut wave: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut requests = Vec::new();
    while !wave.is_empty() {
        let mut total = 0_usize;
        let fitting = wave.iter().take(BATCH_MAX).take_while(|one| {
            total = total.saturating_add(bytes(one));
            total <= REQUEST_BYTES_MAX
        });
        let (request, rest) = wave.split_at(fitting.count().clamp(1, wave.len()));
        requests.push(request);
        wave = rest;
    }
    requests
}

/// The n-th wave has each group's n-th message; what has no group is in the first.
pub(crate) fn waves<T>(messages: Vec<T>, group: impl Fn(&T) -> Option<String>) -> Vec<Vec<T>> {
    let mut waves = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut groups = BTreeSet::new();
        let (wave, later): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|one| group(one).is_none_or(|group| groups.insert(group)));
        waves.push(wave);
        rest = later;
    }
    waves
}

/// Only what the answer names as done counts as done.
pub(crate) fn outcomes<'a>(
    count: usize,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Outcomes {
    let mut by_id: BTreeMap<String, Result<(), String>> = BTreeMap::new();
    by_id.extend(done.map(|id| (id.to_owned(), Ok(()))));
    by_id.extend(failed.iter().map(|entry| {
        let message = entry.message().unwrap_or("no message");
        let reason = format!("{}: {message}", entry.code());
        (entry.id().to_owned(), Err(reason))
    }));
    let unmentioned = || Err("the queue's answer does not mention it".to_owned());
    (0..count)
        .map(|place| by_id.remove(&entry_id(place)).unwrap_or_else(unmentioned))
        .collect()
}

pub(crate) fn all_failed<E, R>(count: usize, error: SdkError<E, R>) -> Outcomes
where
    SdkError<E, R>: core::error::Error,
{
    let reason = DisplayErrorContext(error).to_string();
    vec![Err(reason); count]
}

pub(crate) fn told<E, R>(error: SdkError<E, R>) -> anyhow::Error
where
    SdkError<E, R>: core::error::Error + fmt::Debug,
{
    anyhow::anyhow!("{}", DisplayErrorContext(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_group_once_and_fits_the_queue() {
        let messages = vec![("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)];
        let waves = waves(messages, |one| Some(one.0.to_owned()));
        assert_eq!(
            waves,
            [
                vec![("a", 1), ("b", 1)],
                vec![("a", 2), ("b", 2)],
                vec![("a", 3)]
            ]
        );
        let many = vec![1_usize; 23];
        let sizes = |wave: &[usize]| -> Vec<usize> {
            requests(wave, |bytes| *bytes)
                .iter()
                .map(|part| part.len())
                .collect()
        };
        assert_eq!(sizes(&many), [10, 10, 3]);
        let half = REQUEST_BYTES_MAX / 2;
        assert_eq!(sizes(&[half, half, half, 9 * half, 1]), [2, 1, 1, 1]);
        assert!(sizes(&[]).is_empty());
    }
}
