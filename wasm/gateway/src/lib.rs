//! The edge as a Spin component.
//!
//! [`souk_policy::decide`] says what it lacks, and `pipeline` gets it: records and settings from the
//! key-value store, keys of issuers by HTTP, the limiter's word from states in the store. What it decides is
//! done here as the worker does it. No decision is made here.
//!
//! An instance of the component serves many requests, some of them at once, and is then thrown away: `memory`
//! is what it remembers meanwhile, and nothing depends on it.

// On a host only the tests of what needs no Spin are built.
#![cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "the component uses it")
)]

mod arrival;
mod stored_keys;
mod variables;

#[cfg(target_family = "wasm")]
mod answer;
#[cfg(target_family = "wasm")]
mod clock;
#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
mod keys;
#[cfg(target_family = "wasm")]
mod limits;
#[cfg(target_family = "wasm")]
mod memory;
#[cfg(target_family = "wasm")]
mod origin;
#[cfg(target_family = "wasm")]
mod pipeline;
#[cfg(target_family = "wasm")]
mod stores;
