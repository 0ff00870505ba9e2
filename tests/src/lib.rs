//! Black-box tests: what is built, in the local cloud, over HTTP and queues.
//!
//! `script/test` starts the cloud and tells the tests where it is through the environment variables
//! that [`variable`] reads.

/// The value of an environment variable that `script/test` sets.
///
/// # Panics
/// When it is not set.
#[allow(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test without its surroundings can only end, and reads them from the environment"
)]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run script/test"))
}
