//! The PSP's own books are right, whatever is asked and whatever goes wrong: or nothing that is tested
//! against it means anything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use proptest::prelude::*;
use souk_app::{Clock, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{CaptureMethod, ProviderPayment, ProviderPaymentId, ProviderStatus};
use souk_domain::{
    Money, OrderId, PaymentIntentId, ProviderOperationId, RefundId, TenantId, Timestamp,
};
use souk_psp_simulator::world::{Call, Metadata, NewPayment, Request, Status};
use souk_psp_simulator::{CallRates, Client, Faults, Simulator, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::Uuid;

const EURO: &str = "EUR";

#[derive(Debug)]
struct Stopped(AtomicI64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn simulator(faults: Faults) -> (Simulator, Arc<Stopped>) {
    let clock = Arc::new(Stopped(AtomicI64::new(1_795_248_000_000)));
    (Simulator::new(clock.clone(), faults), clock)
}

fn only(faults: impl FnOnce(&mut CallRates)) -> Faults {
    let mut all = Faults::none(1);
    faults(&mut all.calls);
    all
}

struct Shop {
    client: Client,
    simulator: Simulator,
    clock: Arc<Stopped>,
    tenant: TenantId,
    intent: PaymentIntentId,
}

impl Shop {
    fn open(faults: Faults) -> Self {
        let (simulator, clock) = simulator(faults);
        Self {
            client: simulator.client(),
            simulator,
            clock,
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            intent: PaymentIntentId::from_uuid(Uuid::from_u128(2)),
        }
    }

    fn operation(number: u128) -> ProviderOperationId {
        ProviderOperationId::from_uuid(Uuid::from_u128(number))
    }

    fn euro(minor: i64) -> Money {
        Money::new(minor, EURO.parse().unwrap())
    }

    async fn authorize(
        &self,
        operation: u128,
        method: CaptureMethod,
        token: &str,
        existing: Option<&ProviderPaymentId>,
    ) -> Result<ProviderPayment, ProviderError> {
        self.execute(
            operation,
            ProviderCommand::Authorize {
                intent: self.intent,
                order: OrderId::from_uuid(Uuid::from_u128(3)),
                amount: Self::euro(1_000),
                capture_method: method,
                payment_method: token,
                existing,
                return_url: Some("https://shop.example/back"),
            },
        )
        .await
    }

    async fn execute(
        &self,
        operation: u128,
        command: ProviderCommand<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        let request = ProviderRequest {
            tenant: self.tenant,
            operation: Self::operation(operation),
            command,
        };
        self.client.execute(&request).await
    }
}

#[tokio::test]
async fn a_payment_goes_its_way() {
    let shop = Shop::open(Faults::none(1));
    let held = shop
        .authorize(1, CaptureMethod::Manual, "pm_card_visa", None)
        .await
        .unwrap();
    assert_eq!(held.status, ProviderStatus::RequiresCapture);
    assert_eq!(held.intent, Some(shop.intent));
    let capture = |amount, is_final| ProviderCommand::Capture {
        payment: &held.id,
        amount: Shop::euro(amount),
        is_final,
    };
    let part = shop.execute(2, capture(300, false)).await.unwrap();
    assert_eq!(
        (part.status, part.captured, part.capturable),
        (
            ProviderStatus::RequiresCapture,
            Shop::euro(300),
            Shop::euro(700)
        )
    );
    // The same operation again is the same capture.
    assert_eq!(shop.execute(2, capture(300, false)).await.unwrap(), part);
    let too_much = shop.execute(3, capture(701, true)).await;
    assert!(matches!(too_much, Err(ProviderError::Refused { .. })));
    let rest = shop.execute(4, capture(400, true)).await.unwrap();
    assert_eq!(
        (rest.status, rest.captured, rest.capturable),
        (ProviderStatus::Succeeded, Shop::euro(700), Shop::euro(0))
    );
    let refund = |amount| ProviderCommand::Refund {
        payment: &held.id,
        refund: RefundId::from_uuid(Uuid::from_u128(9)),
        amount: Shop::euro(amount),
    };
    let refunded = shop.execute(5, refund(500)).await.unwrap();
    assert_eq!(refunded.refunds.len(), 1);
    assert!(matches!(
        shop.execute(6, refund(201)).await,
        Err(ProviderError::Refused { .. })
    ));
    let void = ProviderCommand::Void { payment: &held.id };
    assert!(matches!(
        shop.execute(7, void).await,
        Err(ProviderError::Refused { .. })
    ));
    let totals = shop.simulator.totals();
    assert_eq!((totals.captured_minor, totals.refunded_minor), (700, 500));
    let fees = (300 * 15 / 1_000 + 25) + (400 * 15 / 1_000 + 25);
    assert_eq!(totals.balance_minor, 200 - fees);
}

#[tokio::test]
async fn tokens_do_what_they_are_named_for() {
    let shop = Shop::open(Faults::none(1));
    let declined = shop
        .authorize(1, CaptureMethod::Automatic, "pm_card_chargeDeclined", None)
        .await;
    let Err(ProviderError::Declined { failure, payment }) = declined else {
        panic!("{declined:?}")
    };
    assert_eq!(failure.decline_code.as_deref(), Some("generic_decline"));
    let payment = payment.unwrap();
    assert_eq!(payment.status, ProviderStatus::RequiresPaymentMethod);
    // The same payment, another card.
    let wants = shop
        .authorize(
            2,
            CaptureMethod::Automatic,
            "pm_card_authenticationRequired",
            Some(&payment.id),
        )
        .await
        .unwrap();
    assert_eq!(wants.status, ProviderStatus::RequiresAction);
    assert!(wants.next_action.is_some());
    let now_ms = shop.simulator.now_ms();
    let done = shop
        .simulator
        .world()
        .complete_action(payment.id.as_str(), true, now_ms);
    assert!(done.is_ok());
    let paid = shop
        .client
        .retrieve(shop.tenant, &payment.id)
        .await
        .unwrap();
    assert_eq!(
        (paid.status, paid.captured),
        (ProviderStatus::Succeeded, Shop::euro(1_000))
    );
    let missing = shop
        .authorize(3, CaptureMethod::Automatic, "pm_missing", None)
        .await;
    assert!(matches!(missing, Err(ProviderError::Refused { .. })));
}

/// What the caller is told, how many payments there are then, and how many after a second try with the
/// same key, once the late request has come.
#[tokio::test]
async fn each_fault_does_what_it_says_and_a_second_try_never_pays_twice() {
    type Case = (&'static str, fn(&mut CallRates), u64, bool);
    let cases: [Case; 13] = [
        ("not sent", |rates| rates.not_reached = 1_000, 0, true),
        ("unknown", |rates| rates.request_lost = 1_000, 0, true),
        ("unknown", |rates| rates.request_late = 1_000, 0, true),
        ("unknown", |rates| rates.answer_lost = 1_000, 1, true),
        ("answer", |rates| rates.answer_late = 1_000, 1, true),
        ("answer", |rates| rates.twice = 1_000, 1, true),
        ("not sent", |rates| rates.too_many_requests = 1_000, 0, true),
        ("unknown", |rates| rates.error_before = 1_000, 0, true),
        ("unknown", |rates| rates.error_after = 1_000, 1, true),
        ("unknown", |rates| rates.error_kept_before = 1_000, 0, false),
        ("unknown", |rates| rates.error_kept_after = 1_000, 1, false),
        ("unknown", |rates| rates.garbage = 1_000, 1, true),
        ("answer", |rates| rates.wrong_amount = 1_000, 1, true),
    ];
    for (index, (wanted, faults, payments, answered_again)) in cases.into_iter().enumerate() {
        let shop = Shop::open(only(faults));
        let first = shop
            .authorize(1, CaptureMethod::Automatic, "pm_card_visa", None)
            .await;
        let told = match &first {
            Ok(_) => "answer",
            Err(ProviderError::NotSent { .. }) => "not sent",
            Err(ProviderError::Unknown { .. }) => "unknown",
            Err(other) => panic!("case {index}: {other:?}"),
        };
        assert_eq!(told, wanted, "case {index}");
        let made = || {
            let totals = shop.simulator.totals();
            totals
                .intents
                .values()
                .map(|paid| paid.payments)
                .sum::<u64>()
        };
        assert_eq!(made(), payments, "case {index}");
        shop.simulator.set_faults(Faults::none(1));
        shop.clock.0.fetch_add(30_000, Ordering::SeqCst);
        let second = shop
            .authorize(1, CaptureMethod::Automatic, "pm_card_visa", None)
            .await;
        assert_eq!(second.is_ok(), answered_again, "case {index}: {second:?}");
        let from = shop.clock.now();
        let found = shop.client.find(shop.tenant, shop.intent, from).await;
        let expected = u64::from(answered_again || payments == 1);
        assert_eq!(found.unwrap().is_some(), expected == 1, "case {index}");
        assert_eq!(made(), expected, "case {index}");
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let shop = Shop::open(Faults::none(1));
    for (hours, payments) in [(0, 1), (23, 1), (2, 2)] {
        shop.clock
            .0
            .fetch_add(hours * 60 * 60 * 1_000, Ordering::SeqCst);
        shop.authorize(1, CaptureMethod::Automatic, "pm_card_visa", None)
            .await
            .unwrap();
        let totals = shop.simulator.totals();
        let paid = &totals.intents[&shop.intent.to_string()];
        assert_eq!(paid.payments_with_money, payments);
    }
}

#[tokio::test]
async fn a_caller_can_die_before_or_after_the_effect() {
    for (faults, payments) in [
        (only(|rates| rates.crash_before = 1_000), 0),
        (only(|rates| rates.crash_after = 1_000), 1),
    ] {
        let shop = Shop::open(faults);
        tokio::select! {
            answer = shop.authorize(1, CaptureMethod::Automatic, "pm_card_visa", None) => panic!("{answer:?}"),
            () = shop.client.crashed() => {}
        }
        assert_eq!(shop.simulator.totals().intents.len(), payments);
    }
}

fn calls() -> impl Strategy<Value = (u8, u8, i64, bool)> {
    (0_u8..6, 0_u8..40, 1_i64..1_200, any::<bool>())
}

fn call(world: &World, kind: u8, amount: i64, flag: bool) -> Call {
    let payment = world
        .payments()
        .next_back()
        .map_or("pi_none".to_owned(), |payment| payment.id.clone());
    match kind {
        0 => Call::Create(NewPayment {
            amount: 1_000,
            currency: "eur".to_owned(),
            manual_capture: flag,
            payment_method: Some("pm_card_visa".to_owned()),
            confirm: amount > 200,
            return_url: None,
            metadata: Metadata::new(),
        }),
        1 => Call::Confirm {
            payment,
            payment_method: flag.then(|| "pm_card_chargeDeclined".to_owned()),
            return_url: None,
        },
        2 | 3 => Call::Capture {
            payment,
            amount: Some(amount),
            is_final: flag,
        },
        4 => Call::Cancel { payment },
        _ => Call::Refund {
            payment,
            amount: Some(amount),
            metadata: Metadata::new(),
        },
    }
}

proptest! {
    #[test]
    fn the_books_are_right_whatever_is_asked(
        calls in prop::collection::vec(calls(), 1..80),
        seed: u64,
    ) {
        let mut world = World::new(Faults {
            refunds_pending: 300,
            refunds_failing: 500,
            ..Faults::none(seed)
        });
        let mut kept = BTreeMap::new();
        let mut now_ms = 1_795_248_000_000;
        for (kind, key, amount, flag) in calls {
            now_ms += 60_000;
            world.age(now_ms);
            let request = Request {
                account: "sk_test".to_owned(),
                key: Some(key.to_string()),
                call: call(&world, kind, amount, flag),
            };
            let effects = (world.movements().len(), world.events().len());
            let outcome = world.apply(&request, now_ms);
            if let Some((earlier, answer)) = kept.get(&key) {
                prop_assert_eq!((world.movements().len(), world.events().len()), effects);
                if *earlier == request {
                    prop_assert_eq!(&outcome, answer);
                } else {
                    prop_assert_eq!(outcome.clone().unwrap_err().kind, "idempotency_error");
                }
            } else if outcome.as_ref().map_or_else(|error| error.status == 402, |_| true) {
                kept.insert(key, (request, outcome));
            }
        }
        world.age(now_ms + 24 * 60 * 60 * 1_000);
        let (mut captured, mut refunded) = (0, 0);
        for payment in world.payments() {
            prop_assert!(payment.captured + payment.capturable <= payment.amount);
            prop_assert!((0..=payment.captured).contains(&payment.refunded));
            prop_assert_eq!(payment.capturable > 0, payment.status == Status::RequiresCapture);
            if payment.status == Status::Canceled {
                prop_assert_eq!(payment.captured, 0);
            }
            captured += payment.captured;
            refunded += payment.refunded;
        }
        let moved: i64 = world.movements().iter().map(|own| own.gross).sum();
        prop_assert_eq!(moved, captured - refunded);
    }
}
