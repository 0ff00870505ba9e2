//! Events: what happened, in CloudEvents 1.0 names, with one type per version of a fact.

use crate::{Currency, EventId, Money, OrderId, OrderLine, RequestId, Sku, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// Bytes of an event's JSON text at most: checked when it is written, so that no relay ever holds
/// an event that the queue would refuse.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// A line of an order, as told in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineV1 {
    /// Position in the order, from 1.
    pub line_number: u16,
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
    /// Price of one unit.
    pub unit_price: Money,
    /// `quantity` times `unit_price`.
    pub line_total: Money,
}

impl From<&OrderLine> for OrderLineV1 {
    fn from(line: &OrderLine) -> Self {
        Self {
            line_number: line.line_number,
            sku: line.sku.clone(),
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            line_total: line.line_total,
        }
    }
}

/// `order.placed.v1`: an order was taken and its stock reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlacedV1 {
    /// The order.
    pub order_id: OrderId,
    /// Its currency.
    pub currency: Currency,
    /// Its total.
    pub total: Money,
    /// Its lines, by line number.
    pub lines: Vec<OrderLineV1>,
    /// The merchant's name for the buyer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_reference: Option<String>,
    /// When.
    pub placed_at: Timestamp,
}

/// `order.cancelled.v1`: an order was given up and its stock released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelledV1 {
    /// The order.
    pub order_id: OrderId,
    /// When.
    pub cancelled_at: Timestamp,
}

/// The facts that Souk tells, each with its version. A published version never changes its form;
/// a new form is a new variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventData {
    /// `order.placed.v1`
    OrderPlacedV1(OrderPlacedV1),
    /// `order.cancelled.v1`
    OrderCancelledV1(OrderCancelledV1),
}

/// Why a message is not an event that this version of Souk understands.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The type, or its version, is not known here.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The text is not of the form that the type promises.
    #[error("malformed event")]
    Malformed(#[source] serde_json::Error),
    /// The text is longer than [`EVENT_BYTES_MAX`].
    #[error("the event has {bytes} bytes, {EVENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

impl EventData {
    /// `type` of the envelope.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::OrderPlacedV1(_) => "order.placed.v1",
            Self::OrderCancelledV1(_) => "order.cancelled.v1",
        }
    }

    /// `data` of the envelope.
    pub fn to_json(&self) -> Result<serde_json::Value, EventError> {
        match self {
            Self::OrderPlacedV1(data) => serde_json::to_value(data),
            Self::OrderCancelledV1(data) => serde_json::to_value(data),
        }
        .map_err(EventError::Malformed)
    }

    /// Reads `data` according to `type_name`.
    pub fn from_json(type_name: &str, data: serde_json::Value) -> Result<Self, EventError> {
        match type_name {
            "order.placed.v1" => serde_json::from_value(data).map(Self::OrderPlacedV1),
            "order.cancelled.v1" => serde_json::from_value(data).map(Self::OrderCancelledV1),
            unknown => return Err(EventError::UnknownType(unknown.to_owned())),
        }
        .map_err(EventError::Malformed)
    }
}

/// An event in its envelope, as it lies in the outbox and travels through queues.
///
/// Names are those of CloudEvents 1.0 (`specversion`, `id`, `source`, `type`, `subject`, `time`,
/// `datacontenttype`, `data`) with Souk's extensions beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Identity; a consumer applies an id once.
    pub id: EventId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The aggregate that it is about; events of one subject arrive in order.
    pub subject: OrderId,
    /// Position among the subject's events, from 1, without gaps.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The request at the beginning of the chain.
    pub correlation_id: RequestId,
    /// The event that caused this one, if an event did.
    pub causation_id: Option<EventId>,
    /// W3C Trace Context, section 3.2, if the request carried one.
    pub traceparent: Option<String>,
    /// What happened.
    pub data: EventData,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    specversion: String,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    type_name: String,
    subject: OrderId,
    time: Timestamp,
    datacontenttype: String,
    tenant_id: TenantId,
    sequence: u64,
    correlation_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    causation_id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<String>,
    data: serde_json::Value,
}

impl Event {
    /// The envelope as JSON text of at most [`EVENT_BYTES_MAX`] bytes.
    pub fn to_json_text(&self) -> Result<String, EventError> {
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: "/souk/orders".to_owned(),
            type_name: self.data.type_name().to_owned(),
            subject: self.subject,
            time: self.time,
            datacontenttype: "application/json".to_owned(),
            tenant_id: self.tenant_id,
            sequence: self.sequence,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent.clone(),
            data: self.data.to_json()?,
        };
        let text = serde_json::to_string(&envelope).map_err(EventError::Malformed)?;
        if text.len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge { bytes: text.len() });
        }
        Ok(text)
    }

    /// Reads an envelope. An unknown type or version is told apart from a malformed text, since the
    /// first may be understood by a later version.
    pub fn from_json_text(text: &str) -> Result<Self, EventError> {
        let envelope: Envelope = serde_json::from_str(text).map_err(EventError::Malformed)?;
        Ok(Self {
            id: envelope.id,
            tenant_id: envelope.tenant_id,
            subject: envelope.subject,
            sequence: envelope.sequence,
            time: envelope.time,
            correlation_id: envelope.correlation_id,
            causation_id: envelope.causation_id,
            traceparent: envelope.traceparent,
            data: EventData::from_json(&envelope.type_name, envelope.data)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn placed() -> Event {
        let eur: Currency = "EUR".parse().unwrap();
        let order_id = OrderId::from_uuid(Uuid::from_u128(2));
        Event {
            id: EventId::from_uuid(Uuid::from_u128(1)),
            tenant_id: TenantId::from_uuid(Uuid::from_u128(3)),
            subject: order_id,
            sequence: 1,
            time: Timestamp::from_unix_ms(1_795_000_000_123).unwrap(),
            correlation_id: RequestId::from_uuid(Uuid::from_u128(4)),
            causation_id: None,
            traceparent: None,
            data: EventData::OrderPlacedV1(OrderPlacedV1 {
                order_id,
                currency: eur,
                total: Money::new(3998, eur),
                lines: vec![OrderLineV1 {
                    line_number: 1,
                    sku: "TEA-OOLONG-100G".parse().unwrap(),
                    quantity: 2,
                    unit_price: Money::new(1999, eur),
                    line_total: Money::new(3998, eur),
                }],
                customer_reference: None,
                placed_at: Timestamp::from_unix_ms(1_795_000_000_123).unwrap(),
            }),
        }
    }

    #[test]
    fn order_placed_v1_keeps_its_published_form() {
        let text = placed().to_json_text().unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_json_snapshot!("order_placed_v1", value);
        assert_eq!(Event::from_json_text(&text).unwrap(), placed());
    }

    #[test]
    fn order_cancelled_v1_keeps_its_published_form() {
        let event = Event {
            sequence: 2,
            causation_id: Some(EventId::from_uuid(Uuid::from_u128(1))),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            data: EventData::OrderCancelledV1(OrderCancelledV1 {
                order_id: OrderId::from_uuid(Uuid::from_u128(2)),
                cancelled_at: Timestamp::from_unix_ms(1_795_000_000_999).unwrap(),
            }),
            ..placed()
        };
        let text = event.to_json_text().unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_json_snapshot!("order_cancelled_v1", value);
        assert_eq!(Event::from_json_text(&text).unwrap(), event);
    }

    #[test]
    fn an_unknown_version_is_told_apart_from_garbage() {
        let text = placed().to_json_text().unwrap();
        let newer = text.replace("order.placed.v1", "order.placed.v2");
        assert!(
            matches!(Event::from_json_text(&newer), Err(EventError::UnknownType(t)) if t == "order.placed.v2")
        );
        assert!(matches!(
            Event::from_json_text("{"),
            Err(EventError::Malformed(_))
        ));
    }

    #[test]
    fn too_large_an_event_is_refused_when_written() {
        let mut event = placed();
        if let EventData::OrderPlacedV1(data) = &mut event.data {
            data.customer_reference = Some("x".repeat(EVENT_BYTES_MAX));
        }
        assert!(matches!(
            event.to_json_text(),
            Err(EventError::TooLarge { .. })
        ));
    }
}
