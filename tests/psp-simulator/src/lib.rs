//! For tests only: a model of a Stripe-like PSP that is repeatable by its seed, with all that goes wrong
//! on the way to one.
//!
//! [`World`] is the PSP itself, without clock and network. [`Faults`] is the schedule of what goes wrong.
//! Two fronts stand before it: [`Client`], a [`souk_app::PaymentProvider`] in process, and [`serve`],
//! Stripe's HTTP as far as Souk uses it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::wildcard_enum_match_arm,
    reason = "test support: a broken precondition ends the test"
)]

mod client;
mod convert;
mod faults;
mod http;
mod simulator;
mod totals;
pub mod world;

pub use client::Client;
pub use faults::{CallFault, CallRates, EventRates, Faults};
pub use http::{Served, Settings, serve, signature_of};
pub use simulator::{SettableClock, Simulator};
pub use totals::{PaidIntent, Totals};
pub use world::World;
