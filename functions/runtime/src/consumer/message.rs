//! One message: read, handled within its time, and disposed of.

use super::batch::{Outcome, group_of};
use super::queue::{ATTRIBUTE_RELEASED, DeadLetter, DeadLetterReason, SourceQueue};
use super::{Consumer, HandlerError};
use crate::batch::with_causes;
use aws_lambda_events::sqs::SqsMessage;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures::FutureExt as _;
use souk_app::DatabaseError;
use souk_app::parked::{ParkReason, park, unpark};
use souk_domain::{Event, EventError, EventHead, Timestamp};
use tokio::time::{Instant, timeout_at};

/// How an attempt at a message went well.
enum Taken {
    Applied,
    Parked(ParkReason),
}

/// Why one did not.
struct Failure {
    reason: DeadLetterReason,
    error: String,
}

impl Failure {
    fn of(reason: DeadLetterReason, error: &dyn core::error::Error) -> Self {
        let error = with_causes(error);
        Self { reason, error }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self::of(DeadLetterReason::Failed, &error)
    }
}

impl<Q: SourceQueue> Consumer<'_, Q> {
    /// Takes a message, if there is time before `stop_at`.
    pub(super) async fn take(
        &self,
        message: &SqsMessage,
        behind_one_given_up: bool,
        stop_at: Instant,
    ) -> Outcome {
        let now = Instant::now();
        if now >= stop_at {
            return Outcome::NotTried(Duration::ZERO);
        }
        let allowed = now.checked_add(self.settings.message_timeout);
        let until = allowed.map_or(stop_at, |allowed| allowed.min(stop_at));
        let attempt = AssertUnwindSafe(self.attempt(message)).catch_unwind();
        let failure = match timeout_at(until, attempt).await {
            Ok(Ok(Ok(Taken::Applied))) => return Outcome::Applied,
            Ok(Ok(Ok(Taken::Parked(reason)))) => {
                tracing::warn!(
                    consumer = self.name,
                    message.id = message.message_id,
                    reason = reason.as_str(),
                    "message parked"
                );
                return Outcome::Parked;
            }
            Ok(Ok(Err(failure))) => failure,
            Ok(Err(panic)) => Failure {
                reason: DeadLetterReason::Panicked,
                error: said_by(panic.as_ref()),
            },
            Err(_elapsed) => Failure {
                reason: DeadLetterReason::TimedOut,
                error: "the handler ran out of time".to_owned(),
            },
        };
        self.dispose(message, behind_one_given_up, &failure).await
    }

    async fn attempt(&self, message: &SqsMessage) -> Result<Taken, Failure> {
        let body = message.body.as_deref().unwrap_or_default();
        let refused = |error: &EventError| Failure::of(DeadLetterReason::Refused, error);
        let event = match Event::from_json_text(body) {
            Ok(event) => event,
            Err(EventError::UnknownType(_)) => {
                return self.park(body, ParkReason::UnknownType).await;
            }
            // The envelope may be of a version of which only the head is understood here.
            Err(error) => match EventHead::of_json_text(body) {
                Ok(head) if head.type_name.parse::<souk_domain::EventType>().is_err() => {
                    return self.park(body, ParkReason::UnknownType).await;
                }
                _ => return Err(refused(&error)),
            },
        };
        let Some(handler) = self.handlers.of(event.data.event_type()) else {
            return self.park(body, ParkReason::UnhandledType).await;
        };
        let (tenant, event_id) = (event.tenant_id, event.id);
        match handler(event).await {
            Ok(()) => {}
            Err(HandlerError::Behind) => return self.park(body, ParkReason::Behind).await,
            Err(HandlerError::Failed(error)) => {
                return Err(Failure::of(DeadLetterReason::Failed, error.as_ref()));
            }
            Err(HandlerError::Refused(error)) => {
                return Err(Failure::of(DeadLetterReason::Refused, error.as_ref()));
            }
        }
        if released(message).is_some() {
            unpark(&self.db, tenant, self.name, event_id).await?;
        }
        Ok(Taken::Applied)
    }

    async fn park(&self, body: &str, reason: ParkReason) -> Result<Taken, Failure> {
        let head = EventHead::of_json_text(body)
            .map_err(|error| Failure::of(DeadLetterReason::Refused, &error))?;
        park(&self.db, self.name, &head, reason, body).await?;
        Ok(Taken::Parked(reason))
    }

    /// A message that failed comes again, or is given up.
    async fn dispose(
        &self,
        message: &SqsMessage,
        behind_one_given_up: bool,
        failure: &Failure,
    ) -> Outcome {
        let receives = number(message, "ApproximateReceiveCount").unwrap_or(1);
        let receives = u32::try_from(receives).unwrap_or(u32::MAX);
        let hopeless = failure.reason == DeadLetterReason::Refused;
        let tried_enough = receives >= self.settings.receives_max && !behind_one_given_up;
        let given_up = hopeless || tried_enough;
        tracing::warn!(
            consumer = self.name,
            message.id = message.message_id,
            message.receives = receives,
            reason = failure.reason.as_str(),
            error = failure.error,
            given_up,
            "message failed"
        );
        if !given_up {
            return Outcome::Failed(self.backoff(receives));
        }
        let letter = DeadLetter {
            message_id: message.message_id.clone().unwrap_or_default(),
            group: group_of(message).to_owned(),
            body: message.body.clone().unwrap_or_default(),
            consumer: self.name,
            reason: failure.reason,
            error: failure.error.clone(),
            receives,
            first_failed_at: self.first_received(message),
            released: released(message).map(str::to_owned),
        };
        match self.queue.dead_letter(&letter).await {
            Ok(()) => Outcome::DeadLettered,
            Err(error) => {
                tracing::error!(consumer = self.name, %error, "a message could not be given up");
                Outcome::Failed(self.backoff(receives))
            }
        }
    }

    fn first_received(&self, message: &SqsMessage) -> Timestamp {
        let unix_ms = number(message, "ApproximateFirstReceiveTimestamp")
            .and_then(|unix_ms| i64::try_from(unix_ms).ok());
        unix_ms
            .and_then(|unix_ms| Timestamp::from_unix_ms(unix_ms).ok())
            .unwrap_or_else(|| self.clock.now())
    }
}

/// An attribute that the queue counts.
fn number(message: &SqsMessage, attribute: &str) -> Option<u64> {
    message.attributes.get(attribute)?.parse().ok()
}

/// How often it has been parked and sent again, if it has.
fn released(message: &SqsMessage) -> Option<&str> {
    let attribute = message.message_attributes.get(ATTRIBUTE_RELEASED)?;
    attribute.string_value.as_deref()
}

/// What a panic says, if it says anything.
fn said_by(panic: &(dyn core::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", said.unwrap_or("no message"))
}
