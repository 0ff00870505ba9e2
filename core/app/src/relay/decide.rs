//! What a relay decides: pure, without clock or I/O.
//!
//! Order within an aggregate holds by three rules. An aggregate never has two events under way
//! ([`into_waves`]). Once one of its events is not taken, no later one of it is sent in this run unless
//! it comes out of the held ones again, in order ([`Holds`]). And a cursor passes an event only when it
//! was taken or is parked by the same record ([`settle`]).

use crate::{OutgoingEvent, PublishError, PublishErrorKind};
use core::time::Duration;
use souk_domain::{EventId, Subject};
use souk_postgres::outbox::{
    Failure, Found, LaneProgress, LeasedLane, OutboxRead, ParkedEvent, PendingEvent, Progress,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Bytes that a queue counts of a message besides its body, at most: attribute names and types.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// The wait after the n-th failure in a row, from 1: doubled each time from `first` to `most`, of which
/// between a half and all, as `entropy` says, so that those who failed together do not come back
/// together.
#[must_use]
pub fn backoff(failures: u32, first: Duration, most: Duration, entropy: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let whole = first
        .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
        .min(most);
    let micros = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX);
    let half = micros.checked_div(2).unwrap_or(0);
    let part = entropy
        .checked_rem(half.saturating_add(1))
        .unwrap_or_default();
    Duration::from_micros(half.saturating_add(part))
}

/// A number that differs from try to try and from event to event, for [`backoff`]: a step of
/// `SplitMix64`.
#[must_use]
pub const fn entropy_of(what: u64, failures: u32) -> u64 {
    let mut z = what
        .rotate_left(failures)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// When what failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryTerms {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

/// Aggregates with an event that is held: later ones have to wait for it.
///
/// An aggregate stays here for the rest of a run, also when nothing of it is held any more: its events
/// then go through the held ones, where their order is the database's. So a read that was made before a
/// record cannot let one of them overtake.
#[derive(Debug, Clone, Default)]
pub struct Holds(BTreeSet<Uuid>);

impl Holds {
    /// Holds an aggregate from now on.
    pub fn add(&mut self, aggregate: Uuid) {
        self.0.insert(aggregate);
    }

    /// Whether it is held.
    #[must_use]
    pub fn has(&self, aggregate: Uuid) -> bool {
        self.0.contains(&aggregate)
    }
}

/// What became of an event that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The queue has it.
    Taken,
    /// The queue does not want it.
    Failed(Failure),
    /// It was not sent, since an earlier one of its aggregate is held.
    Waits,
    /// It was not sent, or nobody knows: the cursor must not pass it.
    Unsent,
}

/// An event with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The event, whose body may be gone.
    pub event: PendingEvent,
    /// Its fate.
    pub fate: Fate,
}

/// Sorts events, given in order, into waves: the n-th wave has each aggregate's n-th event. Within a
/// wave all may be sent at once; an event waits for its aggregate's one of the wave before.
#[must_use]
pub fn into_waves(events: Vec<PendingEvent>) -> Vec<Vec<PendingEvent>> {
    let mut seen: BTreeMap<Uuid, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<PendingEvent>> = Vec::new();
    for event in events {
        let turn = seen.entry(event.aggregate_id).or_default();
        match waves.get_mut(*turn) {
            Some(wave) => wave.push(event),
            None => waves.push(vec![event]),
        }
        *turn = turn.saturating_add(1);
    }
    waves
}

/// Cuts a wave into batches that fit the queue's limits. An event that alone exceeds `bytes_max`
/// gets a batch of its own, for the queue to refuse it by name.
#[must_use]
pub fn into_batches(
    wave: Vec<PendingEvent>,
    size_max: usize,
    bytes_max: usize,
) -> Vec<Vec<PendingEvent>> {
    let mut batches: Vec<Vec<PendingEvent>> = Vec::new();
    let mut bytes = 0_usize;
    for event in wave {
        let own = message_bytes(&event);
        let total = bytes.saturating_add(own);
        match batches.last_mut() {
            Some(batch) if batch.len() < size_max && total <= bytes_max => {
                bytes = total;
                batch.push(event);
            }
            _ => {
                bytes = own;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

fn message_bytes(event: &PendingEvent) -> usize {
    event
        .body
        .len()
        .saturating_add(event.event_type.len())
        .saturating_add(MESSAGE_OVERHEAD_BYTES)
}

/// The event as the queue gets it. Takes its body.
#[must_use]
pub fn to_outgoing(event: &mut PendingEvent) -> OutgoingEvent {
    let subject = Subject::of_json_text(&event.body);
    OutgoingEvent {
        event_id: EventId::from_uuid(event.event_id),
        // A newer version's subject may be of a kind that is unknown here: its order counts as well.
        group: subject.map_or_else(
            || event.aggregate_id.simple().to_string(),
            |subject| subject.to_string(),
        ),
        event_type: event.event_type.clone(),
        body: core::mem::take(&mut event.body),
    }
}

/// What one request to the queue tells of each of its events.
///
/// Where none was taken or refused, the queue was not reached: that counts against no event, and their
/// lanes have to wait. Where others were, an event that failed by the queue's fault is held like a
/// refused one, but without counting.
#[must_use]
pub fn judge(
    batch: &[PendingEvent],
    answers: Vec<Result<(), PublishError>>,
    retry: RetryTerms,
) -> Vec<Fate> {
    let is_unreached = |answer: &Result<(), PublishError>| match answer {
        Ok(()) => false,
        Err(error) => error.kind == PublishErrorKind::Unavailable,
    };
    let reached = answers.iter().any(|answer| !is_unreached(answer));
    let mut answers = answers.into_iter();
    let of = |event: &PendingEvent| match answers.next() {
        Some(Ok(())) => Fate::Taken,
        Some(Err(error)) if reached => Fate::Failed(failure(event, error, retry)),
        // No answer is a no: the event is sent again, and consumers apply it once.
        Some(Err(_)) | None => Fate::Unsent,
    };
    batch.iter().map(of).collect()
}

fn failure(event: &PendingEvent, error: PublishError, retry: RetryTerms) -> Failure {
    let failures = event.attempts.saturating_add(1);
    let entropy = entropy_of(event.event_id.as_u64_pair().1, failures);
    Failure {
        reason: error.reason,
        retry_after: backoff(failures, retry.first, retry.most, entropy),
        counts: error.kind == PublishErrorKind::Refused,
    }
}

/// What to write down of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settlement {
    /// The progress of all lanes.
    pub progress: Progress,
    /// Lanes whose cursor could not pass all that was read of them: what was read after it is void.
    pub stalled: BTreeSet<i16>,
}

/// The progress that `sent` makes of the `lanes` that are held. `read` is the read that all of `sent`
/// came from, with a fate for each of its events of these lanes; `lanes` have the cursors that it began
/// at.
#[must_use]
pub fn settle(lanes: &[LeasedLane], read: &OutboxRead, sent: &[Sent]) -> Settlement {
    let mut settlement = Settlement::default();
    let mut of_lanes: BTreeMap<i16, Vec<&Sent>> = BTreeMap::new();
    for one in sent {
        of_lanes.entry(one.event.lane).or_default().push(one);
    }
    for lane in lanes {
        let of_lane = of_lanes.remove(&lane.lease.lane).unwrap_or_default();
        if read.overflowing.contains(&lane.lease.lane) {
            settlement.progress.lanes.push(unmoved(lane));
            continue;
        }
        settle_lane(lane, read, &of_lane, &mut settlement);
    }
    settlement
}

/// The lane as it is: for a lane of which nothing was read, or to renew its lease.
#[must_use]
pub fn unmoved(lane: &LeasedLane) -> LaneProgress {
    LaneProgress {
        lease: lane.lease,
        high: lane.cursor.high,
        seen: lane.cursor.seen.clone(),
    }
}

fn settle_lane(lane: &LeasedLane, read: &OutboxRead, sent: &[&Sent], into: &mut Settlement) {
    let late_unsent = sent
        .iter()
        .any(|one| one.event.found == Found::Late && one.fate == Fate::Unsent);
    let first_unsent = sent
        .iter()
        .filter(|one| one.event.found == Found::New && one.fate == Fate::Unsent)
        .map(|one| one.event.position)
        .min();
    if sent.iter().any(|one| one.fate == Fate::Unsent) {
        into.stalled.insert(lane.lease.lane);
    }
    // A late event that is still to be sent is below the cursor: only the old `seen` finds it again.
    let passed = |position: i64| !late_unsent && first_unsent.is_none_or(|first| position < first);
    let mut progress = unmoved(lane);
    if !late_unsent {
        progress.seen = read.seen.clone();
    }
    for one in sent {
        let (event, at) = (&one.event, (one.event.lane, one.event.position));
        match (event.found, &one.fate) {
            (Found::Held, Fate::Taken) => into.progress.taken.push(at),
            (Found::Held, Fate::Failed(failure)) => {
                into.progress.failed.push((at.0, at.1, failure.clone()));
            }
            (Found::Held, Fate::Waits | Fate::Unsent) | (_, Fate::Unsent) => {}
            (Found::New | Found::Late, _) if !passed(event.position) => {}
            (found, fate) => {
                if found == Found::New {
                    progress.high = progress.high.max(event.position);
                }
                into.progress.parked.extend(parked(event, fate));
            }
        }
    }
    into.progress.lanes.push(progress);
}

fn parked(event: &PendingEvent, fate: &Fate) -> Option<ParkedEvent> {
    let failure = match fate {
        Fate::Failed(failure) => Some(failure.clone()),
        Fate::Waits => None,
        Fate::Taken | Fate::Unsent => return None,
    };
    Some(ParkedEvent {
        lane: event.lane,
        position: event.position,
        failure,
    })
}

#[cfg(test)]
mod tests;
