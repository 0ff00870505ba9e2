//! The outbox as a relay sees it.
//!
//! This is no border to a third party, and yet a trait: the loop that keeps promise 2 is run against a
//! model of the outbox as well, under a scheduler that tries thousands of orders of events.

use core::future::Future;
use souk_postgres::outbox::{
    LaneCursor, LaneLease, LaneRelease, LeaseTerms, Leased, LeasedLane, OutboxRead, Progress,
    ReadLimits, Recorded,
};

/// Lanes of events, which relays lease, read and record their progress in.
///
/// What a store promises:
/// - Positions of an aggregate rise in the order of its events, and when one of them is seen, all
///   earlier ones are.
/// - Between leasing a lane and the lease's end nobody else is given it. After that its token is
///   raised, and what comes under an older one changes nothing.
/// - [`OutboxStore::read`] returns every event that is committed in the `seen` it returns and that is
///   above `high`, up to the limit and without gaps; and every one between `low` and `high` that was
///   not committed in the cursor's `seen`.
pub trait OutboxStore: Send + Sync {
    /// Why an operation failed: whether it took effect is then not known.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Leases up to `lanes_max` lanes that are free, have something to do and are not told to wait, and
    /// no more than make up the relay's fair share together with the `lanes_held` that it has already.
    /// Says that the relay is alive, in any case.
    fn lease(
        &self,
        terms: &LeaseTerms,
        lanes_held: u8,
        lanes_max: u8,
    ) -> impl Future<Output = Result<Leased, Self::Error>> + Send;

    /// Reads on from the cursors of `lanes`, and the held events there that are due. Changes nothing.
    fn read(
        &self,
        lanes: &[LeasedLane],
        limits: ReadLimits,
    ) -> impl Future<Output = Result<OutboxRead, Self::Error>> + Send;

    /// Parks all late events of a lane at once, in order, due at once; `cursor` is what was recorded
    /// last. Returns the cursor to go on from; none, where the lease is lost.
    fn park_late(
        &self,
        lease: LaneLease,
        cursor: &LaneCursor,
    ) -> impl Future<Output = Result<Option<LaneCursor>, Self::Error>> + Send;

    /// Writes progress down and renews the leases, all at once, for those lanes whose token is current.
    fn record(
        &self,
        terms: &LeaseTerms,
        progress: &Progress,
    ) -> impl Future<Output = Result<Recorded, Self::Error>> + Send;

    /// Gives lanes back where they are still held. A relay that is `leaving` counts no longer as alive.
    fn release(
        &self,
        holder: &str,
        lanes: &[LaneRelease],
        leaving: bool,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
