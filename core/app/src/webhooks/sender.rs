//! The border to the tenants' systems.

use core::future::Future;
use souk_domain::webhook::EndpointUrl;
use souk_domain::{EventId, Timestamp};

/// A message on its way to an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingWebhook<'a> {
    /// Where it goes.
    pub url: &'a EndpointUrl,
    /// `webhook-id`: the same in each attempt.
    pub id: EventId,
    /// `webhook-timestamp`: when this attempt is made.
    pub at: Timestamp,
    /// `webhook-signature`.
    pub signatures: &'a str,
    /// JSON.
    pub body: &'a str,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The URL has a scheme that is not allowed, or leads to no address that is.
    #[error("the endpoint is not at a public address that may be sent to over https")]
    NotAllowed,
    /// The name leads to no address.
    #[error("the name of the endpoint's host could not be resolved")]
    Unresolved,
    /// No connection, or none that is secure.
    #[error("no connection: {0}")]
    Connection(String),
    /// It was closed before there was an answer, or what came is none.
    #[error("no answer: {0}")]
    Answer(String),
    /// There was no answer in time.
    #[error("no answer in time")]
    TimedOut,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendEnd {
    /// The status of the answer and the beginning of its body, or why there was none.
    pub answer: Result<(u16, String), SendError>,
    /// How long it took.
    pub latency_ms: u32,
}

/// Sends to endpoints. An implementation connects to no address that is not allowed, whatever a name
/// leads to at that moment; follows no redirect; and bounds time and bytes.
pub trait WebhookSender: Send + Sync {
    /// Makes one attempt.
    fn send(&self, webhook: OutgoingWebhook<'_>) -> impl Future<Output = SendEnd> + Send;
}
