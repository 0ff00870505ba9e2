//! The answer, the webhook, the retry: whichever comes first, and however often, the end is the same.

use crate::shop::{HOUR_MS, Shop, text};
use souk_app::AppError;
use souk_app::payments::{
    ProviderEvent, ProviderEventObject, Received, get_dispute, list_disputes,
    receive_provider_event,
};
use souk_domain::payment::{
    CaptureMethod, DisputeStatus, IntentStatus, PaymentError, ProviderDispute,
    ProviderDisputeStatus, ProviderPaymentId, ProviderRefundStatus, RefundStatus,
};
use souk_domain::{Money, PaymentIntentId, PaymentStatus, Timestamp};
use souk_testkit::PspAnswer;

/// When the webhook comes.
#[derive(Debug, Clone, Copy)]
enum Webhook {
    BeforeTheAnswer,
    After,
    Twice,
    Never,
}

#[tokio::test]
async fn a_webhook_before_after_twice_and_never_leads_to_the_same_end() {
    for lost in [false, true] {
        for webhook in [
            Webhook::BeforeTheAnswer,
            Webhook::After,
            Webhook::Twice,
            Webhook::Never,
        ] {
            let shop = Shop::open().await;
            let order = shop.place("order").await;
            let intent = match webhook {
                Webhook::BeforeTheAnswer => pay_behind_a_webhook(&shop, order).await,
                Webhook::After | Webhook::Twice | Webhook::Never => {
                    let how = if lost {
                        PspAnswer::Lost
                    } else {
                        PspAnswer::Plain
                    };
                    shop.psp.script([how]);
                    let paid = shop
                        .pay("pay", order, CaptureMethod::Automatic)
                        .await
                        .unwrap();
                    text(&paid).parse().unwrap()
                }
            };
            let id = shop.psp.payments()[0].id.clone();
            let received = match webhook {
                Webhook::BeforeTheAnswer | Webhook::Never => vec![],
                Webhook::After => vec![shop.webhook("evt_1", &id).await],
                Webhook::Twice => {
                    let received =
                        tokio::join!(shop.webhook("evt_1", &id), shop.webhook("evt_1", &id));
                    vec![received.0, received.1]
                }
            };
            let applied = received.iter().filter(|r| **r == Received::Applied);
            assert_eq!(applied.count(), usize::from(!received.is_empty()));
            shop.sweep_after(HOUR_MS).await;
            let how = format!("{webhook:?}, answer lost: {lost}");
            assert_eq!(shop.status(intent).await, IntentStatus::Succeeded, "{how}");
            assert_eq!(
                shop.order_status(intent).await,
                PaymentStatus::Paid,
                "{how}"
            );
            assert_eq!(shop.psp.charges(), 1, "{how}");
            shop.assert_psp_agrees(intent).await;
            let captured = "SELECT count(*) FROM souk.outbox_events \
                            WHERE event_type = 'payment_intent.captured.v1'";
            assert_eq!(shop.db.number(captured).await, 1, "{how}: told once");
        }
    }
}

async fn pay_behind_a_webhook(shop: &Shop, order: souk_domain::OrderId) -> PaymentIntentId {
    shop.psp.script([PspAnswer::Held]);
    let webhook = async {
        shop.psp.until_held().await;
        // The call is under way: no transaction is open, and nobody waits for a lock.
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state = 'idle in transaction'";
        assert_eq!(
            shop.db.number(open).await,
            0,
            "a transaction is open during the call"
        );
        let id = shop.psp.payments()[0].id.clone();
        assert_eq!(shop.webhook("evt_1", &id).await, Received::Applied);
        shop.psp.let_go();
    };
    let (paid, ()) = tokio::join!(shop.pay("pay", order, CaptureMethod::Automatic), webhook);
    text(&paid.unwrap()).parse().unwrap()
}

#[tokio::test]
async fn an_event_that_cannot_be_looked_up_is_not_forgotten() {
    let shop = Shop::open().await;
    let nobody: ProviderPaymentId = "pi_unknown".parse().unwrap();
    assert_eq!(shop.webhook("evt_1", &nobody).await, Received::Ignored);
    assert_eq!(shop.webhook("evt_1", &nobody).await, Received::Duplicate);
}

#[tokio::test]
async fn a_garbled_answer_is_asked_again_and_a_real_conflict_shows() {
    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::WrongAmount]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    assert_eq!(shop.status(intent).await, IntentStatus::Succeeded);
    shop.assert_psp_agrees(intent).await;

    let shop = Shop::open().await;
    shop.psp.script([PspAnswer::Action]);
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let id = shop.psp.payments()[0].id.clone();
    let euro = shop.intent(intent).await.amount.currency();
    shop.psp
        .change(&id, |payment| payment.amount = Money::new(7, euro));
    shop.webhook("evt_1", &id).await;
    let conflicted = shop.intent(intent).await;
    assert_eq!(conflicted.status, IntentStatus::Conflicted);
    assert_eq!(conflicted.reason.as_deref(), Some("amount"));
    shop.assert_books(0).await;
}

#[tokio::test]
async fn a_refund_that_is_pending_at_the_psp_is_settled_later() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    shop.psp.refunds_begin(ProviderRefundStatus::Pending);
    let refund = shop.refund("refund", intent, Some(400)).await.unwrap();
    assert_eq!(
        shop.refund_of(&refund, intent).await.status,
        RefundStatus::Pending
    );
    let pending = shop.intent(intent).await;
    assert_eq!(pending.refund_reserved.amount_minor(), 400);
    assert!(pending.due_at.is_some(), "somebody looks after it");
    let id = pending.provider_payment.unwrap();
    shop.psp.change(&id, |payment| {
        payment.refunds[0].status = ProviderRefundStatus::Succeeded;
    });
    shop.sweep_after(HOUR_MS).await;
    assert_eq!(
        shop.refund_of(&refund, intent).await.status,
        RefundStatus::Succeeded
    );
    assert_eq!(
        shop.order_status(intent).await,
        PaymentStatus::PartiallyRefunded
    );
    assert_eq!(shop.intent(intent).await.due_at, None);
    shop.assert_psp_agrees(intent).await;
}

#[tokio::test]
async fn a_dispute_is_booked_once_and_keeps_its_money_from_being_refunded() {
    let shop = Shop::open().await;
    let intent = shop.paid(CaptureMethod::Automatic).await;
    let paid = shop.intent(intent).await;
    let dispute = ProviderDispute {
        id: "dp_1".to_owned(),
        payment: paid.provider_payment.unwrap(),
        amount: Money::new(700, paid.amount.currency()),
        status: ProviderDisputeStatus::Open,
        reason: "fraudulent".to_owned(),
        funds_withdrawn: true,
        created_at: Timestamp::UNIX_EPOCH,
    };
    shop.psp.dispute_is(dispute.clone());
    let (tools, caller) = (&shop.tenant.tools, shop.tenant.caller());
    let tell = async |id: &str| {
        let event = ProviderEvent {
            id: id.to_owned(),
            kind: "charge.dispute.updated".to_owned(),
            object: ProviderEventObject::Dispute("dp_1".to_owned()),
        };
        receive_provider_event(tools, &shop.psp, shop.tenant.id, &event)
            .await
            .unwrap()
    };
    assert_eq!(tell("evt_1").await, Received::Applied);
    assert_eq!(tell("evt_2").await, Received::Applied);
    shop.assert_books(300).await;
    let refused = shop.refund("refund", intent, None).await.unwrap();
    let refund = shop.refund_of(&refused, intent).await;
    assert_eq!(refund.amount.amount_minor(), 300, "what is left");
    let more = shop.refund("more", intent, Some(1)).await.unwrap_err();
    assert!(matches!(
        more,
        AppError::Payment(PaymentError::RefundExceeds { .. })
    ));
    let page = list_disputes(tools, &caller, None, 10).await.unwrap();
    assert_eq!(page.disputes.len(), 1);
    shop.psp.dispute_is(ProviderDispute {
        status: ProviderDisputeStatus::Won,
        funds_withdrawn: false,
        ..dispute
    });
    assert_eq!(tell("evt_3").await, Received::Applied);
    let closed = get_dispute(tools, &caller, page.disputes[0].id)
        .await
        .unwrap();
    assert_eq!(closed.status, DisputeStatus::Won);
    shop.assert_books(700).await;
    let told = "SELECT count(*) FROM souk.outbox_events WHERE event_type LIKE 'dispute.%'";
    assert_eq!(shop.db.number(told).await, 2);
}
