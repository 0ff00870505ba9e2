//! Every decision of Souk's edge.
//!
//! Pure: no clock, randomness, environment, or input and output. `now` and random bytes are
//! arguments, so that one text of rules serves a Cloudflare Worker, a Spin component, the origin that
//! verifies what the edge signed, and the tests.

mod authenticate;
mod forward;
mod structured_field;

pub mod api_key;
pub mod decide;
pub mod headers;
pub mod identity;
pub mod operations;
pub mod problem;
pub mod request_id;
pub mod route;
pub mod signature;

pub use authenticate::{Caller, Credential, authenticate};
pub use forward::ForwardPlan;
pub use structured_field::FieldError;
