//! Why a command about webhooks is refused.

use super::SealingError;

/// What a tenant asks for and cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// The tenant has no such endpoint.
    #[error("there is no webhook endpoint with this id")]
    EndpointNotFound,
    /// The endpoint was sent no such event.
    #[error("the endpoint has no delivery of this event")]
    DeliveryNotFound,
    /// The endpoint is not in the version that the command is meant for.
    #[error("the endpoint is in another version than the one that If-Match names")]
    OtherVersion {
        /// The version it is in.
        current: u64,
    },
    /// The tenant has as many endpoints as it may have.
    #[error("there are too many endpoints")]
    TooManyEndpoints,
    /// As many secrets of the endpoint sign as may.
    #[error("too many secrets of the endpoint still sign")]
    TooManySecrets,
    /// Nothing is sent to the endpoint.
    #[error("the endpoint is disabled")]
    EndpointDisabled,
    /// The delivery is on its way already.
    #[error("the delivery is on its way")]
    DeliveryPending,
    /// A secret cannot be sealed or opened: the configuration lacks its key.
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

impl WebhookRefusal {
    /// Whether a repetition gets the same answer; see [`crate::AppError::is_final`].
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::EndpointNotFound | Self::DeliveryNotFound | Self::OtherVersion { .. } => true,
            Self::TooManyEndpoints
            | Self::TooManySecrets
            | Self::EndpointDisabled
            | Self::DeliveryPending
            | Self::Sealing(_) => false,
        }
    }
}
