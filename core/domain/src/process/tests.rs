//! What must hold of every order process, whatever a buyer, a merchant, a bank and time do to it.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use super::*;
use crate::{Currency, Money, PaymentIntentId};
use proptest::prelude::*;
use uuid::Uuid;

const TOTAL: i64 = 5_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Steps of one order at most, and looks at it while it waits.
const STEPS_MAX: usize = 400;

fn money(minor: i64) -> Money {
    let eur: Currency = "EUR".parse().unwrap();
    Money::new(minor, eur)
}

fn at(unix_ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_ms).unwrap()
}

fn payment(status: IntentStatus) -> PaymentFacts {
    PaymentFacts {
        intent: PaymentIntentId::from_uuid(Uuid::from_u128(1)),
        status,
        capturable: money(0),
        captured: money(0),
        refunded: money(0),
        refund_pending: money(0),
        disputed: money(0),
        operation_pending: false,
        authorization_expires_at: None,
        failures: OperationFailures::default(),
    }
}

fn facts(policy: CapturePolicy) -> ProcessFacts {
    ProcessFacts {
        policy,
        order: OrderFacts {
            status: OrderStatus::Placed,
            payment_status: PaymentStatus::Unpaid,
            total: money(TOTAL),
            reservation_expires_at: Some(at(15 * MINUTE_MS)),
            is_reinstatable: false,
            units_fulfilled: false,
            refund_reason: "order_cancelled".to_owned(),
        },
        payments: Vec::new(),
    }
}

/// What others do, at any time.
#[derive(Debug, Clone, Copy)]
enum Act {
    Pay,
    Authorize,
    StartAction,
    Decline,
    NewIntent,
    Conflict,
    CustomerCancels,
    MerchantConfirms,
    MerchantFulfilsPart,
    MerchantFulfils,
    MerchantCompletes,
    MerchantRefunds(i64),
    BankDisputes,
    TimePasses(i64),
    PspAnswers,
    Step,
}

/// How the provider takes the process's next operation.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Done,
    Late,
    Refused,
    /// It was captured in the meantime.
    Overtaken,
}

/// An order, its payments and the world around them.
struct World {
    facts: ProcessFacts,
    now_ms: i64,
    stock_is_left: bool,
    answers: Vec<Answer>,
    late: Option<ProcessStep>,
    steps: usize,
}

impl World {
    fn now(&self) -> Timestamp {
        at(self.now_ms)
    }

    fn payment(&mut self) -> Option<&mut PaymentFacts> {
        self.facts.payments.last_mut()
    }

    fn authorized(&mut self, captured: bool) {
        let expires_at = at(self.now_ms + 7 * DAY_MS);
        let Some(payment) = self.payment() else {
            return;
        };
        let payable = matches!(
            payment.status,
            IntentStatus::RequiresPaymentMethod
                | IntentStatus::RequiresAction
                | IntentStatus::Processing
        );
        if !payable || payment.operation_pending {
            return;
        }
        if captured {
            payment.status = IntentStatus::Succeeded;
            payment.captured = money(TOTAL);
        } else {
            payment.status = IntentStatus::RequiresCapture;
            payment.capturable = money(TOTAL);
            payment.authorization_expires_at = Some(expires_at);
        }
        self.facts.order.payment_status = if captured {
            PaymentStatus::Paid
        } else {
            PaymentStatus::Authorized
        };
    }

    fn lapse(&mut self) {
        let now = self.now();
        let Some(payment) = self.payment() else {
            return;
        };
        let lapsed = payment.status == IntentStatus::RequiresCapture
            && payment.authorization_expires_at.is_some_and(|t| t <= now);
        if lapsed && !payment.operation_pending {
            payment.status = IntentStatus::Canceled;
            payment.capturable = money(0);
            self.facts.order.payment_status = PaymentStatus::Voided;
        }
    }

    fn refunded(&mut self, minor: i64) {
        let Some(payment) = self.payment() else {
            return;
        };
        payment.refunded = money(payment.refunded.amount_minor() + minor);
        let all = payment.refunded == money(TOTAL);
        self.facts.order.payment_status = if all {
            PaymentStatus::Refunded
        } else {
            PaymentStatus::PartiallyRefunded
        };
    }

    fn act(&mut self, act: Act) {
        use OrderStatus as S;
        let status = self.facts.order.status;
        match act {
            Act::NewIntent => {
                let over = self.facts.alive().is_none();
                let unpaid = self.facts.order.payment_status == PaymentStatus::Unpaid;
                if over && unpaid && matches!(status, S::Placed | S::Confirmed) {
                    self.facts
                        .payments
                        .push(payment(IntentStatus::RequiresPaymentMethod));
                }
            }
            Act::Pay => self.authorized(true),
            Act::Authorize => self.authorized(false),
            Act::StartAction | Act::Decline => {
                let Some(payment) = self.payment() else {
                    return;
                };
                let open = [
                    IntentStatus::RequiresPaymentMethod,
                    IntentStatus::RequiresAction,
                ];
                if open.contains(&payment.status) && !payment.operation_pending {
                    payment.status = match act {
                        Act::StartAction => IntentStatus::RequiresAction,
                        _ => IntentStatus::RequiresPaymentMethod,
                    };
                }
            }
            Act::Conflict => {
                if let Some(payment) = self.payment()
                    && payment.status == IntentStatus::RequiresAction
                {
                    payment.status = IntentStatus::Conflicted;
                }
            }
            Act::CustomerCancels => {
                let order = &mut self.facts.order;
                if matches!(status, S::Placed | S::Confirmed) && !order.units_fulfilled {
                    order.status = S::Cancelled;
                    order.reservation_expires_at = None;
                }
            }
            Act::MerchantConfirms if status == S::Placed => self.facts.order.status = S::Confirmed,
            Act::MerchantFulfilsPart if status == S::Confirmed => {
                self.facts.order.units_fulfilled = true;
            }
            Act::MerchantFulfils if status == S::Confirmed => {
                self.facts.order.units_fulfilled = true;
                self.facts.order.status = S::Fulfilled;
            }
            Act::MerchantCompletes if status == S::Fulfilled => {
                self.facts.order.status = S::Completed;
            }
            Act::MerchantConfirms
            | Act::MerchantFulfilsPart
            | Act::MerchantFulfils
            | Act::MerchantCompletes => {}
            Act::MerchantRefunds(minor) => {
                let left = self.payment().map_or(0, |p| p.left().amount_minor());
                if left > 0 && minor > 0 {
                    self.refunded(minor.min(left));
                }
            }
            Act::BankDisputes => {
                if let Some(payment) = self.payment() {
                    payment.disputed = payment.left();
                }
            }
            Act::TimePasses(ms) => {
                self.now_ms += ms;
                self.lapse();
            }
            Act::PspAnswers => self.psp_answers(),
            Act::Step => {
                self.step();
            }
        }
    }

    fn psp_answers(&mut self) {
        if let Some(late) = self.late.take() {
            if let Some(payment) = self.payment() {
                payment.operation_pending = false;
                payment.refund_pending = money(0);
            }
            self.done(&late);
        }
    }

    /// Lets the process look once. Returns what it has decided.
    fn step(&mut self) -> ProcessStep {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the process does not end");
        let before = self.facts.clone();
        let step = next_step(&self.facts, self.now());
        assert_eq!(step, next_step(&self.facts, self.now()));
        self.assert_allowed(&step);
        match &step {
            ProcessStep::Wait { until, .. } => {
                assert!(
                    until.is_none_or(|t| t > self.now()),
                    "waits for the past: {step:?}"
                );
                return step;
            }
            ProcessStep::Review(_) | ProcessStep::Done => return step,
            ProcessStep::Confirm | ProcessStep::Cancel { .. } | ProcessStep::Reinstate => {
                self.done(&step);
            }
            ProcessStep::Capture { .. } | ProcessStep::Void { .. } | ProcessStep::Refund { .. } => {
                let answer = self.answers.pop().unwrap_or(Answer::Done);
                self.ask_psp(&step, answer);
            }
        }
        assert_ne!(before, self.facts, "{step:?} has changed nothing");
        step
    }

    fn assert_allowed(&self, step: &ProcessStep) {
        let status = self.facts.order.status;
        let cancelled = status == OrderStatus::Cancelled;
        let placed = status == OrderStatus::Placed;
        match step {
            ProcessStep::Capture { .. } => {
                assert!(!cancelled && !placed, "charges a {status} order");
            }
            ProcessStep::Void { .. } | ProcessStep::Refund { .. } | ProcessStep::Reinstate => {
                assert!(cancelled, "{step:?} of a {status} order");
            }
            ProcessStep::Confirm => assert!(placed && self.facts.order.payment_status.has_money()),
            ProcessStep::Cancel { .. } => {
                assert!(!cancelled && !self.facts.order.units_fulfilled);
                assert!(
                    !self.facts.order.payment_status.has_money(),
                    "cancels what is paid for"
                );
            }
            ProcessStep::Wait { .. } | ProcessStep::Review(_) | ProcessStep::Done => {}
        }
        if let ProcessStep::Refund { amount, .. } = step {
            let left = self.facts.payments.last().unwrap().left();
            assert!(amount.amount_minor() > 0 && *amount == left);
        }
    }

    fn ask_psp(&mut self, step: &ProcessStep, answer: Answer) {
        let now = self.now();
        let Some(payment) = self.payment() else {
            panic!("{step:?} without a payment")
        };
        let voids_held = matches!(step, ProcessStep::Void { .. })
            && payment.status == IntentStatus::RequiresCapture;
        match answer {
            Answer::Done => self.done(step),
            Answer::Late => {
                if let ProcessStep::Refund { amount, .. } = step {
                    payment.refund_pending = *amount;
                } else {
                    payment.operation_pending = true;
                }
                self.late = Some(step.clone());
            }
            Answer::Overtaken if voids_held => {
                payment.status = IntentStatus::Succeeded;
                payment.captured = payment.capturable;
                payment.capturable = money(0);
                self.facts.order.payment_status = PaymentStatus::Paid;
            }
            Answer::Refused | Answer::Overtaken => {
                let failures = &mut payment.failures;
                failures.last_at = Some(now);
                match step {
                    ProcessStep::Capture { .. } => failures.captures += 1,
                    ProcessStep::Void { .. } => failures.voids += 1,
                    _ => failures.refunds += 1,
                }
            }
        }
    }

    fn done(&mut self, step: &ProcessStep) {
        let expires_at = at(self.now_ms + 15 * MINUTE_MS);
        let stock_is_left = self.stock_is_left;
        let order = &mut self.facts.order;
        match step {
            ProcessStep::Confirm => {
                order.status = OrderStatus::Confirmed;
                order.reservation_expires_at = None;
            }
            ProcessStep::Cancel { reason } => {
                order.status = OrderStatus::Cancelled;
                order.reservation_expires_at = None;
                order.is_reinstatable = *reason == CancelReason::reservation_expired();
                order.refund_reason = reason.as_str().to_owned();
            }
            ProcessStep::Reinstate => {
                order.is_reinstatable = false;
                if stock_is_left {
                    order.status = OrderStatus::Placed;
                    order.reservation_expires_at = Some(expires_at);
                }
            }
            ProcessStep::Capture { amount, .. } => {
                order.payment_status = PaymentStatus::Paid;
                let payment = self.payment().unwrap();
                payment.status = IntentStatus::Succeeded;
                payment.captured = *amount;
                payment.capturable = money(0);
            }
            ProcessStep::Void { .. } => {
                let was_held = order.payment_status == PaymentStatus::Authorized;
                if was_held {
                    order.payment_status = PaymentStatus::Voided;
                }
                let payment = self.payment().unwrap();
                payment.status = IntentStatus::Canceled;
                payment.capturable = money(0);
            }
            ProcessStep::Refund { amount, .. } => self.refunded(amount.amount_minor()),
            ProcessStep::Wait { .. } | ProcessStep::Review(_) | ProcessStep::Done => {}
        }
    }

    /// Nobody does anything any more but the provider, time and the process.
    fn come_to_rest(&mut self) -> ProcessStep {
        loop {
            match self.step() {
                ProcessStep::Wait { until, .. } => {
                    let was_late = self.late.is_some();
                    self.psp_answers();
                    let Some(until) = until else {
                        if was_late {
                            continue;
                        }
                        return next_step(&self.facts, self.now());
                    };
                    self.now_ms = self.now_ms.max(until.unix_ms());
                    self.lapse();
                }
                rest @ (ProcessStep::Review(_) | ProcessStep::Done) => return rest,
                ProcessStep::Confirm
                | ProcessStep::Cancel { .. }
                | ProcessStep::Reinstate
                | ProcessStep::Capture { .. }
                | ProcessStep::Void { .. }
                | ProcessStep::Refund { .. } => {}
            }
        }
    }

    fn assert_at_rest(&self, rest: &ProcessStep) {
        let order = &self.facts.order;
        assert_ne!(
            order.status,
            OrderStatus::Placed,
            "stock is held for ever: {rest:?}"
        );
        if matches!(rest, ProcessStep::Review(_)) {
            return;
        }
        if order.status == OrderStatus::Cancelled {
            assert_eq!(*rest, ProcessStep::Done);
            for payment in &self.facts.payments {
                assert_eq!(payment.left(), money(0), "money stays on a cancelled order");
                assert_eq!(
                    payment.capturable,
                    money(0),
                    "money is held for a cancelled order"
                );
                let over = [IntentStatus::Succeeded, IntentStatus::Canceled];
                assert!(
                    over.contains(&payment.status),
                    "a cancelled order can be paid for"
                );
            }
        }
        if matches!(
            order.status,
            OrderStatus::Fulfilled | OrderStatus::Completed
        ) {
            assert_ne!(
                order.payment_status,
                PaymentStatus::Authorized,
                "delivered, not captured"
            );
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => Just(Act::NewIntent),
        2 => Just(Act::Pay),
        3 => Just(Act::Authorize),
        1 => Just(Act::StartAction),
        1 => Just(Act::Decline),
        1 => Just(Act::Conflict),
        1 => Just(Act::CustomerCancels),
        1 => Just(Act::MerchantConfirms),
        1 => Just(Act::MerchantFulfilsPart),
        1 => Just(Act::MerchantFulfils),
        1 => Just(Act::MerchantCompletes),
        1 => (1_i64..TOTAL).prop_map(Act::MerchantRefunds),
        1 => Just(Act::BankDisputes),
        2 => (0_i64..20 * MINUTE_MS).prop_map(Act::TimePasses),
        1 => (0_i64..8 * DAY_MS).prop_map(Act::TimePasses),
        3 => Just(Act::PspAnswers),
        6 => Just(Act::Step),
    ];
    prop::collection::vec(act, 0..30)
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        4 => Just(Answer::Done),
        3 => Just(Answer::Late),
        2 => Just(Answer::Refused),
        1 => Just(Answer::Overtaken),
    ];
    prop::collection::vec(answer, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens and in whichever order: the process ends, each of its steps changes something,
    /// it charges nobody for a cancelled order, and leaves no money on one.
    #[test]
    fn every_process_ends_well(
        at_once: bool,
        stock_is_left: bool,
        acts in acts(),
        answers in answers(),
    ) {
        let policy = if at_once { CapturePolicy::AtOnce } else { CapturePolicy::OnFulfilment };
        let mut world = World {
            facts: facts(policy),
            now_ms: 0,
            stock_is_left,
            answers,
            late: None,
            steps: 0,
        };
        for act in acts {
            world.act(act);
        }
        let rest = world.come_to_rest();
        world.assert_at_rest(&rest);
    }
}

fn cancelled(reason: &CancelReason) -> ProcessFacts {
    let mut facts = facts(CapturePolicy::OnFulfilment);
    facts.order.status = OrderStatus::Cancelled;
    facts.order.reservation_expires_at = None;
    facts.order.is_reinstatable = *reason == CancelReason::reservation_expired();
    facts.order.refund_reason = reason.as_str().to_owned();
    facts
}

fn held() -> PaymentFacts {
    PaymentFacts {
        capturable: money(TOTAL),
        authorization_expires_at: Some(at(7 * DAY_MS)),
        ..payment(IntentStatus::RequiresCapture)
    }
}

fn taken() -> PaymentFacts {
    PaymentFacts {
        captured: money(TOTAL),
        ..payment(IntentStatus::Succeeded)
    }
}

#[test]
fn a_late_payment_brings_back_what_expired_and_nothing_else() {
    for late in [held(), taken()] {
        let mut expired = cancelled(&CancelReason::reservation_expired());
        expired.payments = vec![late];
        assert_eq!(next_step(&expired, at(0)), ProcessStep::Reinstate);
        let mut given_up = cancelled(&"customer_request".parse().unwrap());
        given_up.payments = vec![late];
        assert_ne!(next_step(&given_up, at(0)), ProcessStep::Reinstate);
        // Somebody has begun to send it back.
        expired.payments[0].refund_pending = money(1);
        assert_ne!(next_step(&expired, at(0)), ProcessStep::Reinstate);
    }
}

#[test]
fn where_the_stock_is_gone_the_money_goes_back_and_says_why() {
    let mut facts = cancelled(&CancelReason::sold_out_before_payment());
    facts.payments = vec![held()];
    assert!(matches!(next_step(&facts, at(0)), ProcessStep::Void { .. }));
    facts.payments = vec![taken()];
    let refund = next_step(&facts, at(0));
    let ProcessStep::Refund { amount, reason, .. } = refund else {
        panic!("{refund:?}")
    };
    assert_eq!(
        (amount, reason.as_str()),
        (money(TOTAL), "sold_out_before_payment")
    );
}

#[test]
fn a_dispute_leaves_nothing_to_refund() {
    let mut facts = cancelled(&"customer_request".parse().unwrap());
    facts.payments = vec![PaymentFacts {
        disputed: money(TOTAL),
        ..taken()
    }];
    assert_eq!(next_step(&facts, at(0)), ProcessStep::Done);
    facts.payments[0].disputed = money(TOTAL - 10);
    let refund = next_step(&facts, at(0));
    assert!(matches!(refund, ProcessStep::Refund { amount, .. } if amount == money(10)));
}

#[test]
fn refusals_are_tried_again_more_and_more_slowly_and_then_shown() {
    let mut facts = cancelled(&"customer_request".parse().unwrap());
    let mut waits = Vec::new();
    for refunds in 0..=OPERATION_FAILURES_MAX {
        let failures = OperationFailures {
            refunds,
            last_at: Some(at(0)),
            ..OperationFailures::default()
        };
        facts.payments = vec![PaymentFacts {
            failures,
            ..taken()
        }];
        match next_step(&facts, at(0)) {
            ProcessStep::Wait { until, .. } => waits.push(until.unwrap().unix_ms() / MINUTE_MS),
            ProcessStep::Refund { .. } => waits.push(0),
            other => assert_eq!(other, ProcessStep::Review(ReviewCause::ProviderRefuses)),
        }
    }
    assert_eq!(waits, [0, 1, 4]);
}

#[test]
fn money_is_taken_when_the_policy_says_so() {
    let confirmed = |policy| {
        let mut facts = facts(policy);
        facts.order.status = OrderStatus::Confirmed;
        facts.order.payment_status = PaymentStatus::Authorized;
        facts.payments = vec![held()];
        facts
    };
    let at_once = next_step(&confirmed(CapturePolicy::AtOnce), at(0));
    assert!(matches!(at_once, ProcessStep::Capture { amount, .. } if amount == money(TOTAL)));
    let mut later = confirmed(CapturePolicy::OnFulfilment);
    assert!(matches!(next_step(&later, at(0)), ProcessStep::Wait { .. }));
    // Nothing delivered: nobody is charged, not even when the authorization is about to lapse.
    assert!(matches!(
        next_step(&later, at(7 * DAY_MS - 1)),
        ProcessStep::Wait { .. }
    ));
    later.order.units_fulfilled = true;
    let day_before = next_step(&later, at(6 * DAY_MS));
    assert!(
        matches!(day_before, ProcessStep::Capture { .. }),
        "{day_before:?}"
    );
    later.order.status = OrderStatus::Fulfilled;
    assert!(matches!(
        next_step(&later, at(0)),
        ProcessStep::Capture { .. }
    ));
}
