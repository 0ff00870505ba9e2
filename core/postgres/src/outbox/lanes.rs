//! What relays and the database tell each other of lanes.

use core::time::Duration;
use uuid::Uuid;

/// The right to publish a lane's events for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLease {
    /// The lane.
    pub lane: i16,
    /// The token under which progress is recorded: raised whenever the lane changes hands.
    pub fencing_token: i64,
}

/// What a reader has seen: which transactions had ended when it read. Only the store that gave it
/// understands it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(pub String);

/// How far a lane has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneCursor {
    /// All at or below this position is dealt with, for good: nothing below can appear any more.
    pub low: i64,
    /// All at or below this position that had been committed in `seen` is dealt with.
    pub high: i64,
    /// When it was read up to `high`.
    pub seen: Seen,
}

/// A lane, and from where its holder goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedLane {
    /// The right to it.
    pub lease: LaneLease,
    /// How far it has been read.
    pub cursor: LaneCursor,
    /// How often in a row it had to be given back because its queue could not be reached.
    pub failures: u32,
    /// Whether its last holder has not given it back, but died or was stopped.
    pub taken_over: bool,
}

/// Who leases lanes, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The relay's name. No two that run at the same time have the same.
    pub holder: String,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// How often the queue may refuse an event before it is put into quarantine.
    pub tries_max: u32,
}

/// What a relay was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leased {
    /// Lanes with something to do, free until now.
    pub lanes: Vec<LeasedLane>,
    /// How many lanes each of the relays that are alive may hold.
    pub fair_share: u8,
    /// Lanes with something to do that others hold.
    pub held_by_others: u8,
}

/// How an event came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Found {
    /// Above the cursor.
    New,
    /// Below it, but committed only after it had passed.
    Late,
    /// The cursor passed it without its being published; it is due for another try.
    Held,
}

/// An event that has not been published yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    /// Where it lies; rises with each event of an aggregate.
    pub position: i64,
    /// Its lane.
    pub lane: i16,
    /// Whose it is.
    pub tenant_id: Uuid,
    /// The event's id.
    pub event_id: Uuid,
    /// The aggregate whose order counts.
    pub aggregate_id: Uuid,
    /// Its type, such as `order.placed.v1`.
    pub event_type: String,
    /// Its JSON text.
    pub body: String,
    /// How it was found.
    pub found: Found,
    /// Not of a held event: whether earlier ones of its aggregate are held, so that it has to wait for
    /// them.
    pub waits: bool,
    /// How often the queue has refused it.
    pub attempts: u32,
    /// How long ago it happened, when it was read.
    pub age: Duration,
}

/// Bounds of one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// New events of a lane, at most; the next read goes on after them.
    pub new_per_lane_max: u16,
    /// Late events of a lane, at most. Where there are more, none of the lane is returned: they are to
    /// be parked.
    pub late_per_lane_max: u16,
    /// Held events of a lane, at most.
    pub held_per_lane_max: u16,
}

/// What was found in lanes, as one moment shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboxRead {
    /// The moment.
    pub seen: Seen,
    /// The events. Those of one aggregate are in order.
    pub events: Vec<PendingEvent>,
    /// Lanes of which nothing was returned, since more late events than the limit were found there.
    pub overflowing: Vec<i16>,
}

/// That the queue has not taken an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why, in words for an operator.
    pub reason: String,
    /// When it is tried again.
    pub retry_after: Duration,
    /// Whether it counts against the event: not, where the queue was at fault.
    pub counts: bool,
}

/// How far a lane has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneProgress {
    /// Under which right.
    pub lease: LaneLease,
    /// All events at or below this position that are committed in `seen` are dealt with: published,
    /// or parked by the same record.
    pub high: i64,
    /// As a read gave it.
    pub seen: Seen,
}

/// An event that the cursor passes though it was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Its lane.
    pub lane: i16,
    /// Its position.
    pub position: i64,
    /// None, where it only waits for an earlier one of its aggregate.
    pub failure: Option<Failure>,
}

/// What a relay has done, to be written down at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Lanes that it still holds, all of them: their leases are renewed as well.
    pub lanes: Vec<LaneProgress>,
    /// Events to hold from now on.
    pub parked: Vec<ParkedEvent>,
    /// Held events, by lane and position, that the queue has taken.
    pub taken: Vec<(i16, i64)>,
    /// Held events, by lane and position, that it has not.
    pub failed: Vec<(i16, i64, Failure)>,
}

/// A lane that is still held after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedLane {
    /// The right to it, renewed.
    pub lease: LaneLease,
    /// The new low position of its cursor.
    pub low: i64,
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// The lanes whose progress counts. Of the others, somebody else has taken over, and nothing was
    /// written.
    pub lanes: Vec<RecordedLane>,
    /// How many lanes each of the relays that are alive may hold.
    pub fair_share: u8,
    /// Events that were put into quarantine by this.
    pub quarantined: u32,
}

/// A lane that is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneRelease {
    /// Under which right.
    pub lease: LaneLease,
    /// For how long nobody should take it, where its queue could not be reached.
    pub wait: Option<Duration>,
}
