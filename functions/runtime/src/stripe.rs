//! The PSP Stripe, as Souk's [`souk_app::PaymentProvider`], and the events that it sends.
//!
//! Card data never gets here: a payment method is Stripe's token of one. Every call that has an effect
//! carries an idempotency key that is made of our operation's id alone, so it may be repeated; what
//! cannot be read counts as not known, never as failed.

mod accounts;
mod answers;
mod breaker;
mod errors;
mod event;
mod find;
mod judge;
mod movements;
mod provider;
mod requests;
mod signature;
mod transport;

pub use accounts::{StripeAccount, StripeAccounts};
pub use event::StripeEventError;
pub use provider::Stripe;
pub use signature::{SIGNATURE_TOLERANCE_S, SignatureError, verify_signature};
pub use transport::{StripeSettings, StripeUrlError};

/// The version of Stripe's API that all calls name (docs.stripe.com/api/versioning).
pub const STRIPE_VERSION: &str = "2026-09-30.endive";
