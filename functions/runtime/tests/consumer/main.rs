//! The consumer kit: over a real database, and a queue in memory that delivers as SQS does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

mod bounds;
mod disposal;
mod memory;
mod order;
mod parking;
mod shop;
mod sqs;
