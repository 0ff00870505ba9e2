//! A PSP that several can talk to.

use crate::client::Client;
use crate::faults::Faults;
use crate::totals::Totals;
use crate::world::{Event, World};
use core::time::Duration;
use souk_app::Clock;
use souk_domain::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What was not taken comes again after this time.
const REDELIVERY_MS: i64 = 60_000;
/// How long an answer waits for the delivery of an early event, where nobody delivers events.
const EARLY_EVENT_WAIT: Duration = Duration::from_millis(20);

/// A PSP, shared by its handles.
#[derive(Clone)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    delivered: Arc<Notify>,
}

impl core::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}

impl Simulator {
    /// An empty one, whose time is `clock`'s.
    pub fn new(clock: Arc<dyn Clock>, faults: Faults) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(faults))),
            clock,
            delivered: Arc::default(),
        }
    }

    /// A caller of its own, which can die by itself.
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// Now, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now().unix_ms()
    }

    /// The world as it is now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        world.age(self.now_ms());
        world
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, these.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().set_faults(faults);
    }

    /// Takes the events that are due, each delivery once; each is to be followed by
    /// [`Simulator::delivered`] or [`Simulator::refused`].
    pub fn due_events(&self) -> Vec<Event> {
        self.lock().due_events(self.now_ms())
    }

    /// The event was taken.
    pub fn delivered(&self, event: &Event) {
        if event.early {
            self.lock().early_is_over(&event.id);
            self.delivered.notify_waiters();
        }
    }

    /// The event was not taken: it comes again in a minute.
    pub fn refused(&self, event: &Event) {
        self.lock()
            .redeliver(event.clone(), REDELIVERY_MS, self.now_ms());
        self.delivered(event);
    }

    /// Waits until those early events are delivered that came after the first `before` ones; not for
    /// ever, since perhaps nobody delivers any.
    pub(crate) async fn early_events(&self, before: usize) {
        let all_delivered = async {
            loop {
                let mut told = core::pin::pin!(self.delivered.notified());
                told.as_mut().enable();
                if !self.lock().is_early_open(before) {
                    return;
                }
                told.await;
            }
        };
        let _nobody_delivers = tokio::time::timeout(EARLY_EVENT_WAIT, all_delivered).await;
    }

    /// What was paid, by intent, and in all.
    pub fn totals(&self) -> Totals {
        Totals::of(&self.world())
    }
}

/// A clock that goes on from where it is set.
#[derive(Debug)]
pub struct SettableClock {
    ahead_ms: AtomicI64,
}

impl SettableClock {
    /// The machine's time.
    pub const fn new() -> Self {
        Self {
            ahead_ms: AtomicI64::new(0),
        }
    }

    /// Goes `ms` milliseconds further.
    pub fn advance_ms(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Default for SettableClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::new(time::OffsetDateTime::now_utc()).expect("the year is in range");
        let ahead = time::Duration::milliseconds(self.ahead_ms.load(Ordering::SeqCst));
        now.plus(ahead).expect("the year is in range")
    }
}
