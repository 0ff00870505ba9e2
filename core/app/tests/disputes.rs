//! A customer does not get money back twice, by a refund and by the bank.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::large_futures,
    reason = "tests"
)]

mod shop;

use shop::{Shop, VISA, once};
use souk_app::payments::{RefundPaymentIntent, payment_intents_of_order, refund_payment_intent};
use souk_app::{AppError, StoredResponse};
use souk_domain::OrderId;
use souk_domain::payment::{CaptureMethod, IntentStatus, PaymentIntent, Refund};
use souk_domain::process::CapturePolicy;
use souk_psp_simulator::Faults;
use souk_psp_simulator::world::{Call, Metadata, Request};
use std::collections::BTreeMap;

fn noted(done: Result<&Refund, &AppError>) -> StoredResponse {
    StoredResponse {
        status: if done.is_ok() { 200 } else { 422 },
        headers: BTreeMap::new(),
        body: Vec::new(),
    }
}

async fn intent(shop: &Shop, order: OrderId) -> PaymentIntent {
    let (tools, tenant) = (&shop.tenant.tools, shop.tenant.id);
    payment_intents_of_order(tools, tenant, order)
        .await
        .unwrap()
        .remove(0)
}

async fn sold(shop: &Shop, name: &str) -> (OrderId, PaymentIntent) {
    let order = shop.place(name, 2).await;
    let psp = shop.psp.client();
    shop.pay(
        &psp,
        &format!("pay-{name}"),
        order,
        (CaptureMethod::Automatic, VISA),
    )
    .await;
    shop.deliver().await;
    (order, intent(shop, order).await)
}

async fn refund(
    shop: &Shop,
    key: &str,
    intent: &PaymentIntent,
    minor: i64,
) -> Result<u16, AppError> {
    let command = RefundPaymentIntent {
        once: once(key),
        intent: intent.id,
        amount_minor: Some(minor),
        reason: None,
    };
    let (tools, caller, psp) = (&shop.tenant.tools, shop.tenant.caller(), shop.psp.client());
    let answer = refund_payment_intent(tools, &psp, &caller, &command, noted).await;
    answer.map(|answer| answer.response.status)
}

fn dispute(shop: &Shop, intent: &PaymentIntent, minor: i64) -> bool {
    let payment = intent.provider_payment.as_ref().unwrap().to_string();
    let now = shop.psp.now_ms();
    shop.psp.world().open_dispute(&payment, minor, now).is_ok()
}

/// What left for the customer at the PSP, by whichever way.
fn paid_out(shop: &Shop) -> i64 {
    let world = shop.psp.world();
    let moved = world.movements().iter().filter(|m| m.kind != "charge");
    -moved.map(|movement| movement.gross).sum::<i64>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_and_a_dispute_at_once_do_not_both_pay_out() {
    let shop = Shop::open(1_000, CapturePolicy::OnFulfilment, Faults::default()).await;
    let (mut refunded, mut disputed, mut late) = (0, 0, 0);
    for n in 0..30 {
        let (order, paid) = sold(&shop, &format!("o{n}")).await;
        let before = paid_out(&shop);
        let refunding = async { refund(&shop, &format!("r{n}"), &paid, 500).await };
        let disputing = async {
            for _ in 0..(n * 400) {
                tokio::task::yield_now().await;
            }
            let was_refunded = paid_out(&shop) > before;
            let opened = dispute(&shop, &paid, 500);
            shop.deliver().await;
            (opened, opened && was_refunded)
        };
        let (_, (opened, took_back_what_was_refunded)) = tokio::join!(refunding, disputing);
        shop.deliver().await;
        let now = intent(&shop, order).await;
        if took_back_what_was_refunded {
            // The bank's doing, and nobody can keep it from that: people are told to contest it.
            assert_eq!(now.status, IntentStatus::Review);
            late += 1;
        } else {
            assert!(paid_out(&shop) - before <= 500, "both were paid out");
        }
        let gone = now.refunded.amount_minor()
            + now.refund_reserved.amount_minor()
            + now.disputed.amount_minor();
        assert!(gone <= 500 || now.status == IntentStatus::Review);
        refunded += usize::from(now.refunded.amount_minor() == 500);
        disputed += usize::from(opened);
    }
    println!("{refunded} refunded, {disputed} disputed, of these {late} after the refund");
    assert!(late < disputed, "no dispute came before its refund");
    shop.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_is_disputed_is_not_refunded_and_what_is_left_is() {
    let shop = Shop::open(10, CapturePolicy::OnFulfilment, Faults::default()).await;
    let (order, paid) = sold(&shop, "o").await;
    assert!(dispute(&shop, &paid, 400));
    shop.deliver().await;
    assert!(matches!(
        refund(&shop, "all", &paid, 500).await,
        Err(AppError::Payment(_))
    ));
    assert!(matches!(
        refund(&shop, "more", &paid, 101).await,
        Err(AppError::Payment(_))
    ));
    let now = intent(&shop, order).await;
    assert_eq!(
        (
            now.disputed.amount_minor(),
            now.refund_reserved.amount_minor()
        ),
        (400, 0)
    );
    shop.assert_ledger_holds().await;
}

#[tokio::test]
async fn the_database_refuses_a_refund_of_what_is_disputed_whoever_writes_it() {
    let shop = Shop::open(10, CapturePolicy::OnFulfilment, Faults::default()).await;
    let (order, paid) = sold(&shop, "o").await;
    assert!(dispute(&shop, &paid, 400));
    shop.deliver().await;
    let (tenant, id) = (shop.tenant.id.as_uuid(), uuid::Uuid::now_v7());
    let refund = |minor: i64, origin: &str| {
        format!(
            "BEGIN; UPDATE souk.payment_intents SET refund_reserved_minor = {minor} \
                 WHERE payment_intent_id = '{}'; \
             INSERT INTO souk.refunds VALUES ('{tenant}', '{id}', '{}', '{}', 'pending', 'EUR', \
                 {minor}, '{origin}', NULL, NULL, NULL, now(), now()); COMMIT",
            paid.id.as_uuid(),
            paid.id.as_uuid(),
            order.as_uuid()
        )
    };
    let refused = shop.db.try_execute(&refund(101, "souk")).await.unwrap_err();
    assert!(refused.contains("a dispute holds"), "{refused}");
    shop.db.try_execute(&refund(100, "souk")).await.unwrap();
}

/// Money that somebody sends back at the PSP is written down, also where a dispute holds it: that is how
/// it is.
#[tokio::test]
async fn what_others_refund_at_the_psp_is_written_down_in_any_case() {
    let shop = Shop::open(10, CapturePolicy::OnFulfilment, Faults::default()).await;
    let (order, paid) = sold(&shop, "o").await;
    let payment = paid.provider_payment.as_ref().unwrap().to_string();
    let request = Request {
        account: shop.tenant.id.to_string(),
        key: None,
        call: Call::Refund {
            payment,
            amount: Some(300),
            metadata: Metadata::new(),
        },
    };
    let now = shop.psp.now_ms();
    assert!(shop.psp.world().apply(&request, now).is_ok());
    shop.deliver().await;
    assert_eq!(intent(&shop, order).await.refunded.amount_minor(), 300);
    shop.assert_ledger_holds().await;
}
