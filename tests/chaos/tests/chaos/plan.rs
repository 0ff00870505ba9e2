//! What goes wrong, and when: counted in events that the queue has taken, not in time, so that a slow
//! machine goes through the same as a fast one.

use crate::gate::Gate;
use crate::queue::QueueService;
use crate::workers::Workers;
use core::time::Duration;
use fastrand::Rng;
use souk_testkit::OwnServer;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) aggregates: usize,
    pub(crate) events_each: usize,
    pub(crate) relay_kills: usize,
    pub(crate) relay_stops: usize,
    pub(crate) consumer_kills: usize,
    pub(crate) postgres_restarts: usize,
    pub(crate) queue_restarts: usize,
    /// Longer than it ever takes: what does not converge shall fail, not hang.
    pub(crate) limit: Duration,
    full: bool,
}

impl Scale {
    pub(crate) fn from_environment() -> Self {
        if std::env::var_os("SOUK_TEST_FULL").is_some() {
            return Self {
                aggregates: 500,
                events_each: 40,
                relay_kills: 60,
                relay_stops: 15,
                consumer_kills: 20,
                postgres_restarts: 5,
                queue_restarts: 5,
                limit: Duration::from_secs(840),
                full: true,
            };
        }
        Self {
            aggregates: 60,
            events_each: 20,
            relay_kills: 8,
            relay_stops: 3,
            consumer_kills: 3,
            postgres_restarts: 1,
            queue_restarts: 1,
            limit: Duration::from_secs(240),
            full: false,
        }
    }

    pub(crate) const fn events(self) -> usize {
        self.aggregates * self.events_each
    }

    /// How many events writers may be ahead of the queue.
    pub(crate) const fn ahead(self) -> usize {
        self.events() / 10
    }

    /// What repeats a run of this size.
    pub(crate) const fn command(self) -> &'static str {
        if self.full {
            "script/test --full --no-stack --package souk-chaos"
        } else {
            "script/test --no-stack --package souk-chaos"
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Blow {
    Consumer,
    Postgres,
    Queue,
}

/// Moments, each a number of events that the queue has taken.
#[derive(Debug)]
pub(crate) struct Plan {
    blows: Vec<(usize, Blow)>,
    pub(crate) relay_kills: Vec<usize>,
    pub(crate) relay_stops: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(scale: Scale, rng: &mut Rng) -> Self {
        // Before the last events, so that there is always somebody whom it meets.
        let last = scale.events() * 4 / 5;
        let mut moments = |count: usize| -> Vec<usize> {
            let mut moments: Vec<usize> = (0..count).map(|_| rng.usize(1..last)).collect();
            moments.sort_unstable();
            moments
        };
        let (relay_kills, relay_stops) = (moments(scale.relay_kills), moments(scale.relay_stops));
        let mut blows = Vec::new();
        for (blow, count) in [
            (Blow::Consumer, scale.consumer_kills),
            (Blow::Postgres, scale.postgres_restarts),
            (Blow::Queue, scale.queue_restarts),
        ] {
            blows.extend(moments(count).into_iter().map(|moment| (moment, blow)));
        }
        blows.sort_unstable_by_key(|(moment, _)| *moment);
        Self {
            blows,
            relay_kills,
            relay_stops,
        }
    }

    /// Deals the blows that do not wait for a request of a relay; those are the gate's.
    pub(crate) async fn carry_out(
        &self,
        gate: &Gate,
        consumers: &Workers,
        postgres: &OwnServer,
        queue: &QueueService,
    ) {
        for (number, (moment, blow)) in self.blows.iter().enumerate() {
            gate.until_taken(*moment).await;
            match blow {
                Blow::Consumer => consumers.kill_and_replace(number).await,
                Blow::Postgres => postgres.restart(number % 2 == 0).await,
                Blow::Queue => {
                    let unanswered = gate.unanswered();
                    queue.kill().await;
                    // Long enough for somebody to notice.
                    crate::until(async || gate.unanswered() > unanswered).await;
                    queue.start_again().await;
                }
            }
        }
    }
}
