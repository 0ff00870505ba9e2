//! Souk's commerce domain: ids, money, orders, events.
//!
//! Pure: no clock, randomness, environment, or input and output. `now` and fresh ids are arguments.

mod ids;

pub use ids::{ApiKeyId, EventId, IdError, OrderId, RequestId, TenantId};
