//! A queue in memory, which fails as told.

use souk_app::{EventPublisher, OutgoingEvent, PublishError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Decides, for an event's n-th arrival (from 0), whether the queue takes it.
pub type Verdict = dyn Fn(&OutgoingEvent, u32) -> Result<(), PublishError> + Send + Sync;

/// Takes events as `verdict` says and remembers what it took, in order of arrival.
pub struct MemoryQueue {
    verdict: Box<Verdict>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: BTreeMap<String, u32>,
    taken: Vec<OutgoingEvent>,
}

impl core::fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl MemoryQueue {
    /// Takes what `verdict` lets pass.
    pub fn new(
        verdict: impl Fn(&OutgoingEvent, u32) -> Result<(), PublishError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            verdict: Box::new(verdict),
            state: Mutex::default(),
        }
    }

    /// Takes everything.
    pub fn reliable() -> Self {
        Self::new(|_, _| Ok(()))
    }

    /// What was taken, doubles included.
    pub fn taken(&self) -> Vec<OutgoingEvent> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .taken
            .clone()
    }

    /// Sequences taken of each group, doubles of an event left out: the order of first deliveries.
    pub fn first_deliveries(&self) -> BTreeMap<String, Vec<u64>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut sequences: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for event in self.taken() {
            if seen.insert(event.event_id.to_string()) {
                let parsed = souk_domain::Event::from_json_text(&event.body)
                    .expect("the outbox holds events");
                sequences
                    .entry(event.group)
                    .or_default()
                    .push(parsed.sequence);
            }
        }
        sequences
    }
}

impl EventPublisher for MemoryQueue {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        batch
            .iter()
            .map(|event| {
                let arrivals = state
                    .arrivals
                    .entry(event.event_id.to_string())
                    .or_default();
                let arrival = *arrivals;
                *arrivals = arrival.saturating_add(1);
                let outcome = (self.verdict)(event, arrival);
                if outcome.is_ok() {
                    state.taken.push(event.clone());
                }
                outcome
            })
            .collect()
    }
}
