//! Webhooks to the tenants' own systems, as the Standard Webhooks specification 1.0.0 has them.
//!
//! A tenant enters endpoints. Each event that an endpoint wants is a delivery to it, which is attempted
//! until it succeeds or its schedule is over. The message's id is the event's, the same in each attempt
//! and at each endpoint.
//!
//! Order, where an endpoint asks for it, is that of the events of one subject: a later event waits until
//! the earlier ones are delivered or given up. Events of different subjects have no order among them, in
//! the queue neither, so one order that cannot be delivered does not hold up all others.

mod address;
mod delivery;
mod endpoint;
mod filter;
mod health;
mod message;
mod schedule;
mod secret;
mod target;

pub use address::is_public;
pub use delivery::{AttemptOutcome, DeliveryStatus, Step, after_attempt};
pub use endpoint::{
    DESCRIPTION_CHARS_MAX, Description, DescriptionError, DisabledBy, EndpointSettings,
    EndpointState, WebhookEndpoint,
};
pub use filter::{
    EVENT_PATTERN_BYTES_MAX, EVENT_PATTERNS_MAX, EventFilter, EventPattern, FilterError,
};
pub use health::{DISABLED_AFTER, Health};
pub use message::webhook_body;
pub use schedule::{ATTEMPTS_MAX, JITTER_PPM_MAX, Jitter, RETRY_DELAYS_S, retry_at};
pub use secret::{
    SECRET_BYTES, SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRETS_LIVE_MAX, SecretError, WebhookSecret,
    signatures,
};
pub use target::{ENDPOINT_URL_BYTES_MAX, EndpointUrl, EndpointUrlError, TargetRules};

/// Endpoints of a tenant at most.
pub const ENDPOINTS_MAX: u16 = 50;
/// Hours for which a secret goes on signing after it was replaced, at most.
pub const OVERLAP_HOURS_MAX: u16 = 7 * 24;
/// The same where nothing is said.
pub const OVERLAP_HOURS_DEFAULT: u16 = 24;
