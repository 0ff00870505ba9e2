//! The ways of a payment.

use crate::shop::{PRICE, Shop, once, text};
use souk_app::AppError;
use souk_app::payments::{
    ConfirmPaymentIntent, CreatePaymentIntent, confirm_payment_intent, create_payment_intent,
    get_payment_intent, get_refund, list_payment_attempts, list_payment_intents, list_refunds,
};
use souk_domain::payment::{
    AttemptStatus, CaptureMethod, IntentStatus, PaymentError, PaymentIntentFilter, RefundStatus,
};
use souk_domain::{OrderId, PaymentIntentId, PaymentStatus};
use souk_testkit::{PspAnswer, TestTenant};

const TOTAL: i64 = 4 * PRICE;

#[tokio::test]
async fn one_call_pays_an_order_and_books_it() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let paid = shop.intent(intent).await;
    assert_eq!(paid.status, IntentStatus::Succeeded);
    assert_eq!(paid.amount.amount_minor(), TOTAL);
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Paid);
    assert_eq!((shop.psp.calls(), shop.psp.charges()), (1, 1));
    shop.assert_psp_agrees(intent).await;
    // Each event of an aggregate has its place: created, captured; placed, captured.
    let gaps = "SELECT count(*) FROM (SELECT aggregate_id, max(sequence) AS last, count(*) AS n \
                FROM souk.outbox_events GROUP BY aggregate_id) e WHERE last <> n OR n <> 2";
    assert_eq!(shop.db.number(gaps).await, 0);
}

#[tokio::test]
async fn an_authorization_is_captured_in_parts_and_refunded_in_parts() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    assert_eq!(shop.status(intent).await, IntentStatus::RequiresCapture);
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Authorized);
    shop.capture("c1", intent, Some(300), false).await.unwrap();
    assert_eq!(
        shop.intent(intent).await.capturable.amount_minor(),
        TOTAL - 300
    );
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Authorized);
    let early = shop.refund("r0", intent, None).await.unwrap_err();
    assert!(matches!(
        early,
        AppError::Payment(PaymentError::NotRefundable { .. })
    ));
    shop.capture("c2", intent, Some(200), true).await.unwrap();
    let captured = shop.intent(intent).await;
    assert_eq!(captured.status, IntentStatus::Succeeded);
    assert_eq!(captured.captured.amount_minor(), 500);
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Paid);
    for (key, amount) in [("r1", Some(100)), ("r2", None)] {
        let refunded = shop.refund(key, intent, amount).await.unwrap();
        let refund = shop.refund_of(&refunded, intent).await;
        assert_eq!(refund.status, RefundStatus::Succeeded);
    }
    assert_eq!(shop.intent(intent).await.refunded.amount_minor(), 500);
    // Less than the total was taken, and all of that is back.
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Refunded);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn a_declined_card_is_followed_by_another_at_the_same_payment() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Declined]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let declined = shop.intent(intent).await;
    assert_eq!(declined.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(declined.failure.unwrap().code, "card_declined");
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Unpaid);
    shop.confirm("again", intent).await.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    assert_eq!(shop.psp.payments().len(), 1);
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let attempts = list_payment_attempts(tools, &caller, intent).await.unwrap();
    let statuses: Vec<AttemptStatus> = attempts.iter().map(|a| a.status).collect();
    assert_eq!(statuses, [AttemptStatus::Failed, AttemptStatus::Captured]);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn the_customer_acts_and_the_webhook_tells() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Action]);
    let intent = shop.paid(CaptureMethod::Manual).await;
    let waiting = shop.intent(intent).await;
    assert_eq!(waiting.status, IntentStatus::RequiresAction);
    assert!(waiting.next_action.is_some() && waiting.due_at.is_some());
    let id = waiting.provider_payment.unwrap();
    shop.psp.customer_acts(&id);
    shop.webhook("evt_1", &id).await;
    assert_eq!(shop.status(intent).await, IntentStatus::RequiresCapture);
    shop.cancel("cancel", intent).await.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::Canceled);
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Voided);
    shop.assert_books(0).await;
}

#[tokio::test]
async fn a_canceled_intent_makes_room_for_another() {
    let shop = Shop::open().await;
    let order = shop.place("order").await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let command = CreatePaymentIntent {
        once: once("create"),
        order,
        capture_method: CaptureMethod::Automatic,
        payment_method: None,
        confirm: false,
        return_url: None,
    };
    let made = create_payment_intent(tools, &shop.psp, &caller, &command, crate::shop::tell).await;
    let first: PaymentIntentId = text(&made.unwrap()).parse().unwrap();
    assert_eq!(
        shop.status(first).await,
        IntentStatus::RequiresPaymentMethod
    );
    let second = shop.pay("second", order, CaptureMethod::Automatic).await;
    assert!(matches!(
        second.unwrap_err(),
        AppError::Payment(PaymentError::IntentExists)
    ));
    let without = ConfirmPaymentIntent {
        once: once("without"),
        intent: first,
        payment_method: None,
        return_url: None,
    };
    let refused = confirm_payment_intent(tools, &shop.psp, &caller, &without, crate::shop::tell);
    assert_eq!(
        refused.await.unwrap().response.status,
        422,
        "a stored answer"
    );
    shop.cancel("cancel", first).await.unwrap();
    assert_eq!(shop.psp.calls(), 0, "the psp never knew of it");
    let third = shop
        .pay("third", order, CaptureMethod::Automatic)
        .await
        .unwrap();
    let third: PaymentIntentId = text(&third).parse().unwrap();
    assert_eq!(shop.status(third).await, IntentStatus::Succeeded);
    let filter = PaymentIntentFilter {
        order: Some(order),
        status: None,
    };
    let page = list_payment_intents(tools, &caller, &filter, None, 1)
        .await
        .unwrap();
    assert_eq!(page.intents[0].id, third);
    let cursor = page.next_cursor.unwrap();
    let rest = list_payment_intents(tools, &caller, &filter, Some(&cursor), 1)
        .await
        .unwrap();
    assert_eq!(rest.intents[0].id, first);
    assert_eq!(rest.next_cursor, None);
}

#[tokio::test]
async fn an_order_whose_payment_was_voided_is_not_paid_again() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    shop.cancel("cancel", intent).await.unwrap();
    let order = shop.intent(intent).await.order;
    let again = shop.pay("again", order, CaptureMethod::Manual).await;
    assert!(matches!(
        again.unwrap_err(),
        AppError::Payment(PaymentError::OrderNotPayable { .. })
    ));
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_has_no_second_effect() {
    let shop = Shop::open().await;
    let order = shop.place("order").await;
    let first = shop
        .pay("pay", order, CaptureMethod::Automatic)
        .await
        .unwrap();
    let again = shop
        .pay("pay", order, CaptureMethod::Automatic)
        .await
        .unwrap();
    assert!(!first.replayed && again.replayed && again.consistency.is_some());
    assert_eq!(first.response, again.response);
    let intent: PaymentIntentId = text(&first).parse().unwrap();
    let refund = shop.refund("refund", intent, Some(100)).await.unwrap();
    let again = shop.refund("refund", intent, Some(100)).await.unwrap();
    assert!(again.replayed);
    assert_eq!(refund.response, again.response);
    assert_eq!((shop.psp.calls(), shop.psp.charges()), (2, 1));
    assert_eq!(shop.refunds(intent).await.len(), 1);
    let missing = shop
        .pay("missing", missing_order(), CaptureMethod::Automatic)
        .await
        .unwrap();
    assert_eq!(missing.response.status, 422, "a final refusal is an answer");
}

fn missing_order() -> OrderId {
    "ord_00000000000000000000000000000001".parse().unwrap()
}

#[tokio::test]
async fn another_tenants_payment_is_not_found() {
    let mut shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let refund = shop.refund("refund", intent, Some(100)).await.unwrap();
    let refund = text(&refund).parse().unwrap();
    let charged = shop.psp.calls();
    shop.tenant = TestTenant::create(&shop.db, &[("TEA", PRICE, 10)]).await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let not_found = |found: Result<(), AppError>| {
        assert!(matches!(
            found.unwrap_err(),
            AppError::PaymentIntentNotFound
        ));
    };
    not_found(get_payment_intent(tools, &caller, intent).await.map(drop));
    not_found(list_refunds(tools, &caller, intent).await.map(drop));
    not_found(
        list_payment_attempts(tools, &caller, intent)
            .await
            .map(drop),
    );
    let found = get_refund(tools, &caller, refund).await;
    assert!(matches!(found.unwrap_err(), AppError::RefundNotFound));
    for answer in [
        shop.confirm("a", intent).await.unwrap(),
        shop.capture("b", intent, None, true).await.unwrap(),
        shop.cancel("c", intent).await.unwrap(),
        shop.refund("d", intent, None).await.unwrap(),
    ] {
        assert_eq!(text(&answer), "no such payment intent");
    }
    // What the PSP tells this tenant of the other's payment is not merged.
    let id = shop.psp.payments()[0].id.clone();
    assert_eq!(
        shop.webhook("evt", &id).await,
        souk_app::payments::Received::Ignored
    );
    assert_eq!(shop.psp.calls(), charged);
    shop.assert_books(0).await;
}
