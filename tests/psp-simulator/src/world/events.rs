//! Events, and when they are delivered.

use super::World;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Whose.
    pub account: String,
    /// Such as `payment_intent.succeeded`.
    pub kind: &'static str,
    /// The id of the payment, or of the dispute.
    pub object: String,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Whether it comes before the answer to the call that caused it.
    pub early: bool,
}

impl Event {
    /// Whether it is about a dispute.
    pub fn is_about_dispute(&self) -> bool {
        self.kind.starts_with("charge.dispute.")
    }
}

/// A delivery that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    due_ms: i64,
    event: Event,
}

impl World {
    pub(super) fn tell(&mut self, account: &str, kind: &'static str, object: &str, now_ms: i64) {
        let schedule = self.faults.events.draw(&mut self.rng);
        let event = Event {
            id: self.new_id("evt"),
            account: account.to_owned(),
            kind,
            object: object.to_owned(),
            created_ms: now_ms,
            early: schedule.early,
        };
        for after_ms in &schedule.after_ms {
            self.deliveries.push(Delivery {
                due_ms: now_ms + after_ms,
                event: event.clone(),
            });
        }
        if event.early {
            self.early_open.insert(event.id.clone());
        }
        self.events.push(event);
    }

    pub(crate) fn early_is_over(&mut self, id: &str) {
        self.early_open.remove(id);
    }

    /// Whether an early event after the first `before` ones is still to be delivered.
    pub(crate) fn is_early_open(&self, before: usize) -> bool {
        let mut since = self.events.iter().skip(before);
        since.any(|event| self.early_open.contains(&event.id))
    }

    /// Takes the deliveries that are due, in an order of their own.
    pub fn due_events(&mut self, now_ms: i64) -> Vec<Event> {
        self.age(now_ms);
        let mut due = Vec::new();
        self.deliveries.retain(|delivery| {
            let is_due = delivery.due_ms <= now_ms;
            if is_due {
                due.push(delivery.event.clone());
            }
            !is_due
        });
        self.rng.shuffle(&mut due);
        due
    }

    /// Puts back what could not be delivered: it comes again `after_ms` later.
    pub fn redeliver(&mut self, event: Event, after_ms: i64, now_ms: i64) {
        self.deliveries.push(Delivery {
            due_ms: now_ms + after_ms,
            event: Event {
                early: false,
                ..event
            },
        });
    }

    /// When the next delivery is due, if there is one.
    pub fn next_delivery_ms(&self) -> Option<i64> {
        self.deliveries.iter().map(|delivery| delivery.due_ms).min()
    }
}
