//! Souk's adapter of Stripe against the simulator over HTTP: whatever goes wrong on the way, what it says
//! is true, and nothing is paid twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::time::Duration;
use souk_app::{Clock as _, PaymentProvider as _, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{
    CaptureMethod, MovementKind, ProviderDisputeStatus, ProviderPayment, ProviderPaymentId,
    ProviderRefundStatus, ProviderStatus,
};
use souk_domain::{
    Money, OrderId, PaymentIntentId, ProviderOperationId, RefundId, TenantId, Timestamp,
};
use souk_psp_simulator::{CallRates, Faults, Served, Settings, serve};
use souk_runtime::stripe::{Stripe, StripeAccounts, StripeSettings};
use std::collections::BTreeSet;
use uuid::Uuid;

const ACCOUNTS: &str = r#"{"default":{"secret_key":"sk_test"}}"#;
/// Longer than any answer takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);
/// For where no answer comes anyway.
const IMPATIENCE: Duration = Duration::from_millis(200);
const LATENESS: Duration = Duration::from_millis(50);

/// One attempt, so that a fault is what the caller sees.
fn once_only() -> StripeSettings {
    StripeSettings {
        attempt_timeout: PATIENCE,
        attempts_max: 1,
        breaker_failures_max: u32::MAX,
        ..StripeSettings::default()
    }
}

fn impatient() -> StripeSettings {
    StripeSettings {
        attempt_timeout: IMPATIENCE,
        ..once_only()
    }
}

fn stubborn() -> StripeSettings {
    StripeSettings {
        attempts_max: 4,
        ..once_only()
    }
}

struct Shop {
    psp: Served,
    stripe: Stripe,
    tenant: TenantId,
    intent: PaymentIntentId,
}

impl Shop {
    async fn open(faults: Faults, settings: StripeSettings) -> Self {
        let psp = serve(Settings {
            faults,
            // For ever, as far as these tests go.
            silence: Duration::from_secs(600),
            lateness: LATENESS,
            ..Settings::default()
        })
        .await
        .unwrap();
        Self {
            stripe: stripe(&psp, settings),
            psp,
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            intent: PaymentIntentId::from_uuid(Uuid::from_u128(2)),
        }
    }

    async fn execute(
        &self,
        operation: u128,
        command: ProviderCommand<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        let request = ProviderRequest {
            tenant: self.tenant,
            operation: ProviderOperationId::from_uuid(Uuid::from_u128(operation)),
            command,
        };
        self.stripe.execute(&request).await
    }

    async fn authorize(
        &self,
        operation: u128,
        capture_method: CaptureMethod,
        payment_method: &str,
        existing: Option<&ProviderPaymentId>,
    ) -> Result<ProviderPayment, ProviderError> {
        self.execute(
            operation,
            ProviderCommand::Authorize {
                intent: self.intent,
                order: OrderId::from_uuid(Uuid::from_u128(3)),
                amount: euro(1_000),
                capture_method,
                payment_method,
                existing,
                return_url: Some("https://shop.example/back?a=b&c"),
            },
        )
        .await
    }

    /// A payment of which all is captured, made while nothing goes wrong.
    async fn paid(&self) -> ProviderPayment {
        let faults = self.psp.simulator.world().faults();
        self.psp.simulator.set_faults(Faults::none(1));
        let paid = self
            .authorize(100, CaptureMethod::Automatic, "pm_card_visa", None)
            .await
            .unwrap();
        self.psp.simulator.set_faults(faults);
        paid
    }

    fn from(&self) -> Timestamp {
        let minute = time::Duration::minutes(-1);
        self.psp.clock.now().plus(minute).unwrap()
    }
}

fn stripe(psp: &Served, settings: StripeSettings) -> Stripe {
    let accounts = StripeAccounts::parse(ACCOUNTS).unwrap();
    Stripe::new(accounts, Some(&psp.url()), settings).unwrap()
}

fn euro(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

fn refund_id(number: u128) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(number))
}

fn only(rates: fn(&mut CallRates)) -> Faults {
    let mut faults = Faults::none(1);
    rates(&mut faults.calls);
    faults
}

fn told<T: core::fmt::Debug>(outcome: &Result<T, ProviderError>) -> &'static str {
    match outcome {
        Ok(_) => "answer",
        Err(ProviderError::NotSent { .. }) => "not sent",
        Err(ProviderError::Unknown { .. }) => "unknown",
        Err(ProviderError::Declined { .. }) => "declined",
        Err(ProviderError::Refused { .. }) => "refused",
        Err(ProviderError::NotFound) => "not found",
    }
}

#[tokio::test]
async fn a_payment_goes_its_way() {
    let shop = Shop::open(Faults::none(1), once_only()).await;
    let held = shop
        .authorize(1, CaptureMethod::Manual, "pm_card_visa", None)
        .await
        .unwrap();
    assert_eq!(
        (held.status, held.capturable, held.intent),
        (
            ProviderStatus::RequiresCapture,
            euro(1_000),
            Some(shop.intent)
        )
    );
    let capture = |amount, is_final| ProviderCommand::Capture {
        payment: &held.id,
        amount: euro(amount),
        is_final,
    };
    let part = shop.execute(2, capture(300, false)).await.unwrap();
    assert_eq!(
        (part.captured, part.capturable, part.status),
        (euro(300), euro(700), ProviderStatus::RequiresCapture)
    );
    let done = shop.execute(3, capture(500, true)).await.unwrap();
    assert_eq!(
        (done.captured, done.capturable, done.status),
        (euro(800), euro(0), ProviderStatus::Succeeded)
    );
    for number in 0..12 {
        let refund = ProviderCommand::Refund {
            payment: &held.id,
            refund: refund_id(number),
            amount: euro(10),
        };
        let refunded = shop.execute(10 + number, refund).await.unwrap();
        // More than Stripe shows with a payment.
        let ours: BTreeSet<_> = refunded.refunds.iter().map(|own| own.refund).collect();
        assert_eq!(ours.len(), usize::try_from(number).unwrap() + 1);
        assert!(ours.contains(&Some(refund_id(number))));
    }
    let shown = shop.stripe.retrieve(shop.tenant, &held.id).await.unwrap();
    assert_eq!(shown.refunds.len(), 12);
    assert!(
        shown
            .refunds
            .iter()
            .all(|own| own.status == ProviderRefundStatus::Succeeded && own.amount == euro(10))
    );
    let found = shop
        .stripe
        .find(shop.tenant, shop.intent, shop.from())
        .await;
    assert_eq!(found, Ok(Some(shown)));
    let other = PaymentIntentId::from_uuid(Uuid::from_u128(77));
    let found = shop.stripe.find(shop.tenant, other, shop.from()).await;
    assert_eq!(found, Ok(None));
}

#[tokio::test]
async fn what_the_bank_says_is_told() {
    let shop = Shop::open(Faults::none(1), once_only()).await;
    let automatic = CaptureMethod::Automatic;
    let declined = shop
        .authorize(
            1,
            automatic,
            "pm_card_chargeDeclinedInsufficientFunds",
            None,
        )
        .await;
    let Err(ProviderError::Declined { failure, payment }) = declined else {
        panic!("{declined:?}")
    };
    assert_eq!(failure.code, "card_declined");
    assert_eq!(failure.decline_code.as_deref(), Some("insufficient_funds"));
    let payment = payment.unwrap();
    assert_eq!(payment.status, ProviderStatus::RequiresPaymentMethod);
    assert_eq!(payment.intent, Some(shop.intent));

    let asks = shop
        .authorize(
            2,
            automatic,
            "pm_card_authenticationRequired",
            Some(&payment.id),
        )
        .await
        .unwrap();
    assert_eq!(
        (asks.status, &asks.id),
        (ProviderStatus::RequiresAction, &payment.id)
    );
    let url = asks.next_action.unwrap().redirect_url;
    assert!(url.ends_with("https://shop.example/back?a=b&c"), "{url}");

    let voided = shop
        .execute(3, ProviderCommand::Void { payment: &asks.id })
        .await
        .unwrap();
    assert_eq!(voided.status, ProviderStatus::Canceled);
    // A second wish for what is so already is granted; one that cannot be is refused.
    let again = shop
        .execute(4, ProviderCommand::Void { payment: &asks.id })
        .await;
    assert_eq!(told(&again), "answer");
    let late = shop
        .authorize(5, automatic, "pm_card_visa", Some(&asks.id))
        .await;
    assert_eq!(told(&late), "refused");
    let missing = shop.authorize(6, automatic, "pm_missing", None).await;
    assert_eq!(told(&missing), "refused");
    let nobody: ProviderPaymentId = "pi_nobody".parse().unwrap();
    let unknown = shop.stripe.retrieve(shop.tenant, &nobody).await;
    assert_eq!(unknown, Err(ProviderError::NotFound));
    let unknown = shop
        .execute(7, ProviderCommand::Void { payment: &nobody })
        .await;
    assert_eq!(told(&unknown), "not found");
}

/// Every fault of the network and of the PSP: what a single attempt is told, and how many payments there
/// are after a second attempt with the same key.
#[tokio::test]
async fn each_fault_is_told_for_what_it_is_and_never_paid_twice() {
    type Case = (&'static str, &'static str, fn(&mut CallRates), u64);
    let cases: [Case; 13] = [
        ("unknown", "answer", |rates| rates.not_reached = 1_000, 1),
        ("unknown", "answer", |rates| rates.request_lost = 1_000, 1),
        ("unknown", "answer", |rates| rates.request_late = 1_000, 1),
        ("unknown", "answer", |rates| rates.answer_lost = 1_000, 1),
        ("answer", "answer", |rates| rates.answer_late = 1_000, 1),
        ("answer", "answer", |rates| rates.twice = 1_000, 1),
        (
            "not sent",
            "answer",
            |rates| rates.too_many_requests = 1_000,
            1,
        ),
        ("unknown", "answer", |rates| rates.error_before = 1_000, 1),
        ("unknown", "answer", |rates| rates.error_after = 1_000, 1),
        (
            "unknown",
            "unknown",
            |rates| rates.error_kept_before = 1_000,
            0,
        ),
        (
            "unknown",
            "unknown",
            |rates| rates.error_kept_after = 1_000,
            1,
        ),
        ("unknown", "answer", |rates| rates.garbage = 1_000, 1),
        ("declined", "declined", |rates| rates.declined = 1_000, 1),
    ];
    for (index, (first, second, faults, payments)) in cases.into_iter().enumerate() {
        let faults = only(faults);
        let CallRates {
            request_lost,
            request_late,
            answer_lost,
            ..
        } = faults.calls;
        let is_silent = request_lost + request_late + answer_lost > 0;
        let settings = if is_silent { impatient() } else { once_only() };
        let mut shop = Shop::open(faults, settings).await;
        let automatic = CaptureMethod::Automatic;
        let outcome = shop.authorize(1, automatic, "pm_card_visa", None).await;
        assert_eq!(told(&outcome), first, "case {index}: {outcome:?}");
        shop.stripe = stripe(&shop.psp, once_only());
        shop.psp.simulator.set_faults(Faults::none(1));
        shop.psp.clock.advance_ms(30_000);
        let outcome = shop.authorize(1, automatic, "pm_card_visa", None).await;
        assert_eq!(told(&outcome), second, "case {index}: {outcome:?}");
        let totals = shop.psp.simulator.totals();
        let made: u64 = totals.intents.values().map(|paid| paid.payments).sum();
        assert_eq!(made, payments, "case {index}");
        // Where only the PSP knows, it is found.
        let found = shop
            .stripe
            .find(shop.tenant, shop.intent, shop.from())
            .await
            .unwrap();
        assert_eq!(found.is_some(), payments == 1, "case {index}");
    }
}

#[tokio::test]
async fn an_answer_that_was_kept_as_an_error_is_seen_through_where_the_payment_is_known() {
    let kept: fn(&mut CallRates) = |rates| rates.error_kept_after = 1_000;
    let shop = Shop::open(only(kept), once_only()).await;
    let paid = shop.paid().await;
    let refund = |number| ProviderCommand::Refund {
        payment: &paid.id,
        refund: refund_id(number),
        amount: euro(10),
    };
    let refunded = shop.execute(1, refund(1)).await.unwrap();
    assert_eq!(refunded.refunds[0].refund, Some(refund_id(1)));
    let before: fn(&mut CallRates) = |rates| rates.error_kept_before = 1_000;
    shop.psp.simulator.set_faults(only(before));
    let unknown = shop.execute(2, refund(2)).await;
    assert_eq!(told(&unknown), "unknown");
    assert_eq!(shop.psp.simulator.totals().refunded_minor, 10);
}

#[tokio::test]
async fn a_bad_network_is_got_through_by_trying_again() {
    let shop = Shop::open(Faults::none(1), stubborn()).await;
    for seed in 1..=30_u64 {
        let mut faults = Faults::none(seed);
        faults.calls = CallRates {
            not_reached: 100,
            answer_late: 50,
            twice: 50,
            too_many_requests: 100,
            error_before: 50,
            error_after: 50,
            garbage: 50,
            ..CallRates::default()
        };
        faults.reads = CallRates {
            not_reached: 100,
            error_before: 50,
            garbage: 50,
            ..CallRates::default()
        };
        shop.psp.simulator.set_faults(faults);
        let number = u128::from(seed) * 10;
        let intent = PaymentIntentId::from_uuid(Uuid::from_u128(number));
        let request = ProviderRequest {
            tenant: shop.tenant,
            operation: ProviderOperationId::from_uuid(Uuid::from_u128(number)),
            command: ProviderCommand::Authorize {
                intent,
                order: OrderId::from_uuid(Uuid::from_u128(3)),
                amount: euro(1_000),
                capture_method: CaptureMethod::Automatic,
                payment_method: "pm_card_visa",
                existing: None,
                return_url: None,
            },
        };
        let outcome = shop.stripe.execute(&request).await;
        let paid = &shop.psp.simulator.totals().intents;
        let paid = paid.get(&intent.to_string()).cloned().unwrap_or_default();
        assert!(paid.payments <= 1, "seed {seed}: {paid:?}");
        match told(&outcome) {
            "answer" => assert_eq!(paid.captured_minor, 1_000, "seed {seed}"),
            "not sent" => assert_eq!(paid.payments, 0, "seed {seed}"),
            "unknown" => {}
            other => panic!("seed {seed}: {other}"),
        }
    }
    // Most of them got through.
    assert!(shop.psp.simulator.totals().captured_minor >= 25_000);
}

#[tokio::test]
async fn who_does_not_answer_is_not_called_for_a_while() {
    let error: fn(&mut CallRates) = |rates| rates.error_before = 1_000;
    let settings = StripeSettings {
        breaker_failures_max: 3,
        breaker_pause: Duration::from_secs(3_600),
        ..once_only()
    };
    let shop = Shop::open(only(error), settings).await;
    for number in 0..3 {
        let outcome = shop
            .authorize(number, CaptureMethod::Manual, "pm_card_visa", None)
            .await;
        assert_eq!(told(&outcome), "unknown");
    }
    let heard = shop.psp.simulator.totals().faults;
    let outcome = shop
        .authorize(9, CaptureMethod::Manual, "pm_card_visa", None)
        .await;
    assert_eq!(told(&outcome), "not sent");
    assert_eq!(shop.psp.simulator.totals().faults, heard, "nobody called");
}

#[tokio::test]
async fn no_more_calls_at_once_than_there_is_room_for() {
    let silent: fn(&mut CallRates) = |rates| rates.request_lost = 1_000;
    let settings = StripeSettings {
        calls_at_once_max: 2,
        queue_wait: Duration::from_millis(20),
        ..once_only()
    };
    let shop = Shop::open(only(silent), settings).await;
    let call = |number| shop.authorize(number, CaptureMethod::Manual, "pm_card_visa", None);
    let turned_away = async {
        let lost = || {
            shop.psp
                .simulator
                .totals()
                .faults
                .get("RequestLost")
                .copied()
        };
        while lost() != Some(2) {
            tokio::task::yield_now().await;
        }
        call(3).await
    };
    tokio::select! {
        answered = call(1) => panic!("{answered:?}"),
        answered = call(2) => panic!("{answered:?}"),
        outcome = turned_away => assert_eq!(told(&outcome), "not sent"),
    }
}

#[tokio::test]
async fn nobody_there_is_certainly_no_effect() {
    let shop = Shop::open(Faults::none(1), once_only()).await;
    let Shop {
        psp,
        stripe,
        tenant,
        ..
    } = shop;
    drop(psp);
    let nobody: ProviderPaymentId = "pi_1".parse().unwrap();
    let request = ProviderRequest {
        tenant,
        operation: ProviderOperationId::from_uuid(Uuid::from_u128(1)),
        command: ProviderCommand::Void { payment: &nobody },
    };
    // The listener's task ends a moment after it is dropped.
    let mut outcome = stripe.execute(&request).await;
    while matches!(
        outcome,
        Ok(_) | Err(ProviderError::NotFound | ProviderError::Unknown { .. })
    ) {
        tokio::task::yield_now().await;
        outcome = stripe.execute(&request).await;
    }
    assert_eq!(told(&outcome), "not sent", "{outcome:?}");
}

#[tokio::test]
async fn movements_and_disputes_are_read_page_by_page() {
    let shop = Shop::open(Faults::none(1), once_only()).await;
    let paid = shop.paid().await;
    for number in 0..120 {
        let refund = ProviderCommand::Refund {
            payment: &paid.id,
            refund: refund_id(number),
            amount: euro(1),
        };
        shop.execute(1_000 + number, refund).await.unwrap();
    }
    let now_ms = shop.psp.simulator.now_ms();
    let dispute = shop
        .psp
        .simulator
        .world()
        .open_dispute(paid.id.as_str(), 500, now_ms)
        .unwrap();
    let until = shop.psp.clock.now().plus(time::Duration::minutes(1));
    let mut movements = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let (from, until) = (shop.from(), until.unwrap());
        let page = shop
            .stripe
            .movements(shop.tenant, from, until, after.as_deref());
        let page = page.await.unwrap();
        movements.extend(page.movements);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let count = |kind: &MovementKind| movements.iter().filter(|own| own.kind == *kind).count();
    assert_eq!(
        (
            count(&MovementKind::Charge),
            count(&MovementKind::Refund),
            count(&MovementKind::Dispute)
        ),
        (1, 120, 1)
    );
    assert!(
        movements
            .iter()
            .all(|own| own.payment.as_ref() == Some(&paid.id))
    );
    let ours: BTreeSet<_> = movements.iter().filter_map(|own| own.refund).collect();
    assert_eq!(ours.len(), 120);
    let ids: BTreeSet<_> = movements.iter().map(|own| &own.id).collect();
    assert_eq!(ids.len(), movements.len());

    let shown = shop.stripe.dispute(shop.tenant, &dispute.id).await.unwrap();
    assert_eq!(
        (shown.status, shown.amount, shown.funds_withdrawn),
        (ProviderDisputeStatus::Open, euro(500), true)
    );
    assert_eq!(shown.payment, paid.id);
    let closed = shop
        .psp
        .simulator
        .world()
        .close_dispute(&dispute.id, true, now_ms);
    closed.unwrap();
    let shown = shop.stripe.dispute(shop.tenant, &dispute.id).await.unwrap();
    assert_eq!(
        (shown.status, shown.funds_withdrawn),
        (ProviderDisputeStatus::Won, false)
    );
    // On a shared account, what is another tenant's is not there.
    let other = TenantId::from_uuid(Uuid::from_u128(99));
    let hidden = shop.stripe.retrieve(other, &paid.id).await;
    assert_eq!(hidden, Err(ProviderError::NotFound));
}
