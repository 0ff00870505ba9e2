//! What a consumer asks of its queue, beyond giving messages.

use core::future::Future;
use core::time::Duration;
use souk_domain::{EventId, Timestamp};

/// Attribute of a dead letter: [`DeadLetterReason`].
pub const ATTRIBUTE_REASON: &str = "souk-reason";
/// Attribute of a dead letter: what the last try said, with its causes.
pub const ATTRIBUTE_ERROR: &str = "souk-error";
/// Attribute of a dead letter: when the message was first received, RFC 3339.
pub const ATTRIBUTE_FIRST_FAILED_AT: &str = "souk-first-failed-at";
/// Attribute of a dead letter: who gave it up.
pub const ATTRIBUTE_CONSUMER: &str = "souk-consumer";
/// Attribute of a dead letter: how often it was received.
pub const ATTRIBUTE_RECEIVES: &str = "souk-receives";
/// Attribute of every event: its type. One that is no event has none.
pub const ATTRIBUTE_TYPE: &str = "type";
/// What a dead letter's attributes tell of it, and a message that is sent again does not keep.
pub const DEAD_LETTER_ATTRIBUTES: [&str; 5] = [
    ATTRIBUTE_REASON,
    ATTRIBUTE_ERROR,
    ATTRIBUTE_FIRST_FAILED_AT,
    ATTRIBUTE_CONSUMER,
    ATTRIBUTE_RECEIVES,
];
/// Attribute of a message that was parked and is sent again: how often it has been.
pub const ATTRIBUTE_RELEASED: &str = "souk-released";

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// It is no event, or its handler will never take it.
    Refused,
    /// Its handler failed, too often.
    Failed,
    /// Its handler panicked, at last.
    Panicked,
    /// Its handler ran out of time, at last.
    TimedOut,
}

impl DeadLetterReason {
    /// As the attribute has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A message that is given up, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id in the queue it came from.
    pub message_id: String,
    /// Its message group; none in a standard queue.
    pub group: String,
    /// As it came.
    pub body: String,
    /// Who gives it up.
    pub consumer: &'static str,
    /// Why.
    pub reason: DeadLetterReason,
    /// What the last try said.
    pub error: String,
    /// How often it was received.
    pub receives: u32,
    /// When it was first received.
    pub first_failed_at: Timestamp,
    /// Of one that was released: its [`ATTRIBUTE_RELEASED`], without which it would stay parked for ever.
    pub released: Option<String>,
}

/// A parked message on its way back to its consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedMessage {
    /// Its event.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// Its aggregate, which is its message group.
    pub group: String,
    /// As it was parked.
    pub body: String,
    /// How often it has been released before.
    pub releases: u32,
}

/// Why the queue has not done what it was asked, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueueError(pub String);

/// The border to the queue that messages come from, and to the one where they end. Each call is bounded in time by
/// the implementation.
pub trait SourceQueue {
    /// Hides each message, by its receipt, for a time from now, which may be none.
    fn hide(&self, delays: &[(String, Duration)]) -> impl Future<Output = Result<(), QueueError>>;

    /// Puts a message into the dead-letter queue. Repeating it may put it there twice.
    fn dead_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<(), QueueError>>;

    /// Sends messages to the queue, in this order. Answers for each whether the queue has taken it.
    fn send_again(
        &self,
        messages: &[ReleasedMessage],
    ) -> impl Future<Output = Vec<Result<(), QueueError>>>;
}

impl<Q: SourceQueue> SourceQueue for &Q {
    fn hide(&self, delays: &[(String, Duration)]) -> impl Future<Output = Result<(), QueueError>> {
        (**self).hide(delays)
    }

    fn dead_letter(&self, letter: &DeadLetter) -> impl Future<Output = Result<(), QueueError>> {
        (**self).dead_letter(letter)
    }

    fn send_again(
        &self,
        messages: &[ReleasedMessage],
    ) -> impl Future<Output = Vec<Result<(), QueueError>>> {
        (**self).send_again(messages)
    }
}
