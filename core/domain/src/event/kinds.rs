//! Event types together with the type of their data, so that who names the one gets the other.

use super::{
    DisputeV1, EventData, EventType, OrderCancelledV1, OrderCompletedV1, OrderConfirmedV1,
    OrderFulfilledV1, OrderPaymentV1, OrderPlacedV1, OrderReinstatedV1,
    OrderReinstatementRefusedV1, PaymentIntentV1, RefundV1, WebhookEndpointDisabledV1,
};

/// An event type whose data is a `T`.
#[derive(Debug)]
pub struct EventKind<T> {
    event_type: EventType,
    open: fn(EventData) -> Option<T>,
}

impl<T> Clone for EventKind<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for EventKind<T> {}

impl<T> EventKind<T> {
    /// The type.
    pub const fn event_type(&self) -> EventType {
        self.event_type
    }

    /// The data of an event of this type; none if `data` is another's.
    pub fn open(&self, data: EventData) -> Option<T> {
        (self.open)(data)
    }
}

macro_rules! kinds {
    ($($kind:ident: $variant:ident($data:ident), $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $kind: EventKind<$data> = EventKind {
                event_type: EventType::$variant,
                open: |data| match data {
                    EventData::$variant(data) => Some(data),
                    #[allow(clippy::wildcard_enum_match_arm, reason = "one type against all others")]
                    _ => None,
                },
            };
        )*

        #[cfg(test)]
        const NAMES: &[(EventType, &str)] = &[$(($kind.event_type, $name)),*];
    };
}

kinds! {
    ORDER_PLACED_V1: OrderPlacedV1(OrderPlacedV1), "order.placed.v1";
    ORDER_CONFIRMED_V1: OrderConfirmedV1(OrderConfirmedV1), "order.confirmed.v1";
    ORDER_FULFILLED_V1: OrderFulfilledV1(OrderFulfilledV1), "order.fulfilled.v1";
    ORDER_COMPLETED_V1: OrderCompletedV1(OrderCompletedV1), "order.completed.v1";
    ORDER_CANCELLED_V1: OrderCancelledV1(OrderCancelledV1), "order.cancelled.v1";
    ORDER_REINSTATED_V1: OrderReinstatedV1(OrderReinstatedV1), "order.reinstated.v1";
    ORDER_REINSTATEMENT_REFUSED_V1: OrderReinstatementRefusedV1(OrderReinstatementRefusedV1), "order.reinstatement_refused.v1";
    ORDER_PAYMENT_AUTHORIZED_V1: OrderPaymentAuthorizedV1(OrderPaymentV1), "order.payment_authorized.v1";
    ORDER_PAYMENT_CAPTURED_V1: OrderPaymentCapturedV1(OrderPaymentV1), "order.payment_captured.v1";
    ORDER_PAYMENT_VOIDED_V1: OrderPaymentVoidedV1(OrderPaymentV1), "order.payment_voided.v1";
    ORDER_PAYMENT_REFUNDED_V1: OrderPaymentRefundedV1(OrderPaymentV1), "order.payment_refunded.v1";
    PAYMENT_INTENT_CREATED_V1: PaymentIntentCreatedV1(PaymentIntentV1), "payment_intent.created.v1";
    PAYMENT_INTENT_REQUIRES_ACTION_V1: PaymentIntentRequiresActionV1(PaymentIntentV1), "payment_intent.requires_action.v1";
    PAYMENT_INTENT_PROCESSING_V1: PaymentIntentProcessingV1(PaymentIntentV1), "payment_intent.processing.v1";
    PAYMENT_INTENT_AUTHORIZED_V1: PaymentIntentAuthorizedV1(PaymentIntentV1), "payment_intent.authorized.v1";
    PAYMENT_INTENT_CAPTURED_V1: PaymentIntentCapturedV1(PaymentIntentV1), "payment_intent.captured.v1";
    PAYMENT_INTENT_FAILED_V1: PaymentIntentFailedV1(PaymentIntentV1), "payment_intent.payment_failed.v1";
    PAYMENT_INTENT_CANCELED_V1: PaymentIntentCanceledV1(PaymentIntentV1), "payment_intent.canceled.v1";
    PAYMENT_INTENT_CONFLICTED_V1: PaymentIntentConflictedV1(PaymentIntentV1), "payment_intent.conflicted.v1";
    PAYMENT_INTENT_REVIEW_V1: PaymentIntentReviewV1(PaymentIntentV1), "payment_intent.review.v1";
    REFUND_CREATED_V1: RefundCreatedV1(RefundV1), "refund.created.v1";
    REFUND_SUCCEEDED_V1: RefundSucceededV1(RefundV1), "refund.succeeded.v1";
    REFUND_FAILED_V1: RefundFailedV1(RefundV1), "refund.failed.v1";
    DISPUTE_OPENED_V1: DisputeOpenedV1(DisputeV1), "dispute.opened.v1";
    DISPUTE_CLOSED_V1: DisputeClosedV1(DisputeV1), "dispute.closed.v1";
    WEBHOOK_ENDPOINT_DISABLED_V1: WebhookEndpointDisabledV1(WebhookEndpointDisabledV1), "webhook_endpoint.disabled.v1";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrderId, Timestamp};
    use uuid::Uuid;

    #[test]
    fn every_type_has_its_kind_under_its_own_name() {
        let named: Vec<_> = EventType::ALL.iter().map(|t| (*t, t.as_str())).collect();
        assert_eq!(NAMES, named.as_slice());
    }

    #[test]
    fn a_kind_opens_its_own_data_and_no_other() {
        let confirmed = OrderConfirmedV1 {
            order_id: OrderId::from_uuid(Uuid::from_u128(1)),
            confirmed_at: Timestamp::UNIX_EPOCH,
        };
        let data = EventData::OrderConfirmedV1(confirmed.clone());
        assert_eq!(ORDER_CONFIRMED_V1.open(data.clone()), Some(confirmed));
        assert!(ORDER_COMPLETED_V1.open(data).is_none());
    }
}
