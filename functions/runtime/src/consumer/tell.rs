//! What a batch tells operators.

use super::Consumer;
use super::batch::Outcome;
use crate::metrics::{Histogram, MetricDocument, Unit};
use aws_lambda_events::sqs::SqsMessage;
use souk_domain::EventHead;

impl<Q> Consumer<'_, Q> {
    /// One line of metrics: what became of the messages, and how old the events were that were applied.
    pub(super) fn tell(&self, messages: &[SqsMessage], outcomes: &[Outcome]) {
        let now = self.clock.now();
        let count = |wanted: fn(&Outcome) -> bool| {
            u64::try_from(outcomes.iter().filter(|outcome| wanted(outcome)).count())
                .unwrap_or(u64::MAX)
        };
        let mut lag_ms = Histogram::default();
        for (message, outcome) in messages.iter().zip(outcomes) {
            let body = message.body.as_deref().unwrap_or_default();
            if let (Outcome::Applied, Ok(head)) = (outcome, EventHead::of_json_text(body)) {
                let age_ms = now.unix_ms().saturating_sub(head.time.unix_ms());
                lag_ms.record(u64::try_from(age_ms).unwrap_or_default());
            }
        }
        MetricDocument::new("Souk", now)
            .dimension("Consumer", self.name)
            .metric(
                "MessagesApplied",
                Unit::Count,
                count(|outcome| matches!(outcome, Outcome::Applied)),
            )
            .metric(
                "MessagesFailed",
                Unit::Count,
                count(|outcome| matches!(outcome, Outcome::Failed(_))),
            )
            .metric(
                "MessagesParked",
                Unit::Count,
                count(|outcome| matches!(outcome, Outcome::Parked)),
            )
            .metric(
                "MessagesDeadLettered",
                Unit::Count,
                count(|outcome| matches!(outcome, Outcome::DeadLettered)),
            )
            .histogram("EventLag", Unit::Milliseconds, &lag_ms)
            .emit();
    }
}
