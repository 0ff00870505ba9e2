//! What an event is about.

use crate::{DisputeId, IdError, OrderId, PaymentIntentId, WebhookEndpointId};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// The aggregate that an event is about: events of one subject arrive in order. Its text form is the
/// aggregate's id, whose prefix tells the kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An order.
    Order(OrderId),
    /// A payment intent; refunds are told as events of theirs.
    PaymentIntent(PaymentIntentId),
    /// A dispute.
    Dispute(DisputeId),
    /// A tenant's endpoint of webhooks.
    WebhookEndpoint(WebhookEndpointId),
}

impl Subject {
    /// The aggregate's UUID: its lane, and its place in the outbox.
    pub const fn as_uuid(&self) -> Uuid {
        match self {
            Self::Order(id) => id.as_uuid(),
            Self::PaymentIntent(id) => id.as_uuid(),
            Self::Dispute(id) => id.as_uuid(),
            Self::WebhookEndpoint(id) => id.as_uuid(),
        }
    }

    /// The order, if it is one.
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Order(id) => Some(*id),
            Self::PaymentIntent(_) | Self::Dispute(_) | Self::WebhookEndpoint(_) => None,
        }
    }

    /// `source` of the envelope.
    pub const fn source(&self) -> &'static str {
        match self {
            Self::Order(_) => "/souk/orders",
            Self::PaymentIntent(_) | Self::Dispute(_) => "/souk/payments",
            Self::WebhookEndpoint(_) => "/souk/webhooks",
        }
    }

    /// The subject that an event's JSON text names, without reading the rest of it.
    pub fn of_json_text(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Named {
            subject: Subject,
        }
        let named: Named = serde_json::from_str(text).ok()?;
        Some(named.subject)
    }
}

impl From<OrderId> for Subject {
    fn from(id: OrderId) -> Self {
        Self::Order(id)
    }
}

impl From<PaymentIntentId> for Subject {
    fn from(id: PaymentIntentId) -> Self {
        Self::PaymentIntent(id)
    }
}

impl From<DisputeId> for Subject {
    fn from(id: DisputeId) -> Self {
        Self::Dispute(id)
    }
}

impl From<WebhookEndpointId> for Subject {
    fn from(id: WebhookEndpointId) -> Self {
        Self::WebhookEndpoint(id)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => id.fmt(f),
            Self::PaymentIntent(id) => id.fmt(f),
            Self::Dispute(id) => id.fmt(f),
            Self::WebhookEndpoint(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Subject {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once('_').map(|(prefix, _)| prefix) {
            Some(PaymentIntentId::PREFIX) => text.parse().map(Self::PaymentIntent),
            Some(DisputeId::PREFIX) => text.parse().map(Self::Dispute),
            Some(WebhookEndpointId::PREFIX) => text.parse().map(Self::WebhookEndpoint),
            _ => text.parse().map(Self::Order),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_the_kind() {
        let uuid = Uuid::from_u128(7);
        let subjects = [
            Subject::from(OrderId::from_uuid(uuid)),
            Subject::from(PaymentIntentId::from_uuid(uuid)),
            Subject::from(DisputeId::from_uuid(uuid)),
            Subject::from(WebhookEndpointId::from_uuid(uuid)),
        ];
        for subject in subjects {
            assert_eq!(subject.to_string().parse::<Subject>(), Ok(subject));
            assert_eq!(subject.as_uuid(), uuid);
            let text = format!(r#"{{"subject":"{subject}","data":{{"subject":1}}}}"#);
            assert_eq!(Subject::of_json_text(&text), Some(subject));
        }
        for bad in ["", "ten_", "ten_00000000000000000000000000000007", "pi_7"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!(Subject::of_json_text("{}"), None);
    }
}
