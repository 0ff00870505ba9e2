//! For tests only: a database per test, a fixed clock, ids, and builders.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "test support: a broken precondition ends the test"
)]

mod database;
mod directory;
mod fixtures;
mod leftovers;
mod own_server;
mod pgbouncer;
mod psp;
mod publisher;
mod queue_server;
mod replica;
mod round_trips;

pub use database::{HeldTransaction, Probe, SERVER_URL_VARIABLE, TestDatabase, UNPUBLISHED};
pub use directory::OWNER_ROLE;
pub use fixtures::{
    FixedClock, TestTenant, caller, order_confirmed, order_request, quote_keys, respond,
};
pub use own_server::OwnServer;
pub use pgbouncer::{Pgbouncer, WITHOUT_PGBOUNCER_VARIABLE};
pub use psp::{PspAnswer, ScriptedPsp};
pub use publisher::{MemoryQueue, Verdict};
pub use queue_server::QueueServer;
pub use replica::{REPLICA_URL_VARIABLE, TestReplica};
pub use round_trips::RoundTrips;
pub use souk_app::TimeOrderedIds as RandomIds;
