//! Who acts in the simulation besides the queue's consumers: writers, relays, and an operator.

use crate::outbox::Row;
use crate::queue::Link;
use crate::store::Connection;
use crate::world::{AGGREGATES, LANES, Shared, Told, World};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use souk_app::relay::RetryTerms;
use souk_app::{RelaySettings, relay_outbox};
use tokio::time::{Instant, Sleep, sleep};
use uuid::Uuid;

/// Writes some transactions, each of events of one to three aggregates.
pub(crate) async fn write(world: Shared) {
    let transactions = world.lock().rng.usize(2..7);
    for _ in 0..transactions {
        write_once(&world).await;
        world.pause(1..4_000).await;
    }
    world.lock().writers_at_work -= 1;
}

async fn write_once(world: &Shared) {
    let mine = lock_some(&mut world.lock());
    let (xid, mut written) = (world.lock().outbox.begin(), Vec::new());
    for aggregate in &mine {
        let events = match world.lock().rng.u8(..40) {
            0 => 17..40,
            _ => 1..4,
        };
        let events = world.lock().rng.u64(events);
        for n in 1..=events {
            world.pause(0..20).await;
            let mut world = world.lock();
            let sequence = world.aggregates[*aggregate].sequence + n;
            written.push(append(&mut world, xid, *aggregate, sequence));
        }
    }
    // A transaction that stays open: what commits meanwhile has later positions.
    let patience = match world.lock().rng.u8(..20) {
        0 => 10_000..120_000,
        1..=5 => 100..3_000,
        _ => 0..30,
    };
    world.pause(patience).await;
    let mut world = world.lock();
    let commits = world.rng.u8(..10) != 0;
    world.note(|| format!("{xid} ends, {} events committed: {commits}", written.len()));
    for event in written {
        let Some(told) = world.told.remove(&event) else {
            continue;
        };
        if commits {
            let aggregate = usize::try_from(told.aggregate.as_u128()).unwrap();
            world.aggregates[aggregate].sequence = told.sequence;
            world.committed.insert(event, told);
            world.tally.events += 1;
        }
    }
    if commits {
        world.outbox.commit(xid);
    } else {
        world.outbox.roll_back(xid);
    }
    for aggregate in mine {
        world.aggregates[aggregate].locked = false;
    }
}

/// Locks one to three aggregates that are free; none, where none is.
fn lock_some(world: &mut World) -> Vec<usize> {
    let mut free: Vec<usize> = (0..AGGREGATES)
        .filter(|aggregate| !world.aggregates[*aggregate].locked)
        .collect();
    world.rng.shuffle(&mut free);
    free.truncate(world.rng.usize(1..4));
    for aggregate in &free {
        world.aggregates[*aggregate].locked = true;
    }
    free
}

fn append(world: &mut World, xid: u64, aggregate: usize, sequence: u64) -> Uuid {
    let event = Uuid::from_u128(u128::from(world.rng.u64(..)));
    let lane = i16::try_from(aggregate % usize::from(LANES)).unwrap();
    let aggregate = Uuid::from_u128(u128::try_from(aggregate).unwrap());
    let written_at_ms = world.now_ms();
    let position = world.outbox.append(Row {
        lane,
        event_id: event,
        aggregate,
        written_in: xid,
        written_at_ms,
    });
    if world.rng.u8(..12) == 0 {
        let refusals = world.rng.u32(1..6);
        world.queue.refusals.insert(event, refusals);
    }
    world.note(|| {
        let (name, id) = (aggregate.as_u128(), event.as_u128());
        format!("{xid} writes {name}/{sequence} at {position} of lane {lane} ({id})")
    });
    world.told.insert(
        event,
        Told {
            aggregate,
            sequence,
        },
    );
    event
}

/// A relay's process, and its successors.
pub(crate) async fn relay(world: Shared, number: usize) {
    for life in 0_u32.. {
        let settings = settings(format!("relay-{number}-{life}"));
        let runs = run_again_and_again(world.clone(), settings);
        Mortal::new(world.clone(), runs).await;
        world.pause(1..10_000).await;
    }
}

/// As deployed, but with less patience, so that a run of the simulation sees many tries.
fn settings(holder: String) -> RelaySettings {
    let retry = |first, most| RetryTerms {
        first: Duration::from_secs(first),
        most: Duration::from_secs(most),
    };
    RelaySettings {
        holder,
        // A lane's least: so that the longest transactions have more late events than one read takes.
        events_per_read_max: 1,
        batches_in_flight_max: 3,
        tries_max: 4,
        event_retry: retry(1, 30),
        lane_retry: retry(1, 10),
        share_tries_max: 2,
        ..RelaySettings::default()
    }
}

async fn run_again_and_again(world: Shared, settings: RelaySettings) {
    let (store, link) = (Connection(world.clone()), Link(world.clone()));
    loop {
        let time = Duration::from_millis(world.lock().rng.u64(1_000..25_000));
        // What fails is tried again by the next run.
        let _done = relay_outbox(&store, &link, &settings, Instant::now() + time).await;
        world.pause(10..20_000).await;
    }
}

/// A process that dies or stands still at any of its awaits.
struct Mortal<F> {
    world: Shared,
    life: Pin<Box<F>>,
    asleep: Option<Pin<Box<Sleep>>>,
}

impl<F> Mortal<F> {
    fn new(world: Shared, life: F) -> Self {
        Self {
            world,
            life: Box::pin(life),
            asleep: None,
        }
    }

    fn draw_stall(world: &mut World) -> Option<u64> {
        if !world.unlucky(60) {
            return None;
        }
        world.tally.stalls += 1;
        let range = [1..2_000, 20_000..90_000, 300_000..500_000][world.rng.usize(..3)].clone();
        Some(world.rng.u64(range))
    }
}

impl<F: Future<Output = ()>> Future for Mortal<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(asleep) = &mut self.asleep {
                if asleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.asleep = None;
                return self.life.as_mut().poll(context);
            }
            let stall = {
                let mut world = self.world.lock();
                if world.unlucky(100) {
                    world.tally.deaths += 1;
                    world.note(|| "a relay dies".to_owned());
                    return Poll::Ready(());
                }
                Self::draw_stall(&mut world)
            };
            let Some(ms) = stall else {
                return self.life.as_mut().poll(context);
            };
            self.world
                .lock()
                .note(|| format!("a relay stands still for {ms} ms"));
            self.asleep = Some(Box::pin(sleep(Duration::from_millis(ms))));
        }
    }
}

/// Releases what is in quarantine, now and then.
pub(crate) async fn operate(world: Shared) {
    loop {
        world.pause(30_000..200_000).await;
        let mut world = world.lock();
        let now = world.now_ms();
        world.outbox.release_quarantine(now);
    }
}
