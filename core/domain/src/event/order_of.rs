//! Which order an event concerns, whatever its subject is.

use super::EventData;
use crate::OrderId;

impl EventData {
    /// The order that what happened concerns.
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::OrderPlacedV1(data) => Some(data.order_id),
            Self::OrderConfirmedV1(data) => Some(data.order_id),
            Self::OrderFulfilledV1(data) => Some(data.order_id),
            Self::OrderCompletedV1(data) => Some(data.order_id),
            Self::OrderCancelledV1(data) => Some(data.order_id),
            Self::OrderReinstatedV1(data) => Some(data.order_id),
            Self::OrderReinstatementRefusedV1(data) => Some(data.order_id),
            Self::OrderPaymentAuthorizedV1(data)
            | Self::OrderPaymentCapturedV1(data)
            | Self::OrderPaymentVoidedV1(data)
            | Self::OrderPaymentRefundedV1(data) => Some(data.order_id),
            Self::PaymentIntentCreatedV1(data)
            | Self::PaymentIntentRequiresActionV1(data)
            | Self::PaymentIntentProcessingV1(data)
            | Self::PaymentIntentAuthorizedV1(data)
            | Self::PaymentIntentCapturedV1(data)
            | Self::PaymentIntentFailedV1(data)
            | Self::PaymentIntentCanceledV1(data)
            | Self::PaymentIntentConflictedV1(data)
            | Self::PaymentIntentReviewV1(data) => Some(data.order_id),
            Self::RefundCreatedV1(data)
            | Self::RefundSucceededV1(data)
            | Self::RefundFailedV1(data) => Some(data.order_id),
            Self::DisputeOpenedV1(data) | Self::DisputeClosedV1(data) => Some(data.order_id),
            Self::WebhookEndpointDisabledV1(_) => None,
        }
    }
}
