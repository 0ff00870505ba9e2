//! A batch: its groups side by side, each in order up to its first failure.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use core::time::Duration;
use futures::{StreamExt as _, stream};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Which promise the queue makes about order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// None: each message stands alone.
    Standard,
    /// Order within a message group: the first failure of a group stops that group, and the others
    /// go on.
    Fifo,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was handled.
    Applied,
    /// It is kept for later.
    Parked,
    /// It was given up.
    DeadLettered,
    /// It comes again after this time.
    Failed(Duration),
    /// It was not tried, and comes again after this time.
    NotTried(Duration),
}

impl Outcome {
    /// After which time it comes again, if it does.
    pub(super) const fn comes_again(self) -> Option<Duration> {
        match self {
            Self::Failed(delay) | Self::NotTried(delay) => Some(delay),
            Self::Applied | Self::Parked | Self::DeadLettered => None,
        }
    }
}

/// Takes each message by `take`, at most `concurrency_max` groups at a time. Outcomes are in the batch's order. `take`
/// gets to know whether an earlier message of the group was given up in this batch: then the message has been
/// received as often as that one, but perhaps never tried before.
pub(super) async fn handle<F>(
    messages: &[SqsMessage],
    kind: QueueKind,
    concurrency_max: u8,
    take: F,
) -> Vec<Outcome>
where
    F: AsyncFn(usize, &SqsMessage, bool) -> Outcome,
{
    let take = &take;
    let in_order = async |group: Vec<(usize, &SqsMessage)>| {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut stopped = None;
        let mut one_given_up = false;
        for (index, message) in group {
            let outcome = match stopped {
                // With the one that failed, so that the queue gives them in order again.
                Some(delay) => Outcome::NotTried(delay),
                None => take(index, message, one_given_up).await,
            };
            stopped = outcome.comes_again();
            one_given_up |= outcome == Outcome::DeadLettered;
            outcomes.push((index, outcome));
        }
        outcomes
    };
    let groups = groups(messages, kind).into_iter().map(in_order);
    let mut outcomes: Vec<(usize, Outcome)> = stream::iter(groups)
        .buffer_unordered(usize::from(concurrency_max.max(1)))
        .collect::<Vec<_>>()
        .await
        .concat();
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Messages that must keep their order, with their places in the batch. Groups come by their first message.
fn groups(messages: &[SqsMessage], kind: QueueKind) -> Vec<Vec<(usize, &SqsMessage)>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<(usize, &SqsMessage)>> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = match kind {
            QueueKind::Standard => groups.len(),
            QueueKind::Fifo => *places.entry(group_of(message)).or_insert(groups.len()),
        };
        if let Some(group) = groups.get_mut(place) {
            group.push((index, message));
        } else {
            groups.push(vec![(index, message)]);
        }
    }
    groups
}

/// Its message group; messages without one are one group.
pub(super) fn group_of(message: &SqsMessage) -> &str {
    let group = message.attributes.get("MessageGroupId");
    group.map(String::as_str).unwrap_or_default()
}

/// The messages that are to come again.
///
/// Source: AWS Lambda Developer Guide, "Implementing partial batch responses".
pub(super) fn response(messages: &[SqsMessage], outcomes: &[Outcome]) -> SqsBatchResponse {
    let failed = messages
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| outcome.comes_again().is_some());
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed
        .map(|(message, _)| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            failure
        })
        .collect();
    response
}

/// Receipts of the messages whose outcome is not known yet.
#[derive(Debug)]
pub(super) struct InFlight(Mutex<BTreeMap<usize, String>>);

impl InFlight {
    pub(super) fn of(messages: &[SqsMessage]) -> Self {
        let receipts = messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| Some((index, message.receipt_handle.clone()?)));
        Self(Mutex::new(receipts.collect()))
    }

    pub(super) fn ended(&self, index: usize) {
        let mut receipts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        receipts.remove(&index);
    }

    pub(super) fn receipts(&self) -> Vec<String> {
        let receipts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        receipts.values().cloned().collect()
    }
}
