//! Events: what happened, in CloudEvents 1.0 names, with one type per version of a fact.

mod head;
pub mod kinds;
mod order;
mod order_of;
mod payment;
mod routing;
mod subject;
#[cfg(test)]
mod tests;
mod webhook;

pub use head::EventHead;
pub use kinds::EventKind;
pub use order::{
    FulfilledLineV1, OrderCancelledV1, OrderCompletedV1, OrderConfirmedV1, OrderFulfilledV1,
    OrderLineV1, OrderPaymentV1, OrderPlacedV1, OrderReinstatedV1, OrderReinstatementRefusedV1,
};
pub use payment::{DisputeV1, PaymentIntentV1, RefundV1};
pub use routing::{EventType, Queue, UnknownEventType, UnknownQueue};
pub use subject::Subject;
pub use webhook::WebhookEndpointDisabledV1;

use crate::{EventId, RequestId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// Bytes of an event's JSON text at most: checked when it is written, so that no relay ever holds
/// an event that the queue would refuse.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// The facts that Souk tells, each with its version. A published version never changes its form;
/// a new form is a new variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventData {
    /// `order.placed.v1`
    OrderPlacedV1(OrderPlacedV1),
    /// `order.confirmed.v1`
    OrderConfirmedV1(OrderConfirmedV1),
    /// `order.fulfilled.v1`
    OrderFulfilledV1(OrderFulfilledV1),
    /// `order.completed.v1`
    OrderCompletedV1(OrderCompletedV1),
    /// `order.cancelled.v1`
    OrderCancelledV1(OrderCancelledV1),
    /// `order.reinstated.v1`
    OrderReinstatedV1(OrderReinstatedV1),
    /// `order.reinstatement_refused.v1`
    OrderReinstatementRefusedV1(OrderReinstatementRefusedV1),
    /// `order.payment_authorized.v1`
    OrderPaymentAuthorizedV1(OrderPaymentV1),
    /// `order.payment_captured.v1`
    OrderPaymentCapturedV1(OrderPaymentV1),
    /// `order.payment_voided.v1`
    OrderPaymentVoidedV1(OrderPaymentV1),
    /// `order.payment_refunded.v1`
    OrderPaymentRefundedV1(OrderPaymentV1),
    /// `payment_intent.created.v1`
    PaymentIntentCreatedV1(PaymentIntentV1),
    /// `payment_intent.requires_action.v1`
    PaymentIntentRequiresActionV1(PaymentIntentV1),
    /// `payment_intent.processing.v1`
    PaymentIntentProcessingV1(PaymentIntentV1),
    /// `payment_intent.authorized.v1`
    PaymentIntentAuthorizedV1(PaymentIntentV1),
    /// `payment_intent.captured.v1`
    PaymentIntentCapturedV1(PaymentIntentV1),
    /// `payment_intent.payment_failed.v1`
    PaymentIntentFailedV1(PaymentIntentV1),
    /// `payment_intent.canceled.v1`
    PaymentIntentCanceledV1(PaymentIntentV1),
    /// `payment_intent.conflicted.v1`
    PaymentIntentConflictedV1(PaymentIntentV1),
    /// `payment_intent.review.v1`
    PaymentIntentReviewV1(PaymentIntentV1),
    /// `refund.created.v1`
    RefundCreatedV1(RefundV1),
    /// `refund.succeeded.v1`
    RefundSucceededV1(RefundV1),
    /// `refund.failed.v1`
    RefundFailedV1(RefundV1),
    /// `dispute.opened.v1`
    DisputeOpenedV1(DisputeV1),
    /// `dispute.closed.v1`
    DisputeClosedV1(DisputeV1),
    /// `webhook_endpoint.disabled.v1`
    WebhookEndpointDisabledV1(WebhookEndpointDisabledV1),
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
            Self::OrderConfirmedV1(_) => "order.confirmed.v1",
            Self::OrderFulfilledV1(_) => "order.fulfilled.v1",
            Self::OrderCompletedV1(_) => "order.completed.v1",
            Self::OrderCancelledV1(_) => "order.cancelled.v1",
            Self::OrderReinstatedV1(_) => "order.reinstated.v1",
            Self::OrderReinstatementRefusedV1(_) => "order.reinstatement_refused.v1",
            Self::OrderPaymentAuthorizedV1(_) => "order.payment_authorized.v1",
            Self::OrderPaymentCapturedV1(_) => "order.payment_captured.v1",
            Self::OrderPaymentVoidedV1(_) => "order.payment_voided.v1",
            Self::OrderPaymentRefundedV1(_) => "order.payment_refunded.v1",
            Self::PaymentIntentCreatedV1(_) => "payment_intent.created.v1",
            Self::PaymentIntentRequiresActionV1(_) => "payment_intent.requires_action.v1",
            Self::PaymentIntentProcessingV1(_) => "payment_intent.processing.v1",
            Self::PaymentIntentAuthorizedV1(_) => "payment_intent.authorized.v1",
            Self::PaymentIntentCapturedV1(_) => "payment_intent.captured.v1",
            Self::PaymentIntentFailedV1(_) => "payment_intent.payment_failed.v1",
            Self::PaymentIntentCanceledV1(_) => "payment_intent.canceled.v1",
            Self::PaymentIntentConflictedV1(_) => "payment_intent.conflicted.v1",
            Self::PaymentIntentReviewV1(_) => "payment_intent.review.v1",
            Self::RefundCreatedV1(_) => "refund.created.v1",
            Self::RefundSucceededV1(_) => "refund.succeeded.v1",
            Self::RefundFailedV1(_) => "refund.failed.v1",
            Self::DisputeOpenedV1(_) => "dispute.opened.v1",
            Self::DisputeClosedV1(_) => "dispute.closed.v1",
            Self::WebhookEndpointDisabledV1(_) => "webhook_endpoint.disabled.v1",
        }
    }

    /// `data` of the envelope.
    pub fn to_json(&self) -> Result<serde_json::Value, EventError> {
        match self {
            Self::OrderPlacedV1(data) => serde_json::to_value(data),
            Self::OrderConfirmedV1(data) => serde_json::to_value(data),
            Self::OrderFulfilledV1(data) => serde_json::to_value(data),
            Self::OrderCompletedV1(data) => serde_json::to_value(data),
            Self::OrderCancelledV1(data) => serde_json::to_value(data),
            Self::OrderReinstatedV1(data) => serde_json::to_value(data),
            Self::OrderReinstatementRefusedV1(data) => serde_json::to_value(data),
            Self::OrderPaymentAuthorizedV1(data)
            | Self::OrderPaymentCapturedV1(data)
            | Self::OrderPaymentVoidedV1(data)
            | Self::OrderPaymentRefundedV1(data) => serde_json::to_value(data),
            Self::PaymentIntentCreatedV1(data)
            | Self::PaymentIntentRequiresActionV1(data)
            | Self::PaymentIntentProcessingV1(data)
            | Self::PaymentIntentAuthorizedV1(data)
            | Self::PaymentIntentCapturedV1(data)
            | Self::PaymentIntentFailedV1(data)
            | Self::PaymentIntentCanceledV1(data)
            | Self::PaymentIntentConflictedV1(data)
            | Self::PaymentIntentReviewV1(data) => serde_json::to_value(data),
            Self::RefundCreatedV1(data)
            | Self::RefundSucceededV1(data)
            | Self::RefundFailedV1(data) => serde_json::to_value(data),
            Self::DisputeOpenedV1(data) | Self::DisputeClosedV1(data) => serde_json::to_value(data),
            Self::WebhookEndpointDisabledV1(data) => serde_json::to_value(data),
        }
        .map_err(EventError::Malformed)
    }

    /// Reads `data` according to `type_name`.
    pub fn from_json(type_name: &str, data: serde_json::Value) -> Result<Self, EventError> {
        match type_name {
            "order.placed.v1" => serde_json::from_value(data).map(Self::OrderPlacedV1),
            "order.confirmed.v1" => serde_json::from_value(data).map(Self::OrderConfirmedV1),
            "order.fulfilled.v1" => serde_json::from_value(data).map(Self::OrderFulfilledV1),
            "order.completed.v1" => serde_json::from_value(data).map(Self::OrderCompletedV1),
            "order.cancelled.v1" => serde_json::from_value(data).map(Self::OrderCancelledV1),
            "order.reinstated.v1" => serde_json::from_value(data).map(Self::OrderReinstatedV1),
            "order.reinstatement_refused.v1" => {
                serde_json::from_value(data).map(Self::OrderReinstatementRefusedV1)
            }
            "order.payment_authorized.v1" => {
                serde_json::from_value(data).map(Self::OrderPaymentAuthorizedV1)
            }
            "order.payment_captured.v1" => {
                serde_json::from_value(data).map(Self::OrderPaymentCapturedV1)
            }
            "order.payment_voided.v1" => {
                serde_json::from_value(data).map(Self::OrderPaymentVoidedV1)
            }
            "order.payment_refunded.v1" => {
                serde_json::from_value(data).map(Self::OrderPaymentRefundedV1)
            }
            "payment_intent.created.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentCreatedV1)
            }
            "payment_intent.requires_action.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentRequiresActionV1)
            }
            "payment_intent.processing.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentProcessingV1)
            }
            "payment_intent.authorized.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentAuthorizedV1)
            }
            "payment_intent.captured.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentCapturedV1)
            }
            "payment_intent.payment_failed.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentFailedV1)
            }
            "payment_intent.canceled.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentCanceledV1)
            }
            "payment_intent.conflicted.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentConflictedV1)
            }
            "payment_intent.review.v1" => {
                serde_json::from_value(data).map(Self::PaymentIntentReviewV1)
            }
            "refund.created.v1" => serde_json::from_value(data).map(Self::RefundCreatedV1),
            "refund.succeeded.v1" => serde_json::from_value(data).map(Self::RefundSucceededV1),
            "refund.failed.v1" => serde_json::from_value(data).map(Self::RefundFailedV1),
            "dispute.opened.v1" => serde_json::from_value(data).map(Self::DisputeOpenedV1),
            "dispute.closed.v1" => serde_json::from_value(data).map(Self::DisputeClosedV1),
            "webhook_endpoint.disabled.v1" => {
                serde_json::from_value(data).map(Self::WebhookEndpointDisabledV1)
            }
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
    pub subject: Subject,
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
    subject: Subject,
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
            source: self.subject.source().to_owned(),
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
