//! Whatever is commanded, and whatever the PSP says, right or wrong: what always holds is checked by
//! [`World::accept`] at each step.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Confirm,
    Capture(Option<i64>, bool),
    Cancel,
    Refund(Option<i64>),
    Said(Said),
    Answer(Said),
    Fails,
    Unknown,
    NotSent,
}

#[derive(Debug, Clone)]
struct Said {
    status: ProviderStatus,
    amount: i64,
    captured: i64,
    capturable: i64,
    other_payment: bool,
    declined: bool,
    /// By place among the refunds that are known, or past them all: foreign ones.
    refunds: BTreeMap<usize, (i64, ProviderRefundStatus)>,
}

fn statuses() -> impl Strategy<Value = ProviderStatus> {
    prop_oneof![
        1 => Just(ProviderStatus::RequiresPaymentMethod),
        1 => Just(ProviderStatus::RequiresConfirmation),
        1 => Just(ProviderStatus::RequiresAction),
        1 => Just(ProviderStatus::Processing),
        2 => Just(ProviderStatus::RequiresCapture),
        3 => Just(ProviderStatus::Succeeded),
        1 => Just(ProviderStatus::Canceled),
    ]
}

fn refund_statuses() -> impl Strategy<Value = ProviderRefundStatus> {
    prop_oneof![
        1 => Just(ProviderRefundStatus::Pending),
        1 => Just(ProviderRefundStatus::RequiresAction),
        3 => Just(ProviderRefundStatus::Succeeded),
        1 => Just(ProviderRefundStatus::Failed),
        1 => Just(ProviderRefundStatus::Canceled),
    ]
}

fn snapshots() -> impl Strategy<Value = Said> {
    let amounts = prop_oneof![19 => Just(AMOUNT), 1 => 1..2 * AMOUNT];
    let captured = prop_oneof![3 => Just(None), 2 => (0..=AMOUNT).prop_map(Some)];
    let refunds = prop::collection::btree_map(0..5_usize, (1..=AMOUNT, refund_statuses()), 0..4);
    (
        statuses(),
        amounts,
        captured,
        prop::bool::weighted(0.05),
        prop::bool::ANY,
        refunds,
    )
        .prop_map(
            |(status, amount, captured, other_payment, declined, refunds)| {
                let captured = captured.unwrap_or(match status {
                    ProviderStatus::Succeeded => amount,
                    _ => 0,
                });
                let capturable = match status {
                    ProviderStatus::RequiresCapture => (amount - captured).max(0),
                    _ => 0,
                };
                Said {
                    status,
                    amount,
                    captured,
                    capturable,
                    other_payment,
                    declined,
                    refunds,
                }
            },
        )
}

fn steps() -> impl Strategy<Value = Step> {
    let amount = || prop_oneof![Just(None), (1..=AMOUNT).prop_map(Some)];
    prop_oneof![
        3 => Just(Step::Confirm),
        2 => (amount(), prop::bool::ANY).prop_map(|(amount, last)| Step::Capture(amount, last)),
        1 => Just(Step::Cancel),
        3 => amount().prop_map(Step::Refund),
        6 => snapshots().prop_map(Step::Said),
        6 => snapshots().prop_map(Step::Answer),
        1 => Just(Step::Fails),
        1 => Just(Step::Unknown),
        1 => Just(Step::NotSent),
    ]
}

impl World {
    fn snapshot(&self, from: &Said) -> ProviderPayment {
        let refunds = from.refunds.iter().map(|(place, (amount, status))| {
            match self.payment.refunds.get(*place) {
                Some(known) => {
                    let amount = known.amount.amount_minor();
                    let told = told_refund(known.id, amount, *status);
                    ProviderRefund {
                        id: known.provider_refund.clone().unwrap_or(told.id),
                        ..told
                    }
                }
                None => ProviderRefund {
                    id: format!("foreign_{place}"),
                    refund: None,
                    amount: euro(*amount),
                    status: *status,
                },
            }
        });
        let id = if from.other_payment {
            "pi_other"
        } else {
            "pi_at_the_psp"
        };
        ProviderPayment {
            id: id.parse().unwrap(),
            amount: euro(from.amount),
            captured: euro(from.captured),
            capturable: euro(from.capturable),
            refunds: refunds.collect(),
            failure: from.declined.then(|| failure("card_declined")),
            ..said(from.status)
        }
    }

    fn step(&mut self, step: &Step) {
        let newest = self.payment.operations.last().map(|o| o.id);
        // Refusals are the domain's right; what is not refused has to keep the rules.
        match step {
            Step::Confirm => drop(self.confirm()),
            Step::Capture(amount, last) => drop(self.capture(*amount, *last)),
            Step::Cancel => drop(self.cancel()),
            Step::Refund(amount) => drop(self.refund(*amount)),
            Step::Said(from) => {
                let said = self.snapshot(from);
                self.observe(&said);
            }
            Step::Answer(from) => {
                let said = Box::new(self.snapshot(from));
                if let Some(id) = newest {
                    self.settle(id, OperationOutcome::Answered(said));
                }
            }
            Step::Fails => {
                if let Some(id) = newest {
                    let failed = OperationOutcome::Failed {
                        failure: failure("refused"),
                        payment: None,
                    };
                    self.settle(id, failed);
                }
            }
            Step::Unknown | Step::NotSent => {
                let reason = "timeout".to_owned();
                let outcome = match step {
                    Step::Unknown => OperationOutcome::Unknown { reason },
                    _ => OperationOutcome::NotSent { reason },
                };
                if let Some(id) = newest {
                    self.settle(id, outcome);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(
        manual in prop::bool::ANY,
        steps in prop::collection::vec(steps(), 0..40),
    ) {
        let mut world = World::new(if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic });
        for step in &steps {
            world.step(step);
        }
    }

    #[test]
    fn saying_the_same_twice_changes_nothing(
        manual in prop::bool::ANY,
        steps in prop::collection::vec(steps(), 0..20),
        last in snapshots(),
    ) {
        let mut world = World::new(if manual { CaptureMethod::Manual } else { CaptureMethod::Automatic });
        for step in &steps {
            world.step(step);
        }
        let said = world.snapshot(&last);
        world.observe(&said);
        let once = world.payment.clone();
        world.observe(&said);
        let mut twice = world.payment.clone();
        // It was looked at later, and by that is looked at again later.
        twice.intent.due_at = once.intent.due_at;
        twice.intent.updated_at = once.intent.updated_at;
        prop_assert_eq!(twice, once);
    }
}
