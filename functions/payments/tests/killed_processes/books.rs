//! What must hold in the books, however the processes came to their ends.

use crate::clients::Ended;
use souk_app::Tools;
use souk_app::payments::verify_ledger;
use souk_domain::{PaymentIntentId, TenantId};
use souk_psp_simulator::{PaidIntent, Totals};
use souk_testkit::{Probe, TestDatabase};

/// Cents of one order.
pub(crate) const PRICE: i64 = 1_299;

/// What nobody knows the end of.
pub(crate) async fn pending(db: &TestDatabase) -> i64 {
    db.number(
        "SELECT (SELECT count(*) FROM souk.provider_operations WHERE status = 'pending') \
              + (SELECT count(*) FROM souk.payment_intents WHERE status = 'processing')",
    )
    .await
}

/// What was captured at the provider is what is written down, booked and shown.
pub(crate) async fn assert_true(
    db: &TestDatabase,
    tools: &Tools,
    tenant: TenantId,
    totals: &Totals,
    ended: &[Ended],
) {
    assert_eq!(verify_ledger(tools, tenant, 10).await.unwrap(), []);
    let probe = Probe::new(&db.url());
    let mut captured = 0;
    for one in ended {
        let (own, back) = one.life.expected();
        captured += own;
        let none = PaidIntent::default();
        let paid = totals.intents.get(&one.intent).unwrap_or(&none);
        assert_eq!(
            (paid.captured_minor, paid.refunded_minor),
            (own, back),
            "{one:?}"
        );
        assert!(paid.payments_with_money <= 1, "{one:?}: {paid:?}");
        assert_eq!(paid.held_minor, 0, "{one:?}: {paid:?}");
        let shown = |member: &str| one.shown[member]["amount_minor"].as_i64().unwrap();
        assert_eq!(
            (shown("captured"), shown("refunded")),
            (own, back),
            "{one:?}"
        );
        let status = if own == 0 { "canceled" } else { "succeeded" };
        let order = match (own, back) {
            (0, _) => "voided",
            (_, 0) => "paid",
            (own, back) if own == back => "refunded",
            _ => "partially_refunded",
        };
        let id: PaymentIntentId = one.intent.parse().unwrap();
        let stands = format!(
            "SELECT count(*) FROM souk.payment_intents i JOIN souk.orders o USING (tenant_id, order_id) \
             WHERE i.payment_intent_id = '{}' AND i.status = '{status}' AND i.captured_minor = {own} \
               AND i.refunded_minor = {back} AND i.refund_reserved_minor = 0 \
               AND o.payment_status = '{order}'",
            id.as_uuid()
        );
        assert_eq!(probe.number(&stands).await, 1, "{one:?}");
    }
    assert_eq!(totals.captured_minor, captured);
    let booked = "SELECT coalesce(sum(amount_minor), 0)::bigint FROM souk.ledger_entries \
                  WHERE account = 'revenue'";
    assert_eq!(-probe.number(booked).await, captured, "booked as revenue");
}
