//! The order process: from what is known of an order and its payments to the next step.
//!
//! It is level-triggered. Whatever happens to an order or to a payment, and whenever a deadline passes,
//! [`next_step`] looks at how things are, not at what has happened, and names one step. Doing a step
//! changes what is known, so no step comes again without a change; doing it twice does no harm. The way of an order is
//!
//! reserve (the placing) → authorize (the client) → confirm → capture, at once or on fulfilment → done
//!
//! and each of these has its way back: stock is released and money is voided or refunded when the
//! order is cancelled, by whomever; an order whose payment comes after its reservation has run out is
//! reinstated, and where its stock is gone by then, the money goes back.

mod facts;
mod step;
#[cfg(test)]
mod tests;

pub use facts::{OperationFailures, OrderFacts, PaymentFacts, ProcessFacts};
pub use step::{Awaited, CapturePolicy, ProcessStep, ReviewCause, UnknownCapturePolicy};

use crate::payment::IntentStatus;
use crate::{CancelReason, OrderStatus, PaymentStatus, Timestamp};
use time::Duration;

/// How often the provider may refuse one kind of operation on a payment before a person has to look.
pub const OPERATION_FAILURES_MAX: u32 = 3;
/// After this time the process looks again at what it waits for, though an event should have woken it.
pub const RECHECK_AFTER: Duration = Duration::minutes(5);
/// After a refusal the process waits this long before it tries again, and each time four times longer.
const BACKOFF_FIRST: Duration = Duration::minutes(1);
/// Goods that have left are paid for this long before the authorization lapses, also where units are
/// still to be delivered.
const CAPTURE_MARGIN: Duration = Duration::hours(24);

/// What is to be done about an order at `now`. Total: there is an answer for whatever is known.
pub fn next_step(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    match facts.order.status {
        OrderStatus::Placed => placed(facts, now),
        OrderStatus::Confirmed => confirmed(facts, now),
        OrderStatus::Fulfilled => delivered(facts, now, waiting(Awaited::Completion)),
        OrderStatus::Completed => delivered(facts, now, ProcessStep::Done),
        OrderStatus::Cancelled => cancelled(facts, now),
    }
}

/// Stock is held for a while. Money on its way makes the sale, however late it is; time without money
/// ends it.
fn placed(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    match facts.order.payment_status {
        PaymentStatus::Authorized | PaymentStatus::Paid | PaymentStatus::PartiallyRefunded => {
            ProcessStep::Confirm
        }
        PaymentStatus::Voided => ProcessStep::Cancel {
            reason: CancelReason::payment_voided(),
        },
        PaymentStatus::Refunded => ProcessStep::Cancel {
            reason: CancelReason::payment_refunded(),
        },
        PaymentStatus::Unpaid => match facts.order.reservation_expires_at {
            Some(expires_at) if expires_at <= now => ProcessStep::Cancel {
                reason: CancelReason::reservation_expired(),
            },
            until => ProcessStep::Wait {
                on: Awaited::Payment,
                until,
            },
        },
    }
}

/// Stock is held until it is delivered. An authorization is captured when the policy says so; one that
/// is gone takes the order with it, as long as nothing has been delivered.
fn confirmed(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    match facts.order.payment_status {
        // Confirmed by hand: it is paid some other way, or later.
        PaymentStatus::Unpaid => waiting(Awaited::Merchant),
        PaymentStatus::Paid | PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded => {
            waiting(Awaited::Fulfilment)
        }
        PaymentStatus::Authorized => match facts.policy {
            CapturePolicy::AtOnce => capture(facts, now),
            CapturePolicy::OnFulfilment => capture_before_it_lapses(facts, now),
        },
        PaymentStatus::Voided if facts.order.units_fulfilled => {
            ProcessStep::Review(ReviewCause::DeliveredUnpaid)
        }
        PaymentStatus::Voided => ProcessStep::Cancel {
            reason: CancelReason::payment_voided(),
        },
    }
}

/// Waits for the fulfilment. What has been delivered in part is paid for before the authorization
/// lapses; where nothing has been, nobody is charged.
fn capture_before_it_lapses(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    let lapses_at = facts
        .alive()
        .and_then(|payment| payment.authorization_expires_at);
    let Some(lapses_at) = lapses_at else {
        return waiting(Awaited::Fulfilment);
    };
    if !facts.order.units_fulfilled {
        return ProcessStep::Wait {
            on: Awaited::Fulfilment,
            until: Some(lapses_at.max(later(now, RECHECK_AFTER))),
        };
    }
    let capture_at = earlier(lapses_at, CAPTURE_MARGIN);
    if capture_at <= now {
        return capture(facts, now);
    }
    ProcessStep::Wait {
        on: Awaited::Fulfilment,
        until: Some(capture_at),
    }
}

/// The goods are with the buyer: what was held for them is taken. `otherwise` is what is left to do.
fn delivered(facts: &ProcessFacts, now: Timestamp, otherwise: ProcessStep) -> ProcessStep {
    match facts.order.payment_status {
        PaymentStatus::Authorized => capture(facts, now),
        PaymentStatus::Voided => ProcessStep::Review(ReviewCause::DeliveredUnpaid),
        PaymentStatus::Unpaid
        | PaymentStatus::Paid
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded => otherwise,
    }
}

/// Takes all that is held.
fn capture(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    let Some(payment) = facts.alive() else {
        return ProcessStep::Review(ReviewCause::Inconsistent);
    };
    match payment.status {
        IntentStatus::RequiresCapture if payment.capturable.amount_minor() > 0 => {
            let step = ProcessStep::Capture {
                intent: payment.intent,
                amount: payment.capturable,
            };
            unless_refused(step, payment, payment.failures.captures, now)
        }
        IntentStatus::Processing => provider(now),
        IntentStatus::Conflicted | IntentStatus::Review => {
            ProcessStep::Review(ReviewCause::Payment)
        }
        IntentStatus::RequiresCapture
        | IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::Succeeded
        | IntentStatus::Canceled => ProcessStep::Review(ReviewCause::Inconsistent),
    }
}

/// Nothing is to be delivered, so nothing may be held, taken, or payable. What came late brings the
/// order back if its stock can be had again.
fn cancelled(facts: &ProcessFacts, now: Timestamp) -> ProcessStep {
    if facts.order.is_reinstatable && facts.payments.iter().any(|p| pays_for(facts, p)) {
        return ProcessStep::Reinstate;
    }
    let steps = facts
        .payments
        .iter()
        .map(|payment| given_back(facts, payment, now));
    // What can be done is done before anything is waited for, and what needs a person holds up
    // nothing else.
    steps
        .min_by_key(ProcessStep::urgency)
        .unwrap_or(ProcessStep::Done)
}

/// Whether the payment covers the order, and nobody has begun to give it back.
fn pays_for(facts: &ProcessFacts, payment: &PaymentFacts) -> bool {
    let untouched = [payment.refunded, payment.refund_pending, payment.disputed]
        .iter()
        .all(|amount| amount.amount_minor() == 0);
    let held = payment.captured.checked_add(payment.capturable);
    let covered = held.is_ok_and(|held| held.amount_minor() >= facts.order.total.amount_minor());
    let is_there = match payment.status {
        IntentStatus::RequiresCapture | IntentStatus::Succeeded => true,
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::Processing
        | IntentStatus::Canceled
        | IntentStatus::Conflicted
        | IntentStatus::Review => false,
    };
    is_there && covered && untouched && !payment.operation_pending
}

/// What is to be done so that nothing of this payment stays on a cancelled order.
fn given_back(facts: &ProcessFacts, payment: &PaymentFacts, now: Timestamp) -> ProcessStep {
    match payment.status {
        // What is captured in part can be neither voided nor sent back before the rest has lapsed.
        IntentStatus::RequiresCapture if payment.captured.amount_minor() > 0 => {
            let lapses_at = payment.authorization_expires_at.unwrap_or(now);
            ProcessStep::Wait {
                on: Awaited::Provider,
                until: Some(lapses_at.max(later(now, RECHECK_AFTER))),
            }
        }
        // What the provider has done unasked is given back like the rest; the payment stays in review.
        IntentStatus::Review if payment.captured.amount_minor() > 0 => {
            refund(facts, payment, now).unwrap_or(ProcessStep::Review(ReviewCause::Payment))
        }
        IntentStatus::Conflicted if payment.captured.amount_minor() > 0 => {
            ProcessStep::Review(ReviewCause::Payment)
        }
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::RequiresCapture
        | IntentStatus::Conflicted
        | IntentStatus::Review => {
            let step = ProcessStep::Void {
                intent: payment.intent,
                reason: facts.order.refund_reason.clone(),
            };
            unless_refused(step, payment, payment.failures.voids, now)
        }
        IntentStatus::Processing => provider(now),
        IntentStatus::Succeeded | IntentStatus::Canceled => {
            refund(facts, payment, now).unwrap_or(ProcessStep::Done)
        }
    }
}

/// Sends back what is left, or waits for what is on its way; nothing where neither is.
fn refund(facts: &ProcessFacts, payment: &PaymentFacts, now: Timestamp) -> Option<ProcessStep> {
    let left = payment.left();
    if left.amount_minor() > 0 {
        let step = ProcessStep::Refund {
            intent: payment.intent,
            amount: left,
            reason: facts.order.refund_reason.clone(),
        };
        return Some(unless_refused(step, payment, payment.failures.refunds, now));
    }
    (payment.refund_pending.amount_minor() > 0 || payment.operation_pending).then(|| provider(now))
}

/// `step`, unless the payment is busy, or the provider has refused the like of it: then later, or,
/// after so many refusals, never without a person.
fn unless_refused(
    step: ProcessStep,
    payment: &PaymentFacts,
    failures: u32,
    now: Timestamp,
) -> ProcessStep {
    if payment.operation_pending {
        return provider(now);
    }
    if failures >= OPERATION_FAILURES_MAX {
        return ProcessStep::Review(ReviewCause::ProviderRefuses);
    }
    let Some(last) = payment.failures.last_at.filter(|_| failures > 0) else {
        return step;
    };
    let factor = 4_i32.saturating_pow(failures.saturating_sub(1));
    let try_at = later(
        last,
        BACKOFF_FIRST.checked_mul(factor).unwrap_or(Duration::DAY),
    );
    if try_at <= now {
        return step;
    }
    ProcessStep::Wait {
        on: Awaited::NextTry,
        until: Some(try_at),
    }
}

const fn waiting(on: Awaited) -> ProcessStep {
    ProcessStep::Wait { on, until: None }
}

/// An answer of the provider is on its way, by the call itself, its retry, or a webhook.
fn provider(now: Timestamp) -> ProcessStep {
    ProcessStep::Wait {
        on: Awaited::Provider,
        until: Some(later(now, RECHECK_AFTER)),
    }
}

/// At the end of time it is as late as it gets.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.plus(by).unwrap_or(at)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.plus(Duration::ZERO.saturating_sub(by)).unwrap_or(at)
}
