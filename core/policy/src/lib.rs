//! Every decision of Souk's edge.
//!
//! Pure: no clock, randomness, environment, or input and output. `now` and random bytes are
//! arguments, so that one text of rules serves a Cloudflare Worker, a Spin component, the origin that
//! verifies what the edge signed, and the tests.

mod authenticate;
mod browser;
mod forward;
mod trace;

pub mod address;
pub mod api_key;
pub mod breaker;
pub mod config;
pub mod decide;
pub mod edge_policy;
pub mod flights;
pub mod gcra;
pub mod headers;
pub mod hedge;
pub mod identity;
pub mod jose;
pub mod jwks_cache;
pub mod limit;
pub mod limit_states;
pub mod log;
pub mod operations;
pub mod problem;
pub mod request_id;
pub mod route;
pub mod settings;
pub mod signature;
pub mod store;
pub mod structured_field;

pub use authenticate::Caller;
pub use forward::{ForwardPlan, ORIGIN_TIMEOUT_MS};
