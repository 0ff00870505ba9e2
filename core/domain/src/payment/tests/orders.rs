//! The same snapshots in any order, some of them twice: the same end.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// How a payment stands, without when and under which numbers.
#[derive(Debug, PartialEq)]
struct End {
    status: IntentStatus,
    amounts: [i64; 4],
    next_action: Option<NextAction>,
    attempt: Option<AttemptStatus>,
    pending: usize,
    refunds: BTreeSet<(String, RefundStatus, i64)>,
    books: BTreeMap<&'static str, i64>,
    order: PaymentStatus,
    order_refunded: i64,
}

impl World {
    fn end(&self) -> End {
        let intent = &self.payment.intent;
        End {
            status: intent.status,
            amounts: [
                intent.capturable,
                intent.captured,
                intent.refunded,
                intent.refund_reserved,
            ]
            .map(|amount| amount.amount_minor()),
            next_action: intent.next_action.clone(),
            attempt: self.payment.attempt.as_ref().map(|a| a.status),
            pending: self.payment.operations.len(),
            refunds: self
                .payment
                .refunds
                .iter()
                .map(|r| {
                    let id = r.provider_refund.clone().unwrap_or_default();
                    (id, r.status, r.amount.amount_minor())
                })
                .collect(),
            books: self.books.clone(),
            order: self.order,
            order_refunded: self.order_refunded,
        }
    }
}

/// What a PSP shows of a payment, one after the other: no state comes back.
fn before_money(action: bool, processing: bool) -> Vec<ProviderPayment> {
    let mut way = vec![said(ProviderStatus::RequiresConfirmation)];
    if action {
        way.push(said(ProviderStatus::RequiresAction));
    }
    if processing {
        way.push(said(ProviderStatus::Processing));
    }
    way
}

fn captured(minor: i64, last: bool) -> ProviderPayment {
    let status = if last {
        ProviderStatus::Succeeded
    } else {
        ProviderStatus::RequiresCapture
    };
    ProviderPayment {
        captured: euro(minor),
        capturable: euro(if last { 0 } else { AMOUNT - minor }),
        ..said(status)
    }
}

/// Each snapshot at least once, in an order that `seed` makes, some of them again.
fn shuffled(way: &[ProviderPayment], seed: &[prop::sample::Index]) -> Vec<ProviderPayment> {
    let mut rest: Vec<ProviderPayment> = way.to_vec();
    let mut shown: Vec<ProviderPayment> = Vec::new();
    let mut seed = seed.iter();
    while !rest.is_empty() {
        let place = seed.next().map_or(0, |index| index.index(rest.len()));
        shown.push(rest.remove(place));
        if let Some(again) = seed.next()
            && again.index(3) == 0
        {
            let place = again.index(shown.len());
            shown.push(shown[place].clone());
        }
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_automatic_payment_ends_the_same(
        action in prop::bool::ANY,
        processing in prop::bool::ANY,
        refunds in prop::collection::vec((1..=400_i64, prop::bool::ANY), 0..=2),
        seed in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let mut way = before_money(action, processing);
        way.push(said(ProviderStatus::Succeeded));
        let mut known = Vec::new();
        for (place, (amount, paid)) in refunds.iter().enumerate() {
            let statuses = [ProviderRefundStatus::Pending, if *paid {
                ProviderRefundStatus::Succeeded
            } else {
                ProviderRefundStatus::Failed
            }];
            for status in statuses {
                known.truncate(place);
                known.push(ProviderRefund {
                    id: format!("re_{place}"),
                    refund: None,
                    amount: euro(*amount),
                    status,
                });
                way.push(ProviderPayment { refunds: known.clone(), ..said(ProviderStatus::Succeeded) });
            }
        }
        let run = |shown: &[ProviderPayment]| {
            let mut world = World::new(CaptureMethod::Automatic);
            world.confirm().unwrap();
            for said in shown {
                world.observe(said);
            }
            assert_eq!(world.refusals, 0, "the order refused");
            world.end()
        };
        let in_order = run(&way);
        prop_assert_eq!(in_order.status, IntentStatus::Succeeded);
        prop_assert_eq!(run(&shuffled(&way, &seed)), in_order);
    }

    #[test]
    fn a_manual_payment_ends_the_same(
        action in prop::bool::ANY,
        parts in prop::collection::vec(1..=300_i64, 0..=2),
        voided in prop::bool::ANY,
        seeds in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 24), 4),
    ) {
        let run = |seeds: Option<&[Vec<prop::sample::Index>]>| {
            let mut world = World::new(CaptureMethod::Manual);
            let mut turn = 0_usize;
            let mut show = |world: &mut World, way: &[ProviderPayment]| {
                let shown = match seeds {
                    None => way.to_vec(),
                    Some(seeds) => shuffled(way, &seeds[turn]),
                };
                turn += 1;
                for said in &shown {
                    world.observe(said);
                }
            };
            world.confirm().unwrap();
            let mut way = before_money(action, false);
            way.push(said(ProviderStatus::RequiresCapture));
            show(&mut world, &way);
            assert_eq!(world.payment.intent.status, IntentStatus::RequiresCapture);
            let mut sum = 0;
            for part in &parts {
                sum += part;
                world.capture(Some(*part), false).unwrap();
                way.push(captured(sum, false));
                show(&mut world, &way);
            }
            if voided && parts.is_empty() {
                world.cancel().unwrap();
                way.push(said(ProviderStatus::Canceled));
            } else {
                world.capture(Some(100), true).unwrap();
                way.push(captured(sum + 100, true));
            }
            show(&mut world, &way);
            assert_eq!(world.refusals, 0, "the order refused");
            world.end()
        };
        let in_order = run(None);
        prop_assert!(in_order.status.is_final());
        prop_assert_eq!(run(Some(&seeds)), in_order);
    }
}
