//! Published forms, and what is no event.

use super::*;
use crate::payment::{DisputeStatus, IntentStatus, RefundStatus};
use crate::{Currency, DisputeId, Money, OrderId, PaymentIntentId, PaymentStatus, RefundId};
use uuid::Uuid;

fn order() -> OrderId {
    OrderId::from_uuid(Uuid::from_u128(2))
}

fn placed() -> Event {
    let eur: Currency = "EUR".parse().unwrap();
    let order_id = order();
    Event {
        id: EventId::from_uuid(Uuid::from_u128(1)),
        tenant_id: TenantId::from_uuid(Uuid::from_u128(3)),
        subject: order_id.into(),
        sequence: 1,
        time: Timestamp::from_unix_ms(1_795_000_000_123).unwrap(),
        correlation_id: RequestId::from_uuid(Uuid::from_u128(4)),
        causation_id: None,
        traceparent: None,
        data: EventData::OrderPlacedV1(OrderPlacedV1 {
            order_id,
            currency: eur,
            total: Money::new(3998, eur),
            subtotal: None,
            discount: None,
            shipping: None,
            tax: None,
            tax_included: None,
            shipping_country: None,
            lines: vec![OrderLineV1 {
                line_number: 1,
                sku: "TEA-OOLONG-100G".parse().unwrap(),
                quantity: 2,
                unit_price: Money::new(1999, eur),
                line_total: Money::new(3998, eur),
                discount: None,
                tax: None,
            }],
            customer_reference: None,
            placed_at: Timestamp::from_unix_ms(1_795_000_000_123).unwrap(),
        }),
    }
}

#[test]
fn order_placed_v1_keeps_its_published_form() {
    published("order_placed_v1", &placed());
}

fn at() -> Timestamp {
    Timestamp::from_unix_ms(1_795_000_000_999).unwrap()
}

fn later(data: EventData) -> Event {
    Event {
        sequence: 2,
        causation_id: Some(EventId::from_uuid(Uuid::from_u128(1))),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        data,
        ..placed()
    }
}

fn cancelled(reason: Option<&str>) -> Event {
    later(EventData::OrderCancelledV1(OrderCancelledV1 {
        order_id: order(),
        reason: reason.map(str::to_owned),
        cancelled_at: at(),
    }))
}

/// Writes the event, compares its JSON with the snapshot, and reads it back.
fn published(name: &str, event: &Event) {
    let text = event.to_json_text().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    insta::assert_json_snapshot!(name, value);
    assert_eq!(&Event::from_json_text(&text).unwrap(), event);
}

#[test]
fn order_cancelled_v1_keeps_its_published_form() {
    published("order_cancelled_v1", &cancelled(None));
    published(
        "order_cancelled_v1_reason",
        &cancelled(Some("reservation_expired")),
    );
}

#[test]
fn order_placed_v1_tells_the_parts_of_its_total() {
    let mut event = placed();
    let eur: Currency = "EUR".parse().unwrap();
    if let EventData::OrderPlacedV1(data) = &mut event.data {
        data.subtotal = Some(Money::new(3998, eur));
        data.discount = Some(Money::zero(eur));
        data.shipping = Some(Money::zero(eur));
        data.tax = Some(Money::new(638, eur));
        data.tax_included = Some(true);
        data.shipping_country = Some("DE".to_owned());
        for line in &mut data.lines {
            line.discount = Some(Money::zero(eur));
            line.tax = Some(Money::new(638, eur));
        }
    }
    published("order_placed_v1_parts", &event);
}

#[test]
fn the_events_of_an_orders_way_keep_their_published_forms() {
    let order_id = order();
    let lines = vec![FulfilledLineV1 {
        line_number: 1,
        sku: "TEA-OOLONG-100G".parse().unwrap(),
        quantity: 1,
    }];
    published(
        "order_confirmed_v1",
        &later(EventData::OrderConfirmedV1(OrderConfirmedV1 {
            order_id,
            confirmed_at: at(),
        })),
    );
    published(
        "order_fulfilled_v1",
        &later(EventData::OrderFulfilledV1(OrderFulfilledV1 {
            order_id,
            lines,
            complete: false,
            fulfilled_at: at(),
        })),
    );
    published(
        "order_completed_v1",
        &later(EventData::OrderCompletedV1(OrderCompletedV1 {
            order_id,
            completed_at: at(),
        })),
    );
    published(
        "order_reinstated_v1",
        &later(EventData::OrderReinstatedV1(OrderReinstatedV1 {
            order_id,
            reservation_expires_at: at(),
            reinstated_at: at(),
        })),
    );
    published(
        "order_reinstatement_refused_v1",
        &later(EventData::OrderReinstatementRefusedV1(
            OrderReinstatementRefusedV1 {
                order_id,
                reason: "sold_out_before_payment".to_owned(),
                refused_at: at(),
            },
        )),
    );
}

#[test]
fn the_events_of_a_payment_keep_their_published_forms() {
    let eur: Currency = "EUR".parse().unwrap();
    let data = |payment_status, amount, refunded| OrderPaymentV1 {
        order_id: order(),
        payment_status,
        amount: Money::new(amount, eur),
        refunded: Money::new(refunded, eur),
        recorded_at: at(),
    };
    let authorized = data(PaymentStatus::Authorized, 3998, 0);
    let captured = data(PaymentStatus::Paid, 3998, 0);
    let voided = data(PaymentStatus::Voided, 3998, 0);
    let refunded = data(PaymentStatus::PartiallyRefunded, 1000, 1000);
    for (name, data) in [
        (
            "order_payment_authorized_v1",
            EventData::OrderPaymentAuthorizedV1(authorized),
        ),
        (
            "order_payment_captured_v1",
            EventData::OrderPaymentCapturedV1(captured),
        ),
        (
            "order_payment_voided_v1",
            EventData::OrderPaymentVoidedV1(voided),
        ),
        (
            "order_payment_refunded_v1",
            EventData::OrderPaymentRefundedV1(refunded),
        ),
    ] {
        published(name, &later(data));
    }
}

#[test]
fn the_events_of_payments_keep_their_published_forms() {
    let eur: Currency = "EUR".parse().unwrap();
    let intent = PaymentIntentId::from_uuid(Uuid::from_u128(5));
    let refund = RefundV1 {
        refund_id: RefundId::from_uuid(Uuid::from_u128(6)),
        payment_intent_id: intent,
        order_id: order(),
        amount: Money::new(1000, eur),
        status: RefundStatus::Succeeded,
        reason: Some("customer_request".to_owned()),
        recorded_at: at(),
    };
    let dispute = DisputeId::from_uuid(Uuid::from_u128(7));
    let disputed = DisputeV1 {
        dispute_id: dispute,
        payment_intent_id: intent,
        order_id: order(),
        amount: Money::new(1000, eur),
        status: DisputeStatus::Lost,
        reason: "fraudulent".to_owned(),
        recorded_at: at(),
    };
    let told = |status, reason: Option<&str>| PaymentIntentV1 {
        payment_intent_id: intent,
        order_id: order(),
        status,
        amount: Money::new(3998, eur),
        capturable: Money::zero(eur),
        captured: Money::new(3998, eur),
        refunded: Money::zero(eur),
        reason: reason.map(str::to_owned),
        recorded_at: at(),
    };
    let captured = told(IntentStatus::Succeeded, None);
    let failed = told(
        IntentStatus::RequiresPaymentMethod,
        Some("insufficient_funds"),
    );
    let events: [(Subject, EventData); 14] = [
        (
            intent.into(),
            EventData::PaymentIntentCreatedV1(captured.clone()),
        ),
        (
            intent.into(),
            EventData::PaymentIntentRequiresActionV1(captured.clone()),
        ),
        (
            intent.into(),
            EventData::PaymentIntentProcessingV1(captured.clone()),
        ),
        (
            intent.into(),
            EventData::PaymentIntentAuthorizedV1(captured.clone()),
        ),
        (
            intent.into(),
            EventData::PaymentIntentCapturedV1(captured.clone()),
        ),
        (intent.into(), EventData::PaymentIntentFailedV1(failed)),
        (
            intent.into(),
            EventData::PaymentIntentCanceledV1(captured.clone()),
        ),
        (
            intent.into(),
            EventData::PaymentIntentConflictedV1(captured.clone()),
        ),
        (intent.into(), EventData::PaymentIntentReviewV1(captured)),
        (intent.into(), EventData::RefundCreatedV1(refund.clone())),
        (intent.into(), EventData::RefundSucceededV1(refund.clone())),
        (intent.into(), EventData::RefundFailedV1(refund)),
        (dispute.into(), EventData::DisputeOpenedV1(disputed.clone())),
        (dispute.into(), EventData::DisputeClosedV1(disputed)),
    ];
    for (subject, data) in events {
        let name = data.type_name().replace('.', "_");
        let event = later(data);
        published(&name, &Event { subject, ..event });
    }
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
fn the_head_of_an_envelope_is_read_whatever_its_type_and_subject_are() {
    let text = placed().to_json_text().unwrap();
    let newer = text
        .replace("order.placed.v1", "crate.shipped.v7")
        .replace(&order().to_string(), "crate_7");
    let head = EventHead::of_json_text(&newer).unwrap();
    assert_eq!((head.id, head.tenant_id), (placed().id, placed().tenant_id));
    assert_eq!(
        (head.type_name.as_str(), head.subject.as_str()),
        ("crate.shipped.v7", "crate_7")
    );
    for bad in [
        "{}".to_owned(),
        text.replace("order.placed.v1", &"x".repeat(1000)),
        text.replace("order.placed.v1", ""),
        text.replace(r#""sequence":1"#, r#""sequence":0"#),
        text.replace(r#""sequence":1"#, r#""sequence":18446744073709551615"#),
    ] {
        assert!(matches!(
            EventHead::of_json_text(&bad),
            Err(EventError::Malformed(_))
        ));
    }
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
