//! What the PSP may do, one by one.

use super::*;

fn paid() -> World {
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    world.answer(&said(ProviderStatus::Succeeded));
    world
}

fn authorized() -> World {
    let mut world = World::new(CaptureMethod::Manual);
    world.confirm().unwrap();
    world.answer(&said(ProviderStatus::RequiresCapture));
    world
}

#[test]
fn a_declined_attempt_waits_for_another_at_the_same_payment() {
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    let id = world.payment.pending_operation().unwrap().id;
    let declined = OperationOutcome::Failed {
        failure: failure("card_declined"),
        payment: Some(Box::new(declined())),
    };
    world.settle(id, declined);
    let intent = &world.payment.intent;
    assert_eq!(intent.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(intent.failure.as_ref().unwrap().code, "card_declined");
    world.confirm().unwrap();
    let second = world.payment.pending_operation().unwrap();
    let OperationKind::Authorize { existing, .. } = &second.kind else {
        panic!("{second:?}");
    };
    assert_eq!(existing.as_ref().unwrap().as_str(), "pi_at_the_psp");
    // What was said of the first attempt comes once more: it is not the second one's.
    world.observe(&super::declined());
    assert_eq!(world.payment.intent.status, IntentStatus::Processing);
    assert!(world.payment.pending_operation().is_some());
    world.answer(&said(ProviderStatus::Succeeded));
    assert_eq!(world.payment.intent.status, IntentStatus::Succeeded);
    assert_eq!(world.payment.attempt.as_ref().unwrap().number, 2);
    assert_eq!(world.order, PaymentStatus::Paid);
}

#[test]
fn an_outcome_that_nobody_knows_stays_pending_and_is_settled_by_any_door() {
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    let id = world.payment.pending_operation().unwrap().id;
    let unknown = OperationOutcome::Unknown {
        reason: "timeout".to_owned(),
    };
    world.settle(id, unknown);
    assert_eq!(world.payment.intent.status, IntentStatus::Processing);
    assert_eq!(world.payment.pending(id).unwrap().tries, 1);
    assert_eq!(world.confirm(), Err(PaymentError::OperationPending));
    assert_eq!(world.cancel(), Err(PaymentError::OperationPending));
    world.observe(&said(ProviderStatus::Succeeded));
    assert!(world.payment.pending(id).is_none());
    assert_eq!(world.payment.intent.status, IntentStatus::Succeeded);
    // The answer that comes at last changes nothing.
    let failed = OperationOutcome::Failed {
        failure: failure("late"),
        payment: None,
    };
    world.settle(id, failed);
    assert_eq!(world.payment.intent.status, IntentStatus::Succeeded);
}

#[test]
fn what_was_not_sent_is_given_up_once_and_else_waited_for() {
    let not_sent = || OperationOutcome::NotSent {
        reason: "breaker open".to_owned(),
    };
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    let id = world.payment.pending_operation().unwrap().id;
    world.settle(id, not_sent());
    assert_eq!(
        world.payment.intent.status,
        IntentStatus::RequiresPaymentMethod
    );
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    let id = world.payment.pending_operation().unwrap().id;
    let unknown = OperationOutcome::Unknown {
        reason: "timeout".to_owned(),
    };
    world.settle(id, unknown);
    world.settle(id, not_sent());
    assert!(
        world.payment.pending(id).is_some(),
        "it may have had its effect"
    );
}

#[test]
fn an_answer_that_does_not_tell_counts_as_a_try() {
    let mut world = authorized();
    world.capture(None, true).unwrap();
    let id = world.payment.pending_operation().unwrap().id;
    world.answer(&said(ProviderStatus::RequiresCapture));
    assert_eq!(world.payment.pending(id).unwrap().tries, 1);
    let wrong = ProviderPayment {
        amount: euro(7),
        ..said(ProviderStatus::RequiresCapture)
    };
    world.answer(&wrong);
    assert_eq!(world.payment.intent.status, IntentStatus::Conflicted);
    assert_eq!(world.payment.pending(id).unwrap().tries, 2);
}

#[test]
fn another_amount_is_a_conflict_that_books_nothing_and_heals() {
    let mut world = World::new(CaptureMethod::Automatic);
    world.confirm().unwrap();
    let wrong = ProviderPayment {
        amount: euro(AMOUNT + 1),
        captured: euro(AMOUNT + 1),
        ..said(ProviderStatus::Succeeded)
    };
    world.observe(&wrong);
    assert_eq!(world.payment.intent.status, IntentStatus::Conflicted);
    assert_eq!(world.payment.intent.reason.as_deref(), Some("amount"));
    assert_eq!(world.payment.intent.captured, euro(0));
    world.observe(&said(ProviderStatus::Succeeded));
    assert_eq!(world.payment.intent.status, IntentStatus::Succeeded);
    world.observe(&wrong);
    assert_eq!(world.payment.intent.status, IntentStatus::Review);
    let dollars = ProviderPayment {
        amount: Money::new(AMOUNT, "USD".parse().unwrap()),
        ..said(ProviderStatus::Processing)
    };
    assert_eq!(world.payment.contradiction(&dollars), Some("currency"));
}

#[test]
fn a_second_payment_is_passed_over_until_it_may_hold_money() {
    let mut world = paid();
    let other = |status| ProviderPayment {
        id: "pi_other".parse().unwrap(),
        ..said(status)
    };
    let before = world.payment.clone();
    world.observe(&other(ProviderStatus::RequiresPaymentMethod));
    world.observe(&other(ProviderStatus::Canceled));
    assert_eq!(world.payment, before);
    world.observe(&other(ProviderStatus::RequiresCapture));
    assert_eq!(world.payment.intent.status, IntentStatus::Review);
    assert_eq!(
        world.payment.intent.reason.as_deref(),
        Some("second_payment")
    );
}

#[test]
fn money_that_nobody_asked_for_is_booked_and_reviewed() {
    let mut world = authorized();
    world.observe(&said(ProviderStatus::Succeeded));
    let intent = &world.payment.intent;
    assert_eq!(intent.status, IntentStatus::Review);
    assert_eq!(intent.reason.as_deref(), Some("captured_unasked"));
    assert_eq!(intent.captured, euro(AMOUNT));
    assert_eq!(world.order, PaymentStatus::Paid, "the order shows it");
    world.refund(None).unwrap();

    let mut world = authorized();
    world.cancel().unwrap();
    world.answer(&said(ProviderStatus::Canceled));
    assert_eq!(world.order, PaymentStatus::Voided);
    world.observe(&said(ProviderStatus::Succeeded));
    let intent = &world.payment.intent;
    assert_eq!(intent.status, IntentStatus::Review);
    assert_eq!(intent.captured, euro(AMOUNT));
}

#[test]
fn an_order_is_paid_when_its_intent_has_succeeded() {
    let mut world = authorized();
    assert_eq!(world.order, PaymentStatus::Authorized);
    world.capture(Some(300), false).unwrap();
    let part = ProviderPayment {
        captured: euro(300),
        capturable: euro(700),
        ..said(ProviderStatus::RequiresCapture)
    };
    world.answer(&part);
    assert_eq!(world.order, PaymentStatus::Authorized);
    assert_eq!(
        world.refund(None),
        Err(PaymentError::NotRefundable {
            status: IntentStatus::RequiresCapture
        })
    );
    assert_eq!(world.cancel(), Err(PaymentError::PartlyCaptured));
    assert_eq!(
        world.capture(Some(701), true),
        Err(PaymentError::CaptureExceeds {
            capturable: euro(700)
        })
    );
    world.capture(Some(200), true).unwrap();
    let last = ProviderPayment {
        captured: euro(500),
        ..said(ProviderStatus::Succeeded)
    };
    world.answer(&last);
    assert_eq!(world.payment.intent.status, IntentStatus::Succeeded);
    assert_eq!(world.payment.intent.captured, euro(500));
    assert_eq!(world.order, PaymentStatus::Paid);
}

#[test]
fn refunds_take_their_share_before_the_psp_has_spoken() {
    let mut world = paid();
    let first = world.refund(Some(600)).unwrap();
    assert_eq!(
        world.refund(Some(401)),
        Err(PaymentError::RefundExceeds {
            refundable: euro(400)
        })
    );
    let second = world.refund(Some(400)).unwrap();
    assert_eq!(world.payment.operations.len(), 2, "each refund is its own");
    // The first is refused: what it kept is free again.
    let id = world.payment.operations[0].id;
    let refused = OperationOutcome::Failed {
        failure: failure("charge_disputed"),
        payment: None,
    };
    world.settle(id, refused);
    assert_eq!(world.payment.refundable(), euro(600));
    assert_eq!(world.payment.refunds[0].id, first);
    assert_eq!(world.payment.refunds[0].status, RefundStatus::Failed);
    let shown = ProviderPayment {
        refunds: vec![told_refund(second, 400, ProviderRefundStatus::Succeeded)],
        ..said(ProviderStatus::Succeeded)
    };
    world.observe(&shown);
    assert_eq!(world.payment.operations.len(), 0);
    assert_eq!(world.payment.intent.refunded, euro(400));
    assert_eq!(world.order, PaymentStatus::PartiallyRefunded);
}

#[test]
fn a_refund_that_comes_back_is_booked_back_and_reviewed() {
    let mut world = paid();
    let refund = world.refund(None).unwrap();
    let shown = |status| ProviderPayment {
        refunds: vec![told_refund(refund, AMOUNT, status)],
        ..said(ProviderStatus::Succeeded)
    };
    world.observe(&shown(ProviderRefundStatus::Succeeded));
    assert_eq!(world.order, PaymentStatus::Refunded);
    world.observe(&shown(ProviderRefundStatus::Failed));
    assert_eq!(world.payment.intent.refunded, euro(0));
    assert_eq!(world.payment.intent.status, IntentStatus::Review);
    assert_eq!(
        world.payment.intent.reason.as_deref(),
        Some("refund_came_back")
    );
    world.observe(&shown(ProviderRefundStatus::Succeeded));
    assert_eq!(
        world.payment.refunds[0].status,
        RefundStatus::Failed,
        "final stays final"
    );
}

fn disputed(minor: i64, status: ProviderDisputeStatus, funds_withdrawn: bool) -> ProviderDispute {
    ProviderDispute {
        id: "dp_at_the_psp".to_owned(),
        payment: "pi_at_the_psp".parse().unwrap(),
        amount: euro(minor),
        status,
        reason: "fraudulent".to_owned(),
        funds_withdrawn,
        created_at: at(5),
    }
}

#[test]
fn what_is_disputed_is_not_refunded_as_well() {
    let id = crate::DisputeId::from_uuid(Uuid::from_u128(9));
    let payment = paid().payment;
    let open = disputed(700, ProviderDisputeStatus::Open, true);
    let seen = payment.observe_dispute(None, &open, euro(0), (at(9), id));
    assert_eq!(seen.events.len(), 1);
    assert_eq!(seen.transfers.len(), 1);
    let payment = seen.payment.payment;
    assert_eq!(payment.refundable(), euro(300));
    // The same once more, and later the merchant wins: the money comes back, and can be refunded.
    let again = payment.observe_dispute(Some(seen.dispute.clone()), &open, euro(0), (at(10), id));
    assert!(again.events.is_empty() && again.transfers.is_empty());
    let won = disputed(700, ProviderDisputeStatus::Won, false);
    let seen =
        again
            .payment
            .payment
            .observe_dispute(Some(again.dispute), &won, euro(0), (at(11), id));
    assert_eq!(seen.dispute.status, DisputeStatus::Won);
    assert_eq!(seen.transfers.len(), 1);
    assert_eq!(seen.payment.payment.refundable(), euro(AMOUNT));
    let late =
        seen.payment
            .payment
            .observe_dispute(Some(seen.dispute), &open, euro(0), (at(12), id));
    assert_eq!(late.dispute.status, DisputeStatus::Won, "decided once");
    assert!(late.transfers.is_empty());
}

#[test]
fn a_refund_and_a_dispute_of_the_same_money_are_reviewed() {
    let id = crate::DisputeId::from_uuid(Uuid::from_u128(9));
    let mut world = paid();
    let refund = world.refund(Some(600)).unwrap();
    let shown = ProviderPayment {
        refunds: vec![told_refund(refund, 600, ProviderRefundStatus::Succeeded)],
        ..said(ProviderStatus::Succeeded)
    };
    world.observe(&shown);
    let open = disputed(600, ProviderDisputeStatus::Open, true);
    let seen = world
        .payment
        .observe_dispute(None, &open, euro(0), (at(9), id));
    let intent = seen.payment.payment.intent;
    assert_eq!(intent.status, IntentStatus::Review);
    assert_eq!(intent.reason.as_deref(), Some("refunded_and_disputed"));
}

#[test]
fn an_event_tells_the_psps_word_and_not_whatever_it_may_answer() {
    let id = crate::DisputeId::from_uuid(Uuid::from_u128(9));
    let open = ProviderDispute {
        reason: "é".repeat(100_000),
        ..disputed(700, ProviderDisputeStatus::Open, true)
    };
    let seen = paid()
        .payment
        .observe_dispute(None, &open, euro(0), (at(9), id));
    assert_eq!(seen.dispute.reason, open.reason, "what is stored is whole");
    let [crate::EventData::DisputeOpenedV1(told)] = seen.events.as_slice() else {
        panic!("{:?}", seen.events);
    };
    assert_eq!(told.reason, "é".repeat(REASON_BYTES_MAX / 2));
}
