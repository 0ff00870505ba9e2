//! Every decision of Souk's edge.
//!
//! Pure: no clock, randomness, environment, or input and output. `now` and random bytes are
//! arguments, so that one text of rules serves a Cloudflare Worker, a Spin component, the origin that
//! verifies what the edge signed, and the tests.

mod structured_field;

pub mod identity;
pub mod signature;

pub use structured_field::FieldError;
