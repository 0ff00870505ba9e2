//! The outbox in Postgres.

use super::OutboxStore;
use souk_postgres::outbox::{
    self, LaneCursor, LaneLease, LaneRelease, LeaseTerms, Leased, LeasedLane, OutboxRead, Progress,
    ReadLimits, Recorded,
};
use souk_postgres::{Database, DatabaseError};

impl OutboxStore for Database {
    type Error = DatabaseError;

    async fn lease(
        &self,
        terms: &LeaseTerms,
        lanes_held: u8,
        lanes_max: u8,
    ) -> Result<Leased, DatabaseError> {
        outbox::lease(self, terms, lanes_held, lanes_max).await
    }

    async fn read(
        &self,
        lanes: &[LeasedLane],
        limits: ReadLimits,
    ) -> Result<OutboxRead, DatabaseError> {
        outbox::read(self, lanes, limits).await
    }

    async fn park_late(
        &self,
        lease: LaneLease,
        cursor: &LaneCursor,
    ) -> Result<Option<LaneCursor>, DatabaseError> {
        outbox::park_late(self, lease, cursor).await
    }

    async fn record(
        &self,
        terms: &LeaseTerms,
        progress: &Progress,
    ) -> Result<Recorded, DatabaseError> {
        outbox::record(self, terms, progress).await
    }

    async fn release(
        &self,
        holder: &str,
        lanes: &[LaneRelease],
        leaving: bool,
    ) -> Result<(), DatabaseError> {
        outbox::release(self, holder, lanes, leaving).await
    }
}
