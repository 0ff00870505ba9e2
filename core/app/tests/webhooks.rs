//! Webhooks: nothing that an endpoint wants is lost, however often those who send it die.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::too_many_lines,
    reason = "tests"
)]

#[path = "webhooks/delivering.rs"]
mod delivering;
#[path = "webhooks/disabling.rs"]
mod disabling;
#[path = "webhooks/dying.rs"]
mod dying;
#[path = "webhooks/pruning.rs"]
mod pruning;
#[path = "webhooks/replaying.rs"]
mod replaying;
#[path = "webhooks/shop.rs"]
mod shop;
