//! Payments on a real Postgres, against a PSP that answers as told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests"
)]

mod crashes;
mod doors;
mod flow;
mod races;
mod shop;
mod sweeps;
