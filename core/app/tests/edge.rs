//! What the edge is told: kept, published, and gone back to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::too_many_lines,
    clippy::as_conversions,
    clippy::result_large_err,
    reason = "tests"
)]

#[path = "edge/interrupting.rs"]
mod interrupting;
#[path = "edge/publishing.rs"]
mod publishing;
#[path = "edge/rolling_back.rs"]
mod rolling_back;
#[path = "edge/telling.rs"]
mod telling;
#[path = "edge/world.rs"]
mod world;
