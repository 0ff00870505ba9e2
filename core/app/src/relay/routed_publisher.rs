//! Publishes each event to the queues that it is routed to.

use crate::{EventPublisher, OutgoingEvent, PublishError, PublishErrorKind};
use futures::future::join_all;
use souk_domain::{EventType, Queue};
use std::collections::BTreeMap;

/// Publishers by queue. As one publisher, it has taken an event when every queue that the event is
/// routed to ([`EventType::queues`]) has taken it.
///
/// Where one has and another has not, the event is sent to all of them again, which is harmless: a FIFO
/// queue drops what it has seen within five minutes, by the event's id, and each consumer applies an
/// event once. So a queue that takes nothing delays events for the others' consumers by no more than
/// the order of an aggregate wants, and no event is lost.
#[derive(Debug)]
pub struct RoutedPublisher<P> {
    queues: BTreeMap<Queue, P>,
}

/// A queue that events are routed to has no publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue {0} has no address")]
pub struct QueueMissing(pub Queue);

impl<P> RoutedPublisher<P> {
    /// Publishes by `queues`.
    ///
    /// # Errors
    /// [`QueueMissing`]: every queue is wanted, since what is routed to it would never be published.
    pub fn new(queues: BTreeMap<Queue, P>) -> Result<Self, QueueMissing> {
        match Queue::ALL.into_iter().find(|q| !queues.contains_key(q)) {
            Some(missing) => Err(QueueMissing(missing)),
            None => Ok(Self { queues }),
        }
    }
}

impl<P: EventPublisher> EventPublisher for RoutedPublisher<P> {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        let mut outcomes: Vec<Result<(), PublishError>> = Vec::with_capacity(batch.len());
        let mut shares: BTreeMap<Queue, (Vec<usize>, Vec<OutgoingEvent>)> = BTreeMap::new();
        for (place, event) in batch.iter().enumerate() {
            match event.event_type.parse::<EventType>() {
                Ok(event_type) => {
                    for queue in event_type.queues() {
                        let share = shares.entry(*queue).or_default();
                        share.0.push(place);
                        share.1.push(event.clone());
                    }
                    outcomes.push(Ok(()));
                }
                // Written by a later version: it is held for the relay of that version.
                Err(unknown) => outcomes.push(Err(PublishError::refused(unknown.to_string()))),
            }
        }
        let sends = shares
            .iter()
            .map(|(queue, (_, events))| self.send(*queue, events));
        let answers = join_all(sends).await;
        for ((queue, (places, _)), mut answer) in shares.iter().zip(answers) {
            answer.resize(places.len(), Err(PublishError::unavailable("no answer")));
            for (place, answer) in places.iter().zip(answer) {
                let (Err(error), Some(outcome)) = (answer, outcomes.get_mut(*place)) else {
                    continue;
                };
                // A refusal stands, whatever the other queues say: it is what has to be dealt with.
                let refused = matches!(outcome, Err(e) if e.kind == PublishErrorKind::Refused);
                if !refused {
                    *outcome = Err(PublishError {
                        kind: error.kind,
                        reason: format!("{queue}: {}", error.reason),
                    });
                }
            }
        }
        outcomes
    }
}

impl<P: EventPublisher> RoutedPublisher<P> {
    async fn send(&self, queue: Queue, events: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        match self.queues.get(&queue) {
            Some(publisher) => publisher.publish(events).await,
            None => Vec::new(),
        }
    }
}
