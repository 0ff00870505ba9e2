//! Commands that come at the same time.

use crate::shop::{PRICE, Shop, once, tell, tell_refund, text};
use futures::future::join_all;
use souk_app::payments::{
    CapturePaymentIntent, CreatePaymentIntent, RefundPaymentIntent, capture_payment_intent,
    create_payment_intent, refund_payment_intent,
};
use souk_app::{Answer, AppError};
use souk_domain::payment::{CaptureMethod, IntentStatus, PaymentError};
use souk_testkit::PspAnswer;

fn won(outcomes: &[Result<Answer, AppError>]) -> usize {
    outcomes.iter().filter(|o| o.is_ok()).count()
}

#[tokio::test]
async fn of_two_refunds_at_once_for_more_than_was_captured_one_wins() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let commands: Vec<RefundPaymentIntent> = (0..8)
        .map(|n| RefundPaymentIntent {
            once: once(&format!("refund-{n}")),
            intent,
            amount_minor: Some(600),
            reason: None,
        })
        .collect();
    let refund = |c| refund_payment_intent(tools, &shop.psp, &caller, c, tell_refund);
    let outcomes = join_all(commands.iter().map(refund)).await;
    assert_eq!(won(&outcomes), 1);
    for outcome in outcomes {
        if let Err(error) = outcome {
            let refused = matches!(error, AppError::Payment(PaymentError::RefundExceeds { .. }));
            assert!(refused && !error.is_final(), "{error:?}");
        }
    }
    assert_eq!(shop.intent(intent).await.refunded.amount_minor(), 600);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn a_second_refund_does_not_wait_for_the_answer_of_the_first() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    shop.psp.script([PspAnswer::Held]);
    let second = async {
        shop.psp.until_held().await;
        let too_much = shop
            .refund("too-much", intent, Some(500))
            .await
            .unwrap_err();
        assert!(matches!(
            too_much,
            AppError::Payment(PaymentError::RefundExceeds { .. })
        ));
        shop.refund("second", intent, Some(400)).await.unwrap();
        shop.psp.let_go();
    };
    let (first, ()) = tokio::join!(shop.refund("first", intent, Some(600)), second);
    first.unwrap();
    assert_eq!(shop.intent(intent).await.refunded.amount_minor(), 4 * PRICE);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn of_many_who_pay_one_order_at_once_one_does() {
    let shop = Shop::open().await;
    let order = shop.place("order").await;
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let commands: Vec<CreatePaymentIntent> = (0..8)
        .map(|n| CreatePaymentIntent {
            once: once(&format!("pay-{n}")),
            order,
            capture_method: CaptureMethod::Automatic,
            payment_method: Some("pm_card_visa".parse().unwrap()),
            confirm: true,
            return_url: None,
        })
        .collect();
    let pay = |c| create_payment_intent(tools, &shop.psp, &caller, c, tell);
    let outcomes = join_all(commands.iter().map(pay)).await;
    assert_eq!(won(&outcomes), 1);
    assert_eq!((shop.psp.calls(), shop.psp.charges()), (1, 1));
    let paid = outcomes.into_iter().find_map(Result::ok).unwrap();
    shop.assert_psp_agrees(text(&paid).parse().unwrap()).await;
}

#[tokio::test]
async fn of_captures_and_a_cancellation_at_once_one_is_under_way() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    shop.psp.script([PspAnswer::Held]);
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let capture = CapturePaymentIntent {
        once: once("capture"),
        intent,
        amount_minor: None,
        is_final: true,
    };
    let others = async {
        shop.psp.until_held().await;
        for refused in [
            shop.capture("second", intent, None, true).await,
            shop.cancel("cancel", intent).await,
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(
                error,
                AppError::Payment(PaymentError::OperationPending)
            ));
        }
        shop.psp.let_go();
    };
    let captured = capture_payment_intent(tools, &shop.psp, &caller, &capture, tell);
    let (captured, ()) = tokio::join!(captured, others);
    captured.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    shop.assert_psp_agrees(intent).await;
}
