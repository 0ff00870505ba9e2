//! What nobody has finished is finished by the sweeper.

use crate::shop::{HOUR_MS, Shop};
use souk_domain::PaymentStatus;
use souk_domain::payment::{CaptureMethod, IntentStatus};
use souk_testkit::PspAnswer;

#[tokio::test]
async fn an_unknown_outcome_is_tried_again_with_the_same_key() {
    for unknown in [PspAnswer::Lost, PspAnswer::Unheard] {
        let shop = Shop::open().await;
        shop.psp.script([unknown, unknown]);
        let intent = shop.paid(CaptureMethod::Automatic).await;
        assert_eq!(shop.status(intent).await, IntentStatus::Processing);
        // Not before it is due, and twice since the second try ends the same.
        let report = shop.sweep_after(0).await;
        assert_eq!((report.operations, shop.psp.calls()), (0, 1));
        for _ in 0..3 {
            shop.sweep_after(HOUR_MS).await;
        }
        assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
        assert_eq!(shop.psp.charges(), 1);
        assert_eq!(shop.psp.calls(), 3);
        shop.assert_psp_agrees(intent).await;
    }
}

#[tokio::test]
async fn what_was_certainly_not_sent_is_not_charged_later() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::NotSent]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let given_up = shop.intent(intent).await;
    assert_eq!(given_up.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(given_up.failure.unwrap().code, "provider_unavailable");
    shop.sweep_after(HOUR_MS).await;
    assert_eq!(shop.psp.charges(), 0);
    shop.confirm("again", intent).await.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn an_authorization_whose_key_the_psp_has_forgotten_is_not_sent_again() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Unheard]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    shop.sweep_after(24 * HOUR_MS).await;
    assert_eq!(
        shop.status(intent).await,
        IntentStatus::RequiresPaymentMethod
    );
    assert_eq!((shop.psp.calls(), shop.psp.charges()), (1, 0));

    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Lost]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    shop.sweep_after(24 * HOUR_MS).await;
    assert_eq!(
        shop.status(intent).await,
        IntentStatus::Succeeded,
        "it was found"
    );
    assert_eq!((shop.psp.calls(), shop.psp.charges()), (1, 1));
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn a_capture_that_was_refused_after_its_effect_counts() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    shop.psp.script([PspAnswer::Lost]);
    shop.capture("capture", intent, None, true).await.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::RequiresCapture);
    shop.sweep_after(24 * HOUR_MS).await;
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    assert_eq!(shop.psp.calls(), 2, "the psp was only looked at");
    shop.assert_psp_agrees(intent).await;

    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    shop.psp.script([PspAnswer::Refused]);
    shop.capture("capture", intent, None, true).await.unwrap();
    let refused = shop.intent(intent).await;
    assert_eq!(refused.status, IntentStatus::RequiresCapture);
    assert_eq!(refused.failure.unwrap().code, "scripted");
    shop.capture("again", intent, None, true).await.unwrap();
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
}

#[tokio::test]
async fn an_authorization_that_has_run_out_is_let_go() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Manual).await;
    shop.sweep_after(6 * 24 * HOUR_MS).await;
    assert_eq!(shop.status(intent).await, IntentStatus::RequiresCapture);
    shop.psp.script([PspAnswer::Lost]);
    shop.sweep_after(2 * 24 * HOUR_MS).await;
    shop.sweep_after(HOUR_MS).await;
    let expired = shop.intent(intent).await;
    assert_eq!(expired.status, IntentStatus::Canceled);
    assert_eq!(
        expired.cancel_reason.unwrap().as_str(),
        "authorization_expired"
    );
    assert_eq!(shop.order_status(intent).await, PaymentStatus::Voided);
    shop.assert_books(0).await;
}

#[tokio::test]
async fn a_payment_that_nothing_is_heard_of_is_looked_at() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Action]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let id = shop.psp.payments()[0].id.clone();
    let report = shop.sweep_after(HOUR_MS).await;
    assert_eq!((report.payments, report.failed), (1, 0));
    assert_eq!(shop.status(intent).await, IntentStatus::RequiresAction);
    shop.psp.customer_acts(&id);
    shop.sweep_after(HOUR_MS).await;
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    assert_eq!(
        shop.sweep_after(HOUR_MS).await,
        souk_app::payments::PaymentSweepReport::default()
    );
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn two_sweepers_send_an_operation_once() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Unheard]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    shop.tenant.clock.advance_ms(HOUR_MS);
    let reports = tokio::join!(shop.sweep_after(0), shop.sweep_after(0));
    assert_eq!(reports.0.operations + reports.1.operations, 1);
    assert_eq!(shop.psp.calls(), 2);
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
}
