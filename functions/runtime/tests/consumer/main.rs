//! The consumer kit: over a real database, and a queue in memory that delivers as SQS does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_wrap,
    clippy::similar_names,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod bounds;
mod disposal;
mod memory;
mod order;
mod parking;
mod shop;
mod sqs;
