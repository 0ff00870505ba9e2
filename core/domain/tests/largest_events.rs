//! No event that Souk can make is larger than an event may be: what is larger goes by reference, or is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use souk_domain::payment::{DisputeStatus, IntentStatus, REASON_BYTES_MAX, RefundStatus};
use souk_domain::{
    CUSTOMER_REFERENCE_CHARS_MAX, Currency, DisputeId, DisputeV1, EVENT_BYTES_MAX, Event,
    EventData, EventId, FulfilledLineV1, Money, ORDER_LINES_MAX, OrderCancelledV1,
    OrderFulfilledV1, OrderId, OrderLineV1, OrderPaymentV1, OrderPlacedV1, PaymentIntentId,
    PaymentIntentV1, PaymentStatus, QUANTITY_MAX, RefundId, RefundV1, RequestId, SKU_BYTES_MAX,
    Sku, TenantId, Timestamp, WebhookEndpointDisabledV1, WebhookEndpointId,
};
use uuid::Uuid;

/// The longest that an amount gets.
fn money() -> Money {
    Money::new(i64::MIN, euro())
}

fn euro() -> Currency {
    "EUR".parse().unwrap()
}

fn at() -> Timestamp {
    Timestamp::from_unix_ms(1_795_000_000_123).unwrap()
}

fn order() -> OrderId {
    OrderId::from_uuid(Uuid::max())
}

fn sku() -> Sku {
    "W".repeat(SKU_BYTES_MAX).parse().unwrap()
}

/// A text of which each character takes six bytes in JSON.
fn worst(chars: usize) -> String {
    "\u{1}".repeat(chars)
}

fn bytes_of(data: EventData) -> usize {
    let event = Event {
        id: EventId::from_uuid(Uuid::max()),
        tenant_id: TenantId::from_uuid(Uuid::max()),
        subject: order().into(),
        sequence: u64::MAX,
        time: at(),
        correlation_id: RequestId::from_uuid(Uuid::max()),
        causation_id: Some(EventId::from_uuid(Uuid::max())),
        // W3C Trace Context, section 3.2; the functions take nothing else over.
        traceparent: Some("0".repeat(55)),
        data,
    };
    event.to_json_text().unwrap().len()
}

#[test]
fn the_largest_order_leaves_a_third_of_the_room() {
    let line = |_| OrderLineV1 {
        line_number: u16::MAX,
        sku: sku(),
        quantity: QUANTITY_MAX,
        unit_price: money(),
        line_total: money(),
        discount: Some(money()),
        tax: Some(money()),
    };
    let bytes = bytes_of(EventData::OrderPlacedV1(OrderPlacedV1 {
        order_id: order(),
        currency: euro(),
        total: money(),
        subtotal: Some(money()),
        discount: Some(money()),
        shipping: Some(money()),
        tax: Some(money()),
        tax_included: Some(false),
        shipping_country: Some("DE".to_owned()),
        lines: (0..ORDER_LINES_MAX).map(line).collect(),
        customer_reference: Some(worst(CUSTOMER_REFERENCE_CHARS_MAX)),
        placed_at: at(),
    }));
    assert!(bytes < EVENT_BYTES_MAX * 2 / 3, "{bytes}");
}

#[test]
fn the_largest_fulfilment_leaves_three_quarters() {
    let line = |_| FulfilledLineV1 {
        line_number: u16::MAX,
        sku: sku(),
        quantity: QUANTITY_MAX,
    };
    let bytes = bytes_of(EventData::OrderFulfilledV1(OrderFulfilledV1 {
        order_id: order(),
        lines: (0..ORDER_LINES_MAX).map(line).collect(),
        complete: false,
        fulfilled_at: at(),
    }));
    assert!(bytes < EVENT_BYTES_MAX / 4, "{bytes}");
}

/// Every other type has a form of one of these: no lists, and no text longer than a reason.
#[test]
fn what_has_no_list_is_small() {
    let reason = || worst(REASON_BYTES_MAX);
    let intent = PaymentIntentId::from_uuid(Uuid::max());
    let small = [
        EventData::OrderCancelledV1(OrderCancelledV1 {
            order_id: order(),
            reason: Some(reason()),
            cancelled_at: at(),
        }),
        EventData::OrderPaymentCapturedV1(OrderPaymentV1 {
            order_id: order(),
            payment_status: PaymentStatus::PartiallyRefunded,
            amount: money(),
            refunded: money(),
            recorded_at: at(),
        }),
        EventData::PaymentIntentFailedV1(PaymentIntentV1 {
            payment_intent_id: intent,
            order_id: order(),
            status: IntentStatus::RequiresPaymentMethod,
            amount: money(),
            capturable: money(),
            captured: money(),
            refunded: money(),
            reason: Some(reason()),
            recorded_at: at(),
        }),
        EventData::RefundFailedV1(RefundV1 {
            refund_id: RefundId::from_uuid(Uuid::max()),
            payment_intent_id: intent,
            order_id: order(),
            amount: money(),
            status: RefundStatus::Succeeded,
            reason: Some(reason()),
            recorded_at: at(),
        }),
        EventData::DisputeOpenedV1(DisputeV1 {
            dispute_id: DisputeId::from_uuid(Uuid::max()),
            payment_intent_id: intent,
            order_id: order(),
            amount: money(),
            status: DisputeStatus::Open,
            reason: reason(),
            recorded_at: at(),
        }),
        EventData::WebhookEndpointDisabledV1(WebhookEndpointDisabledV1 {
            endpoint_id: WebhookEndpointId::from_uuid(Uuid::max()),
            reason: reason(),
            failing_since: at(),
            disabled_at: at(),
        }),
    ];
    for data in small {
        let name = data.type_name();
        let bytes = bytes_of(data);
        assert!(bytes < 4 * 1024, "{name}: {bytes}");
    }
}
