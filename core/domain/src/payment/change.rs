//! What a command, or a snapshot of the PSP, did to a payment.

use super::text::told_word;
use super::{AttemptStatus, IntentStatus, OperationKind, Payment, Refund, RefundStatus, Transfer};
use crate::event::{EventData, PaymentIntentV1, RefundV1};
use crate::{Money, PaymentChange, Timestamp};

/// What a command, or a snapshot of the PSP, did to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentTransition {
    /// The payment after it.
    pub payment: Payment,
    /// What happened, in the past tense and in order. The first has the sequence that follows the
    /// version that the intent had before.
    pub events: Vec<EventData>,
    /// What is to be recorded on the order, in order.
    pub order_changes: Vec<PaymentChange>,
    /// What is to be booked.
    pub transfers: Vec<Transfer>,
}

impl PaymentTransition {
    /// Nothing has happened.
    pub const fn none(payment: Payment) -> Self {
        Self {
            payment,
            events: Vec::new(),
            order_changes: Vec::new(),
            transfers: Vec::new(),
        }
    }

    /// This and then `next`, which began where this ended.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.events.extend(next.events);
        self.order_changes.extend(next.order_changes);
        self.transfers.extend(next.transfers);
        self.payment = next.payment;
        self
    }

    /// The order has refused what was to be recorded on it: the payment is put into review.
    #[must_use]
    pub fn refused_by_order(self, now: Timestamp) -> Self {
        let before = self.payment.clone();
        let mut after = self.payment.clone();
        after.review("order_state");
        self.then(after.changed_since(&before, now))
    }
}

impl Payment {
    /// Somebody has to look at it: the books and the PSP contradict each other. The first reason stays.
    pub fn put_into_review(self, reason: &'static str, now: Timestamp) -> PaymentTransition {
        let before = self.clone();
        let mut after = self;
        after.review(reason);
        after.changed_since(&before, now)
    }

    /// The transition from `before` to this: its events, what the order is to be told, and what is
    /// booked all follow from the difference.
    pub(super) fn changed_since(mut self, before: &Self, now: Timestamp) -> PaymentTransition {
        let was = &before.intent;
        let mut order_changes = Vec::new();
        let mut transfers = Vec::new();
        let mut events = Vec::new();

        let gained = difference(self.intent.captured, was.captured);
        transfers.extend(Transfer::capture(
            self.intent.id,
            self.money(gained),
            self.intent.captured,
        ));
        if self.intent.status == IntentStatus::RequiresCapture
            && self.intent.authorized_at.is_none()
        {
            self.intent.authorized_at = Some(now);
            order_changes.push(PaymentChange::Authorize);
        }
        if self.is_paid() && self.intent.paid_at.is_none() {
            self.intent.paid_at = Some(now);
            // The order knows of no more than it costs; what is beyond that is in review.
            let (captured, total) = (self.intent.captured, self.intent.amount);
            let minor = captured.amount_minor().min(total.amount_minor());
            let amount = self.money(minor);
            order_changes.push(PaymentChange::Capture { amount });
        }
        if self.intent.status == IntentStatus::Canceled && self.intent.canceled_at.is_none() {
            self.intent.canceled_at = Some(now);
            if self.intent.authorized_at.is_some() {
                order_changes.push(PaymentChange::Void);
            }
        }
        events.extend(self.intent_event(before, now));
        for refund in &self.refunds {
            let earlier = before.refunds.iter().find(|r| r.id == refund.id);
            let earlier = earlier.map(|r| r.status);
            Self::tell_refund(refund, earlier, now, &mut events);
            match (earlier, refund.status) {
                (Some(RefundStatus::Pending) | None, RefundStatus::Succeeded) => {
                    let id = self.intent.id;
                    transfers.extend(Transfer::refund(id, refund.id, refund.amount));
                    let amount = refund.amount;
                    order_changes.push(PaymentChange::Refund { amount });
                }
                (Some(RefundStatus::Succeeded), RefundStatus::Failed | RefundStatus::Canceled) => {
                    let id = self.intent.id;
                    transfers.extend(Transfer::refund_failed(id, refund.id, refund.amount));
                }
                (
                    None | Some(RefundStatus::Pending),
                    RefundStatus::Pending | RefundStatus::Failed | RefundStatus::Canceled,
                )
                | (
                    Some(RefundStatus::Succeeded),
                    RefundStatus::Pending | RefundStatus::Succeeded,
                )
                | (Some(RefundStatus::Failed | RefundStatus::Canceled), _) => {}
            }
        }
        let told = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.intent.version = self.intent.version.saturating_add(told);
        if self != *before {
            self.intent.updated_at = now;
        }
        self.intent.due_at = self.next_look(now);
        PaymentTransition {
            payment: self,
            events,
            order_changes,
            transfers,
        }
    }

    /// Whether the order is paid: all that will be captured is, or more was than anybody wished.
    fn is_paid(&self) -> bool {
        let captured = self.intent.captured.amount_minor() > 0;
        match self.intent.status {
            IntentStatus::Succeeded | IntentStatus::Review => captured,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Canceled
            | IntentStatus::Conflicted => false,
        }
    }

    fn intent_event(&self, before: &Self, now: Timestamp) -> Option<EventData> {
        let (is, was) = (&self.intent, &before.intent);
        let moved = is.status != was.status;
        let data = || PaymentIntentV1 {
            payment_intent_id: is.id,
            order_id: is.order,
            status: is.status,
            amount: is.amount,
            capturable: is.capturable,
            captured: is.captured,
            refunded: is.refunded,
            reason: self.told_reason(),
            recorded_at: now,
        };
        let captured = difference(is.captured, was.captured) > 0;
        match is.status {
            IntentStatus::Conflicted => moved.then(|| EventData::PaymentIntentConflictedV1(data())),
            IntentStatus::Review => (moved || captured || is.reason != was.reason)
                .then(|| EventData::PaymentIntentReviewV1(data())),
            IntentStatus::Succeeded => {
                (moved || captured).then(|| EventData::PaymentIntentCapturedV1(data()))
            }
            IntentStatus::RequiresCapture if captured => {
                Some(EventData::PaymentIntentCapturedV1(data()))
            }
            IntentStatus::RequiresCapture => {
                moved.then(|| EventData::PaymentIntentAuthorizedV1(data()))
            }
            IntentStatus::Canceled => moved.then(|| EventData::PaymentIntentCanceledV1(data())),
            IntentStatus::RequiresAction => (moved || is.next_action != was.next_action)
                .then(|| EventData::PaymentIntentRequiresActionV1(data())),
            // That it was sent is nobody's news; that nobody knows what became of it is.
            IntentStatus::Processing => (self.is_awaited() && !before.is_awaited())
                .then(|| EventData::PaymentIntentProcessingV1(data())),
            IntentStatus::RequiresPaymentMethod => {
                moved.then(|| EventData::PaymentIntentFailedV1(data()))
            }
            IntentStatus::RequiresConfirmation => None,
        }
    }

    /// Whether it is processing, and not just being sent.
    fn is_awaited(&self) -> bool {
        let unknown = |status| match status {
            AttemptStatus::Unknown => true,
            AttemptStatus::Started
            | AttemptStatus::RequiresAction
            | AttemptStatus::Authorized
            | AttemptStatus::Captured
            | AttemptStatus::Failed
            | AttemptStatus::Voided => false,
        };
        self.intent.status == IntentStatus::Processing
            && (self.pending_operation().is_none()
                || self.attempt.as_ref().is_some_and(|a| unknown(a.status)))
    }

    fn told_reason(&self) -> Option<String> {
        let intent = &self.intent;
        match intent.status {
            IntentStatus::Conflicted | IntentStatus::Review => intent.reason.clone(),
            IntentStatus::Canceled => intent.cancel_reason.as_ref().map(ToString::to_string),
            IntentStatus::RequiresPaymentMethod => intent
                .failure
                .as_ref()
                .map(|failure| told_word(failure.decline_code.as_ref().unwrap_or(&failure.code))),
            IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Succeeded => None,
        }
    }

    fn tell_refund(
        refund: &Refund,
        earlier: Option<RefundStatus>,
        now: Timestamp,
        events: &mut Vec<EventData>,
    ) {
        let data = || RefundV1 {
            refund_id: refund.id,
            payment_intent_id: refund.intent,
            order_id: refund.order,
            amount: refund.amount,
            status: refund.status,
            reason: refund.reason.as_ref().map(ToString::to_string),
            recorded_at: now,
        };
        if earlier.is_none() {
            events.push(EventData::RefundCreatedV1(data()));
        }
        if earlier == Some(refund.status) {
            return;
        }
        match refund.status {
            RefundStatus::Pending => {}
            RefundStatus::Succeeded => events.push(EventData::RefundSucceededV1(data())),
            RefundStatus::Failed | RefundStatus::Canceled => {
                events.push(EventData::RefundFailedV1(data()));
            }
        }
    }

    /// When to look at the payment, if nothing is heard of it before: soon while it is young, ever
    /// more seldom as it grows old. An operation that is pending is looked after by itself.
    fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let waits_for_refund = self.refunds.iter().any(|refund| {
            refund.status == RefundStatus::Pending
                && !self.operations.iter().any(|operation| {
                    operation.is_pending()
                        && matches!(&operation.kind, OperationKind::Refund { refund: id, .. } if *id == refund.id)
                })
        });
        if self.pending_operation().is_some() {
            return None;
        }
        let since = self
            .attempt
            .as_ref()
            .map_or(self.intent.created_at, |a| a.created_at);
        let polled = |since: Timestamp| {
            let age_s = now.unix_s().saturating_sub(since.unix_s());
            let wait = time::Duration::seconds(age_s.div_euclid(2));
            let wait = wait.clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
            now.plus(wait).ok()
        };
        let refunds = waits_for_refund
            .then(|| polled(self.intent.updated_at))
            .flatten();
        let own = match self.intent.status {
            IntentStatus::Processing | IntentStatus::RequiresAction | IntentStatus::Conflicted => {
                polled(since)
            }
            IntentStatus::RequiresCapture => match self.intent.authorization_expires_at {
                Some(at) if at > now => Some(at),
                Some(_) | None => now.plus(LOOK_AGAIN_MAX).ok(),
            },
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Review => None,
        };
        match (own, refunds) {
            (Some(own), Some(refunds)) => Some(own.min(refunds)),
            (own, refunds) => own.or(refunds),
        }
    }
}

/// The shortest time between two looks at a payment that nothing is heard of.
const LOOK_AGAIN_MIN: time::Duration = time::Duration::seconds(30);
/// The longest.
const LOOK_AGAIN_MAX: time::Duration = time::Duration::hours(6);

/// How much more `now` is than `before`, at least nothing.
fn difference(now: Money, before: Money) -> i64 {
    now.amount_minor()
        .saturating_sub(before.amount_minor())
        .max(0)
}
