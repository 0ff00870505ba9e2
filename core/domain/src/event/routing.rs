//! Which queues an event goes to: decided by its type alone, so that a relay needs not read the rest.

use super::EventData;
use core::fmt;
use core::str::FromStr;

/// A queue that takes events: one for each consumer, so that a consumer that stands still holds up no
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The read models.
    ReadModels,
    /// The order process.
    OrderProcess,
    /// The webhooks to the tenants' own systems.
    Webhooks,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::ReadModels, Self::OrderProcess, Self::Webhooks];

    /// The types of the events that go to it.
    pub fn event_types(self) -> impl Iterator<Item = EventType> {
        EventType::ALL
            .into_iter()
            .filter(move |event_type| event_type.queues().contains(&self))
    }

    /// The name in configuration and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadModels => "read_models",
            Self::OrderProcess => "order_process",
            Self::Webhooks => "webhooks",
        }
    }

    /// The name of its consumer, in the inbox and beside what that has parked.
    pub const fn consumer(self) -> &'static str {
        match self {
            Self::ReadModels => "read-models",
            Self::OrderProcess => "order-process",
            Self::Webhooks => "webhooks",
        }
    }
}

/// A text that names no queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a queue is one of read_models, order_process, webhooks")]
pub struct UnknownQueue;

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(name: &str) -> Result<Self, UnknownQueue> {
        Self::ALL
            .into_iter()
            .find(|queue| queue.as_str() == name)
            .ok_or(UnknownQueue)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A type of event, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// `order.placed.v1`
    OrderPlacedV1,
    /// `order.confirmed.v1`
    OrderConfirmedV1,
    /// `order.fulfilled.v1`
    OrderFulfilledV1,
    /// `order.completed.v1`
    OrderCompletedV1,
    /// `order.cancelled.v1`
    OrderCancelledV1,
    /// `order.reinstated.v1`
    OrderReinstatedV1,
    /// `order.reinstatement_refused.v1`
    OrderReinstatementRefusedV1,
    /// `order.payment_authorized.v1`
    OrderPaymentAuthorizedV1,
    /// `order.payment_captured.v1`
    OrderPaymentCapturedV1,
    /// `order.payment_voided.v1`
    OrderPaymentVoidedV1,
    /// `order.payment_refunded.v1`
    OrderPaymentRefundedV1,
    /// `payment_intent.created.v1`
    PaymentIntentCreatedV1,
    /// `payment_intent.requires_action.v1`
    PaymentIntentRequiresActionV1,
    /// `payment_intent.processing.v1`
    PaymentIntentProcessingV1,
    /// `payment_intent.authorized.v1`
    PaymentIntentAuthorizedV1,
    /// `payment_intent.captured.v1`
    PaymentIntentCapturedV1,
    /// `payment_intent.payment_failed.v1`
    PaymentIntentFailedV1,
    /// `payment_intent.canceled.v1`
    PaymentIntentCanceledV1,
    /// `payment_intent.conflicted.v1`
    PaymentIntentConflictedV1,
    /// `payment_intent.review.v1`
    PaymentIntentReviewV1,
    /// `refund.created.v1`
    RefundCreatedV1,
    /// `refund.succeeded.v1`
    RefundSucceededV1,
    /// `refund.failed.v1`
    RefundFailedV1,
    /// `dispute.opened.v1`
    DisputeOpenedV1,
    /// `dispute.closed.v1`
    DisputeClosedV1,
    /// `webhook_endpoint.disabled.v1`
    WebhookEndpointDisabledV1,
}

/// A text that names no event type that is known here: that of a later version, perhaps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type {0:?}")]
pub struct UnknownEventType(pub String);

impl EventType {
    /// Every type.
    pub const ALL: [Self; 26] = [
        Self::OrderPlacedV1,
        Self::OrderConfirmedV1,
        Self::OrderFulfilledV1,
        Self::OrderCompletedV1,
        Self::OrderCancelledV1,
        Self::OrderReinstatedV1,
        Self::OrderReinstatementRefusedV1,
        Self::OrderPaymentAuthorizedV1,
        Self::OrderPaymentCapturedV1,
        Self::OrderPaymentVoidedV1,
        Self::OrderPaymentRefundedV1,
        Self::PaymentIntentCreatedV1,
        Self::PaymentIntentRequiresActionV1,
        Self::PaymentIntentProcessingV1,
        Self::PaymentIntentAuthorizedV1,
        Self::PaymentIntentCapturedV1,
        Self::PaymentIntentFailedV1,
        Self::PaymentIntentCanceledV1,
        Self::PaymentIntentConflictedV1,
        Self::PaymentIntentReviewV1,
        Self::RefundCreatedV1,
        Self::RefundSucceededV1,
        Self::RefundFailedV1,
        Self::DisputeOpenedV1,
        Self::DisputeClosedV1,
        Self::WebhookEndpointDisabledV1,
    ];

    /// `type` of the envelope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderPlacedV1 => "order.placed.v1",
            Self::OrderConfirmedV1 => "order.confirmed.v1",
            Self::OrderFulfilledV1 => "order.fulfilled.v1",
            Self::OrderCompletedV1 => "order.completed.v1",
            Self::OrderCancelledV1 => "order.cancelled.v1",
            Self::OrderReinstatedV1 => "order.reinstated.v1",
            Self::OrderReinstatementRefusedV1 => "order.reinstatement_refused.v1",
            Self::OrderPaymentAuthorizedV1 => "order.payment_authorized.v1",
            Self::OrderPaymentCapturedV1 => "order.payment_captured.v1",
            Self::OrderPaymentVoidedV1 => "order.payment_voided.v1",
            Self::OrderPaymentRefundedV1 => "order.payment_refunded.v1",
            Self::PaymentIntentCreatedV1 => "payment_intent.created.v1",
            Self::PaymentIntentRequiresActionV1 => "payment_intent.requires_action.v1",
            Self::PaymentIntentProcessingV1 => "payment_intent.processing.v1",
            Self::PaymentIntentAuthorizedV1 => "payment_intent.authorized.v1",
            Self::PaymentIntentCapturedV1 => "payment_intent.captured.v1",
            Self::PaymentIntentFailedV1 => "payment_intent.payment_failed.v1",
            Self::PaymentIntentCanceledV1 => "payment_intent.canceled.v1",
            Self::PaymentIntentConflictedV1 => "payment_intent.conflicted.v1",
            Self::PaymentIntentReviewV1 => "payment_intent.review.v1",
            Self::RefundCreatedV1 => "refund.created.v1",
            Self::RefundSucceededV1 => "refund.succeeded.v1",
            Self::RefundFailedV1 => "refund.failed.v1",
            Self::DisputeOpenedV1 => "dispute.opened.v1",
            Self::DisputeClosedV1 => "dispute.closed.v1",
            Self::WebhookEndpointDisabledV1 => "webhook_endpoint.disabled.v1",
        }
    }

    /// The queues that an event of this type goes to, at least one.
    ///
    /// What is told of orders concerns the read models, the order process and the tenant; what is told
    /// of payments, refunds and disputes the latter two. The read models' consumer refuses what does
    /// not follow an order's last event, so nothing of another subject may go there.
    pub const fn queues(self) -> &'static [Queue] {
        match self {
            Self::OrderPlacedV1
            | Self::OrderConfirmedV1
            | Self::OrderFulfilledV1
            | Self::OrderCompletedV1
            | Self::OrderCancelledV1
            | Self::OrderReinstatedV1
            | Self::OrderReinstatementRefusedV1
            | Self::OrderPaymentAuthorizedV1
            | Self::OrderPaymentCapturedV1
            | Self::OrderPaymentVoidedV1
            | Self::OrderPaymentRefundedV1 => {
                &[Queue::ReadModels, Queue::OrderProcess, Queue::Webhooks]
            }
            Self::PaymentIntentCreatedV1
            | Self::PaymentIntentRequiresActionV1
            | Self::PaymentIntentProcessingV1
            | Self::PaymentIntentAuthorizedV1
            | Self::PaymentIntentCapturedV1
            | Self::PaymentIntentFailedV1
            | Self::PaymentIntentCanceledV1
            | Self::PaymentIntentConflictedV1
            | Self::PaymentIntentReviewV1
            | Self::RefundCreatedV1
            | Self::RefundSucceededV1
            | Self::RefundFailedV1
            | Self::DisputeOpenedV1
            | Self::DisputeClosedV1 => &[Queue::OrderProcess, Queue::Webhooks],
            // For the tenant's other endpoints.
            Self::WebhookEndpointDisabledV1 => &[Queue::Webhooks],
        }
    }
}

impl EventData {
    /// Its type.
    pub const fn event_type(&self) -> EventType {
        match self {
            Self::OrderPlacedV1(_) => EventType::OrderPlacedV1,
            Self::OrderConfirmedV1(_) => EventType::OrderConfirmedV1,
            Self::OrderFulfilledV1(_) => EventType::OrderFulfilledV1,
            Self::OrderCompletedV1(_) => EventType::OrderCompletedV1,
            Self::OrderCancelledV1(_) => EventType::OrderCancelledV1,
            Self::OrderReinstatedV1(_) => EventType::OrderReinstatedV1,
            Self::OrderReinstatementRefusedV1(_) => EventType::OrderReinstatementRefusedV1,
            Self::OrderPaymentAuthorizedV1(_) => EventType::OrderPaymentAuthorizedV1,
            Self::OrderPaymentCapturedV1(_) => EventType::OrderPaymentCapturedV1,
            Self::OrderPaymentVoidedV1(_) => EventType::OrderPaymentVoidedV1,
            Self::OrderPaymentRefundedV1(_) => EventType::OrderPaymentRefundedV1,
            Self::PaymentIntentCreatedV1(_) => EventType::PaymentIntentCreatedV1,
            Self::PaymentIntentRequiresActionV1(_) => EventType::PaymentIntentRequiresActionV1,
            Self::PaymentIntentProcessingV1(_) => EventType::PaymentIntentProcessingV1,
            Self::PaymentIntentAuthorizedV1(_) => EventType::PaymentIntentAuthorizedV1,
            Self::PaymentIntentCapturedV1(_) => EventType::PaymentIntentCapturedV1,
            Self::PaymentIntentFailedV1(_) => EventType::PaymentIntentFailedV1,
            Self::PaymentIntentCanceledV1(_) => EventType::PaymentIntentCanceledV1,
            Self::PaymentIntentConflictedV1(_) => EventType::PaymentIntentConflictedV1,
            Self::PaymentIntentReviewV1(_) => EventType::PaymentIntentReviewV1,
            Self::RefundCreatedV1(_) => EventType::RefundCreatedV1,
            Self::RefundSucceededV1(_) => EventType::RefundSucceededV1,
            Self::RefundFailedV1(_) => EventType::RefundFailedV1,
            Self::DisputeOpenedV1(_) => EventType::DisputeOpenedV1,
            Self::DisputeClosedV1(_) => EventType::DisputeClosedV1,
            Self::WebhookEndpointDisabledV1(_) => EventType::WebhookEndpointDisabledV1,
        }
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(name: &str) -> Result<Self, UnknownEventType> {
        Self::ALL
            .into_iter()
            .find(|event_type| event_type.as_str() == name)
            .ok_or_else(|| UnknownEventType(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_has_a_name_of_its_own_and_goes_somewhere_once() {
        let names: BTreeSet<&str> = EventType::ALL.iter().map(|t| t.as_str()).collect();
        assert_eq!(names.len(), EventType::ALL.len());
        for event_type in EventType::ALL {
            assert_eq!(event_type.as_str().parse(), Ok(event_type));
            let queues = event_type.queues();
            let distinct: BTreeSet<Queue> = queues.iter().copied().collect();
            assert!(!queues.is_empty() && distinct.len() == queues.len());
        }
        assert!("order.placed.v2".parse::<EventType>().is_err());
    }

    #[test]
    fn read_models_get_what_is_told_of_orders_and_nothing_else() {
        for event_type in EventType::ALL {
            let of_order = event_type.as_str().starts_with("order.");
            let to_read_models = event_type.queues().contains(&Queue::ReadModels);
            assert_eq!(of_order, to_read_models, "{event_type:?}");
        }
    }

    #[test]
    fn every_queue_has_a_name_that_leads_back_to_it() {
        for queue in Queue::ALL {
            assert_eq!(queue.as_str().parse(), Ok(queue));
        }
        assert_eq!("Webhooks".parse::<Queue>(), Err(UnknownQueue));
    }
}
