//! The claim check: what cannot be told as an event does not happen, whoever writes it; and the largest order can be
//! told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod shop;

use shop::{Shop, noted, once};
use souk_app::payments::{CreatePaymentIntent, create_payment_intent};
use souk_app::{AppError, Caller, OrderCommand, cancel_order, place_order};
use souk_domain::payment::CaptureMethod;
use souk_domain::process::CapturePolicy;
use souk_domain::{
    CUSTOMER_REFERENCE_CHARS_MAX, EVENT_BYTES_MAX, EventError, ORDER_LINES_MAX, OrderId,
    OrderRequest, QUANTITY_MAX, Quantity, RequestedLine, SKU_BYTES_MAX,
};
use souk_psp_simulator::Faults;
use souk_testkit::{TestDatabase, TestTenant, order_request, respond};

/// All that commands write.
const WRITTEN: &str = "SELECT (SELECT count(*) FROM souk.orders) \
    + (SELECT coalesce(sum(version), 0)::bigint FROM souk.orders) \
    + (SELECT count(*) FROM souk.outbox_events) + (SELECT count(*) FROM souk.order_transitions) \
    + (SELECT count(*) FROM souk.payment_intents) \
    + (SELECT count(*) FROM souk.provider_operations) \
    + (SELECT count(*) FROM souk.idempotency_keys WHERE response_status IS NOT NULL) \
    + (SELECT coalesce(sum(reserved), 0)::bigint FROM souk.stock_levels)";

/// Whose requests carry more than an event has room for. The functions take over no such thing; here it stands for
/// whatever may make an event too large one day.
fn talkative(caller: Caller) -> Caller {
    Caller {
        traceparent: Some("0".repeat(EVENT_BYTES_MAX)),
        ..caller
    }
}

fn is_too_large(error: &AppError) -> bool {
    matches!(error, AppError::Event(EventError::TooLarge { bytes }) if *bytes > EVENT_BYTES_MAX)
}

#[tokio::test]
async fn what_cannot_be_told_does_not_happen() {
    let shop = Shop::open(10, CapturePolicy::AtOnce, Faults::default()).await;
    let (tools, caller) = (&shop.tenant.tools, talkative(shop.tenant.caller()));
    let written = || shop.db.number(WRITTEN);
    let nothing = written().await;
    let request = order_request(&[("TEA", 1)]);
    let refused = place_order(tools, &caller, &once("place"), request, respond).await;
    assert!(is_too_large(&refused.unwrap_err()));
    assert_eq!(written().await, nothing);

    let order = shop.place("place", 1).await;
    let placed = written().await;
    let command = OrderCommand::on(order, once("cancel"));
    let refused = cancel_order(tools, &caller, &command, None, respond).await;
    assert!(is_too_large(&refused.unwrap_err()));
    assert_eq!(written().await, placed);

    let command = CreatePaymentIntent {
        once: once("pay"),
        order,
        capture_method: CaptureMethod::Automatic,
        payment_method: Some("pm_card_visa".parse().unwrap()),
        confirm: true,
        return_url: None,
    };
    let psp = shop.psp.client();
    let refused = create_payment_intent(tools, &psp, &caller, &command, noted).await;
    assert!(is_too_large(&refused.unwrap_err()));
    assert_eq!(written().await, placed);
    // The keys are free: who asks for something smaller gets it.
    let command = OrderCommand::on(order, once("cancel"));
    let cancelled = cancel_order(tools, &shop.tenant.caller(), &command, None, respond).await;
    assert!(!cancelled.unwrap().replayed);
}

#[tokio::test]
async fn the_largest_order_is_placed_and_told() {
    let db = TestDatabase::create().await;
    let skus: Vec<String> = (0..ORDER_LINES_MAX)
        .map(|n| format!("{n:W>SKU_BYTES_MAX$}"))
        .collect();
    let sold: Vec<(&str, i64, u32)> = skus
        .iter()
        .map(|sku| (sku.as_str(), 1_000_000_000, QUANTITY_MAX))
        .collect();
    let tenant = TestTenant::create(&db, &sold).await;
    let lines = skus
        .iter()
        .map(|sku| RequestedLine {
            sku: sku.parse().unwrap(),
            quantity: Quantity::new(QUANTITY_MAX).unwrap(),
        })
        .collect();
    let customer = "\u{10ffff}".repeat(CUSTOMER_REFERENCE_CHARS_MAX);
    let request = OrderRequest::new(
        "EUR".parse().unwrap(),
        lines,
        Some(customer.parse().unwrap()),
    );
    let caller = Caller {
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..tenant.caller()
    };
    let placed = place_order(
        &tenant.tools,
        &caller,
        &once("k"),
        request.unwrap(),
        respond,
    )
    .await;
    let body = placed.unwrap().response.body;
    let _placed: OrderId = core::str::from_utf8(&body).unwrap().parse().unwrap();
    let bytes = "SELECT octet_length(body)::bigint FROM souk.outbox_events";
    let bytes = usize::try_from(db.number(bytes).await).unwrap();
    assert!(bytes < EVENT_BYTES_MAX * 2 / 3, "{bytes}");
}
