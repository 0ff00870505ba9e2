//! A FIFO queue with its faults, and what its consumers do. Requests are dropped, answered after their
//! effect was lost, delayed and doubled; entries are refused; repetitions within five minutes are
//! swallowed, later ones are not.

use crate::flaws::Flaw;
use crate::world::{Shared, World};
use core::time::Duration;
use souk_app::{EventPublisher, OutgoingEvent, PublishError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::time::sleep;
use uuid::Uuid;

const DEDUPLICATION_MS: u64 = 300_000;
/// How long a message stays with a consumer that says nothing of it.
const VISIBILITY_MS: u64 = 30_000;

type Answers = Vec<Result<(), PublishError>>;

#[derive(Debug, Default)]
struct Group {
    messages: VecDeque<Uuid>,
    /// Who has its first message, until when.
    taken: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// When an event was last taken.
    last_taken_ms: BTreeMap<Uuid, u64>,
    /// The last sequence of an aggregate that was taken for the first time.
    first_taken: BTreeMap<Uuid, u64>,
    /// How often an event is refused before it is taken.
    pub(crate) refusals: BTreeMap<Uuid, u32>,
    groups: BTreeMap<Uuid, Group>,
    receipts: u64,
    inbox: BTreeSet<Uuid>,
    effects: BTreeMap<Uuid, u32>,
    applied: BTreeMap<Uuid, u64>,
}

impl Queue {
    /// Whether it has ever taken the event.
    pub(crate) fn has(&self, event: Uuid) -> bool {
        self.last_taken_ms.contains_key(&event)
    }

    /// How often the event has had its effect.
    pub(crate) fn effects_of(&self, event: Uuid) -> u32 {
        self.effects.get(&event).copied().unwrap_or(0)
    }
}

/// A request has arrived.
fn take(world: &mut World, batch: &[Uuid]) -> Answers {
    batch.iter().map(|event| take_one(world, *event)).collect()
}

fn take_one(world: &mut World, event: Uuid) -> Result<(), PublishError> {
    let calm = world.calm;
    if let Some(left) = world
        .queue
        .refusals
        .get_mut(&event)
        .filter(|left| **left > 0)
    {
        *left -= 1;
        if !calm {
            world.note(|| format!("queue refuses {}", event.as_u128()));
            return Err(PublishError::refused("simulated"));
        }
    }
    if world.unlucky(60) {
        return Err(PublishError::unavailable("simulated throttling"));
    }
    let Some(told) = world.committed.get(&event).copied() else {
        world.breaks(|| format!("event {} was sent and never committed", event.as_u128()));
        return Ok(());
    };
    let now = world.now_ms();
    let before = world.queue.last_taken_ms.get(&event).copied();
    if before.is_some_and(|then| now < then + DEDUPLICATION_MS) {
        world.tally.swallowed_doubles += 1;
        return Ok(());
    }
    world.queue.last_taken_ms.insert(event, now);
    world.note(|| {
        let aggregate = told.aggregate.as_u128();
        format!(
            "queue takes {} ({aggregate}/{})",
            event.as_u128(),
            told.sequence
        )
    });
    if before.is_some() {
        world.tally.taken_doubles += 1;
    } else {
        let last = world.queue.first_taken.entry(told.aggregate).or_default();
        let follows = told.sequence == *last + 1;
        *last = told.sequence;
        if !follows {
            world.breaks(|| {
                let aggregate = told.aggregate.as_u128();
                format!(
                    "{aggregate}/{} was taken before an earlier one",
                    told.sequence
                )
            });
        }
    }
    let group = world.queue.groups.entry(told.aggregate).or_default();
    group.messages.push_back(event);
    Ok(())
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Served,
    Dropped,
    AnswerLost,
    /// It arrives after so long, when nobody waits for it any more.
    Delayed(u64),
    /// It arrives, and once more after so long.
    Doubled(u64),
}

impl Fate {
    fn draw(world: &mut World) -> Self {
        if !world.unlucky(5) {
            return Self::Served;
        }
        world.tally.requests_lost += 1;
        let later = [0..2_000, 2_000..60_000, 300_000..500_000][world.rng.usize(..3)].clone();
        let later = world.rng.u64(later);
        match world.rng.u8(..4) {
            0 => Self::Dropped,
            1 => Self::AnswerLost,
            2 => Self::Delayed(later),
            _ => Self::Doubled(later),
        }
    }
}

/// The way to the queue, of one relay.
#[derive(Debug, Clone)]
pub(crate) struct Link(pub(crate) Shared);

impl Link {
    /// The request is on its way: it arrives whatever becomes of who has sent it.
    fn send(&self, batch: Vec<Uuid>, after_ms: u64) -> tokio::task::JoinHandle<Answers> {
        let world = self.0.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(after_ms)).await;
            take(&mut world.lock(), &batch)
        })
    }
}

impl EventPublisher for Link {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Answers {
        let events: Vec<Uuid> = batch.iter().map(|event| event.event_id.as_uuid()).collect();
        let (fate, way, flaw) = {
            let mut world = self.0.lock();
            (Fate::draw(&mut world), world.rng.u64(1..30), world.flaw)
        };
        if flaw == Some(Flaw::RecordsBeforeSending) {
            // The relay takes it for sent. Its process may die before it is.
            let link = self.clone();
            let lost = self.0.lock().unlucky(8);
            if !lost {
                drop(link.send(events, way));
            }
            return batch.iter().map(|_| Ok(())).collect();
        }
        let nothing = || {
            let none = || Err(PublishError::unavailable("simulated"));
            batch.iter().map(|_| none()).collect()
        };
        let answers = match fate {
            Fate::Served => self.send(events, way).await.unwrap(),
            Fate::Dropped => nothing(),
            Fate::AnswerLost => {
                self.send(events, way).await.unwrap();
                if way % 2 == 0 {
                    // Nothing comes back: the relay has to give up by itself.
                    sleep(Duration::from_secs(3_600)).await;
                }
                nothing()
            }
            Fate::Delayed(later) => {
                drop(self.send(events, later));
                nothing()
            }
            Fate::Doubled(later) => {
                drop(self.send(events.clone(), later));
                self.send(events, way).await.unwrap()
            }
        };
        self.0.pause(1..20).await;
        answers
    }
}

/// A consumer: takes a message, applies it with its inbox entry, deletes it; and may die in between.
pub(crate) async fn consume(world: Shared) {
    loop {
        let received = receive(&mut world.lock());
        let Some((aggregate, event, receipt)) = received else {
            world.pause(200..6_000).await;
            continue;
        };
        if world.lock().unlucky(40) {
            // Slow enough for somebody else to get the message as well.
            world.pause(VISIBILITY_MS..2 * VISIBILITY_MS).await;
        }
        world.pause(1..10).await;
        if world.lock().unlucky(30) {
            continue; // it died before its commit
        }
        apply(&mut world.lock(), event);
        if world.lock().unlucky(20) {
            continue; // it died after its commit
        }
        world.pause(1..5).await;
        delete(&mut world.lock(), aggregate, receipt);
    }
}

fn receive(world: &mut World) -> Option<(Uuid, Uuid, u64)> {
    let now = world.now_ms();
    let is_free = |group: &Group| {
        !group.messages.is_empty() && group.taken.is_none_or(|(until, _)| until <= now)
    };
    let free: Vec<Uuid> = world
        .queue
        .groups
        .iter()
        .filter(|(_, group)| is_free(group))
        .map(|(aggregate, _)| *aggregate)
        .collect();
    let aggregate = *free.get(world.rng.usize(..free.len().max(1)))?;
    world.queue.receipts += 1;
    let receipt = world.queue.receipts;
    let group = world.queue.groups.get_mut(&aggregate)?;
    group.taken = Some((now + VISIBILITY_MS, receipt));
    Some((aggregate, *group.messages.front()?, receipt))
}

fn apply(world: &mut World, event: Uuid) {
    let fresh = world.queue.inbox.insert(event);
    if !fresh {
        world.tally.redelivered += 1;
        if world.flaw != Some(Flaw::NoInbox) {
            return;
        }
    }
    let told = world.committed[&event];
    let effects = world.queue.effects.entry(event).or_default();
    *effects += 1;
    let doubled = *effects > 1;
    let last = world.queue.applied.entry(told.aggregate).or_default();
    let follows = told.sequence == *last + 1;
    *last = told.sequence;
    let name = format!("{}/{}", told.aggregate.as_u128(), told.sequence);
    if doubled {
        world.breaks(|| format!("{name} had its effect twice"));
    } else if !follows {
        world.breaks(|| format!("{name} had its effect before an earlier one"));
    }
}

fn delete(world: &mut World, aggregate: Uuid, receipt: u64) {
    if let Some(group) = world.queue.groups.get_mut(&aggregate)
        && group.taken.is_some_and(|(_, mine)| mine == receipt)
    {
        group.messages.pop_front();
        group.taken = None;
    }
}
