//! The one merge of what the PSP says into what is known.
//!
//! Whichever door a snapshot comes through (the answer of a call, a webhook, a retry, a comparison of
//! the books), it is merged here, and snapshots may come late, twice and in any order. What makes that
//! safe: captured money only grows; a payment's states at the PSP are ranked, and a snapshot of a lower
//! rank than what is known changes nothing; what is settled stays settled. There is one step back, from
//! an attempt to the next one, and only the answer of the attempt itself, or a payment that nothing is
//! wanted of, takes it.

use super::{
    AUTHORIZATION_TTL_DAYS, AttemptStatus, CaptureMethod, IntentStatus, OperationKind,
    OperationStatus, Payment, PaymentTransition, ProviderPayment, ProviderStatus, Reason,
};
use crate::{ProviderOperationId, Timestamp};
use uuid::Uuid;

/// What becomes of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    To(IntentStatus),
    Review(&'static str),
}

/// What matters about a snapshot, beside its status.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is asked for"
)]
struct Facts {
    /// An attempt is being sent, or its outcome is not known.
    authorizing: bool,
    /// The snapshot is certainly later than the sending of that attempt: it answers it, or the PSP
    /// cannot know the payment from anywhere else.
    of_this_attempt: bool,
    /// It says why an attempt failed.
    declined: bool,
    /// Something is captured.
    captured: bool,
    /// It knows of all that is captured.
    knows_captures: bool,
    /// It is wanted that the payment ends.
    voiding: bool,
    /// The payment at the PSP was not known before.
    is_new: bool,
}

impl Payment {
    /// Why `said` cannot be a snapshot of this payment, if so: the PSP speaks of something else than
    /// what was wished. Before that is believed, the PSP is better asked once more.
    pub fn contradiction(&self, said: &ProviderPayment) -> Option<&'static str> {
        let intent = &self.intent;
        let currency = intent.amount.currency();
        let amounts = [said.amount, said.capturable, said.captured];
        if amounts.iter().any(|amount| amount.currency() != currency) {
            return Some("currency");
        }
        if said.amount != intent.amount {
            return Some("amount");
        }
        if said.intent.is_some_and(|named| named != intent.id) {
            return Some("foreign_payment");
        }
        if self.is_another(said) {
            return may_have_money(said.status).then_some("second_payment");
        }
        let (captured, capturable) = (said.captured.amount_minor(), said.capturable.amount_minor());
        let held = captured.saturating_add(capturable);
        if captured < 0 || capturable < 0 || held > intent.amount.amount_minor() {
            return Some("impossible_amounts");
        }
        if said.status == ProviderStatus::Succeeded && captured == 0 {
            return Some("nothing_captured");
        }
        None
    }

    /// Merges `said` into what is known. `answers` names the operation whose own answer it is, if it is
    /// one. `fresh` makes ids of refunds that were made past Souk.
    ///
    /// Total: a snapshot that contradicts what was wished makes the payment conflicted, or puts it into
    /// review.
    pub fn observe(
        self,
        said: &ProviderPayment,
        answers: Option<ProviderOperationId>,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> PaymentTransition {
        let before = self.clone();
        let mut after = self;
        if let Some(reason) = after.contradiction(said) {
            after.contradict(reason);
            return after.changed_since(&before, now);
        }
        // One that was given up before it held any money.
        if after.is_another(said) {
            return PaymentTransition::none(after);
        }
        let facts = after.facts(said, answers);
        if facts.is_new {
            after.intent.provider_payment = Some(said.id.clone());
        }
        let unasked = after.observe_captures(said);
        let mut reasons = Vec::new();
        match next(after.intent.status, said.status, facts) {
            Next::Stay => {}
            Next::To(status) => after.enter(status, said, now),
            Next::Review(reason) => reasons.push(reason),
        }
        if unasked {
            reasons.push("captured_unasked");
        }
        after.observe_held(said);
        after.settle_operations(said, facts, now);
        // Those that failed first: they make room.
        let (failed, others): (Vec<_>, Vec<_>) =
            said.refunds.iter().partition(|refund| refund.has_failed());
        for refund in failed.into_iter().chain(others) {
            reasons.extend(after.observe_refund(refund, now, fresh));
        }
        if let Some(reason) = reasons.first() {
            after.review(reason);
        }
        after.changed_since(&before, now)
    }

    /// Whether it is not the payment at the PSP that all attempts are at.
    fn is_another(&self, said: &ProviderPayment) -> bool {
        let known = self.intent.provider_payment.as_ref();
        known.is_some_and(|known| *known != said.id)
    }

    fn facts(&self, said: &ProviderPayment, answers: Option<ProviderOperationId>) -> Facts {
        let pending = self.pending_operation();
        let authorizing =
            pending.filter(|operation| matches!(operation.kind, OperationKind::Authorize { .. }));
        let first = self
            .attempt
            .as_ref()
            .is_none_or(|attempt| attempt.number <= 1);
        let known = self.intent.captured.amount_minor();
        let says = said.captured.amount_minor();
        Facts {
            authorizing: authorizing.is_some(),
            of_this_attempt: authorizing
                .is_some_and(|operation| first || answers == Some(operation.id)),
            declined: said.failure.is_some(),
            captured: known.max(says) > 0,
            knows_captures: says >= known,
            voiding: pending.is_some_and(|operation| operation.kind == OperationKind::Void),
            is_new: self.intent.provider_payment.is_none(),
        }
    }

    /// Captured money only grows. Returns whether it grew beyond what was wished.
    fn observe_captures(&mut self, said: &ProviderPayment) -> bool {
        let known = self.intent.captured.amount_minor();
        let says = said.captured.amount_minor();
        if says <= known {
            return false;
        }
        let wished = match (self.intent.capture_method, self.pending_operation()) {
            (CaptureMethod::Automatic, _) => self.intent.amount.amount_minor(),
            (CaptureMethod::Manual, Some(operation)) => match operation.kind {
                OperationKind::Capture { captured_after, .. } => captured_after.amount_minor(),
                OperationKind::Authorize { .. }
                | OperationKind::Void
                | OperationKind::Refund { .. } => known,
            },
            (CaptureMethod::Manual, None) => known,
        };
        self.intent.captured = self.money(says);
        says > wished
    }

    /// What is held shrinks from the authorization on. What was said before it tells nothing of it.
    fn observe_held(&mut self, said: &ProviderPayment) {
        let intent = &self.intent;
        let said = match said.status {
            ProviderStatus::RequiresCapture
            | ProviderStatus::Succeeded
            | ProviderStatus::Canceled => said.capturable,
            ProviderStatus::RequiresPaymentMethod
            | ProviderStatus::RequiresConfirmation
            | ProviderStatus::RequiresAction
            | ProviderStatus::Processing => intent.capturable,
        };
        let room = intent
            .amount
            .amount_minor()
            .saturating_sub(intent.captured.amount_minor());
        let held = match intent.status {
            IntentStatus::RequiresCapture => intent
                .capturable
                .amount_minor()
                .min(said.amount_minor())
                .min(room),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Conflicted
            | IntentStatus::Review => 0,
        };
        self.intent.capturable = self.money(held);
    }

    /// Enters `status`, with what belongs to it.
    fn enter(&mut self, status: IntentStatus, said: &ProviderPayment, now: Timestamp) {
        let intent = &mut self.intent;
        intent.status = status;
        intent.reason = None;
        intent.next_action = None;
        intent.failure = None;
        let attempt = match status {
            IntentStatus::RequiresAction => {
                intent.next_action.clone_from(&said.next_action);
                Some(AttemptStatus::RequiresAction)
            }
            IntentStatus::Processing => Some(AttemptStatus::Started),
            IntentStatus::RequiresCapture => {
                intent.capturable = said.capturable;
                let expires_at = now.plus(time::Duration::days(AUTHORIZATION_TTL_DAYS));
                let expires_at = intent.authorization_expires_at.or(expires_at.ok());
                intent.authorization_expires_at = expires_at;
                Some(AttemptStatus::Authorized)
            }
            IntentStatus::Succeeded => {
                intent.authorization_expires_at = None;
                Some(AttemptStatus::Captured)
            }
            IntentStatus::RequiresPaymentMethod => {
                intent.failure.clone_from(&said.failure);
                Some(AttemptStatus::Failed)
            }
            IntentStatus::Canceled => {
                intent.authorization_expires_at = None;
                if intent.cancel_reason.is_none() {
                    intent.cancel_reason = Some(Reason::canceled_by_provider());
                }
                Some(AttemptStatus::Voided)
            }
            IntentStatus::RequiresConfirmation
            | IntentStatus::Conflicted
            | IntentStatus::Review => None,
        };
        if let Some(status) = attempt {
            let failure = said.failure.as_ref();
            self.attempt_is(status, failure.cloned(), now);
        }
    }

    /// The last attempt stands so now. One that has failed is not voided.
    pub(super) fn attempt_is(
        &mut self,
        status: AttemptStatus,
        failure: Option<super::ProviderFailure>,
        now: Timestamp,
    ) {
        let Some(attempt) = self.attempt.as_mut() else {
            return;
        };
        let failed = attempt.status == AttemptStatus::Failed;
        if attempt.status == status || (failed && status == AttemptStatus::Voided) {
            return;
        }
        attempt.status = status;
        attempt.failure = failure.filter(|_| status == AttemptStatus::Failed);
        attempt.updated_at = now;
    }

    fn settle_operations(&mut self, said: &ProviderPayment, facts: Facts, now: Timestamp) {
        let captured = self.intent.captured.amount_minor();
        for operation in self.operations.iter_mut().filter(|o| o.is_pending()) {
            let settled = match &operation.kind {
                OperationKind::Authorize { .. } => authorized(said.status, facts),
                OperationKind::Capture { captured_after, .. } => {
                    if captured >= captured_after.amount_minor() {
                        Some(OperationStatus::Succeeded)
                    } else {
                        ended(said.status).then_some(OperationStatus::Failed)
                    }
                }
                OperationKind::Void => match said.status {
                    ProviderStatus::Canceled => Some(OperationStatus::Succeeded),
                    ProviderStatus::Succeeded => Some(OperationStatus::Failed),
                    ProviderStatus::RequiresPaymentMethod
                    | ProviderStatus::RequiresConfirmation
                    | ProviderStatus::RequiresAction
                    | ProviderStatus::Processing
                    | ProviderStatus::RequiresCapture => None,
                },
                // By the refund itself.
                OperationKind::Refund { .. } => None,
            };
            if let Some(status) = settled {
                operation.settle(status, now);
            }
        }
    }

    /// The PSP contradicts what was wished.
    fn contradict(&mut self, reason: &'static str) {
        match self.intent.status {
            IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Review => {
                self.review(reason);
            }
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Conflicted => {
                self.intent.status = IntentStatus::Conflicted;
                self.intent.reason = Some(reason.to_owned());
            }
        }
    }

    /// Somebody has to look at it. The first reason stays.
    pub(super) fn review(&mut self, reason: &'static str) {
        // Either is a person's already, and what was found first says more.
        let for_people = [IntentStatus::Review, IntentStatus::Conflicted];
        if !for_people.contains(&self.intent.status) {
            self.intent.status = IntentStatus::Review;
            self.intent.capturable = self.money(0);
            self.intent.reason = Some(reason.to_owned());
        }
    }
}

/// Whether a payment at the PSP holds money, or may come to.
const fn may_have_money(status: ProviderStatus) -> bool {
    match status {
        ProviderStatus::RequiresAction
        | ProviderStatus::Processing
        | ProviderStatus::RequiresCapture
        | ProviderStatus::Succeeded => true,
        ProviderStatus::RequiresPaymentMethod
        | ProviderStatus::RequiresConfirmation
        | ProviderStatus::Canceled => false,
    }
}

/// Whether the PSP will do nothing more about a payment.
const fn ended(status: ProviderStatus) -> bool {
    match status {
        ProviderStatus::Succeeded | ProviderStatus::Canceled => true,
        ProviderStatus::RequiresPaymentMethod
        | ProviderStatus::RequiresConfirmation
        | ProviderStatus::RequiresAction
        | ProviderStatus::Processing
        | ProviderStatus::RequiresCapture => false,
    }
}

/// What a snapshot says of an attempt that is under way.
const fn authorized(said: ProviderStatus, facts: Facts) -> Option<OperationStatus> {
    match said {
        ProviderStatus::RequiresCapture | ProviderStatus::Succeeded => {
            Some(OperationStatus::Succeeded)
        }
        ProviderStatus::Canceled => Some(OperationStatus::Failed),
        ProviderStatus::RequiresAction | ProviderStatus::Processing => {
            if facts.of_this_attempt {
                Some(OperationStatus::Succeeded)
            } else {
                None
            }
        }
        ProviderStatus::RequiresPaymentMethod | ProviderStatus::RequiresConfirmation => {
            if facts.of_this_attempt && facts.declined {
                Some(OperationStatus::Failed)
            } else {
                None
            }
        }
    }
}

/// What becomes of an intent that stands at `known` when the PSP says `said`.
fn next(known: IntentStatus, said: ProviderStatus, facts: Facts) -> Next {
    match said {
        ProviderStatus::RequiresPaymentMethod | ProviderStatus::RequiresConfirmation => {
            next_without_method(known, facts)
        }
        ProviderStatus::RequiresAction => {
            next_under_way(known, IntentStatus::RequiresAction, facts)
        }
        ProviderStatus::Processing => next_under_way(known, IntentStatus::Processing, facts),
        ProviderStatus::RequiresCapture => match known {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::Conflicted => Next::To(IntentStatus::RequiresCapture),
            IntentStatus::RequiresCapture | IntentStatus::Succeeded | IntentStatus::Review => {
                Next::Stay
            }
            // Ended before the PSP was known to have it: money is held that nobody waits for.
            IntentStatus::Canceled if facts.is_new => Next::Review("authorized_after_cancel"),
            IntentStatus::Canceled => Next::Stay,
        },
        ProviderStatus::Succeeded => match known {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Conflicted => Next::To(IntentStatus::Succeeded),
            IntentStatus::Succeeded | IntentStatus::Review => Next::Stay,
            IntentStatus::Canceled => Next::Review("captured_after_cancel"),
        },
        ProviderStatus::Canceled if facts.captured => next_after_rest_is_gone(known, facts),
        ProviderStatus::Canceled => match known {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Conflicted => Next::To(IntentStatus::Canceled),
            IntentStatus::Review if facts.voiding => Next::To(IntentStatus::Canceled),
            IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Review => Next::Stay,
        },
    }
}

/// The PSP waits for a payment method: before an attempt, or after one that failed.
const fn next_without_method(known: IntentStatus, facts: Facts) -> Next {
    match known {
        // While an attempt is under way this may be what was before it.
        IntentStatus::RequiresAction | IntentStatus::Processing => {
            if !facts.declined || (facts.authorizing && !facts.of_this_attempt) {
                Next::Stay
            } else {
                Next::To(IntentStatus::RequiresPaymentMethod)
            }
        }
        IntentStatus::Conflicted => {
            if facts.authorizing && !(facts.of_this_attempt && facts.declined) {
                Next::To(IntentStatus::Processing)
            } else {
                Next::To(IntentStatus::RequiresPaymentMethod)
            }
        }
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresCapture
        | IntentStatus::Succeeded
        | IntentStatus::Canceled
        | IntentStatus::Review => Next::Stay,
    }
}

/// The customer or the PSP is at work; the customer comes first.
const fn next_under_way(known: IntentStatus, to: IntentStatus, facts: Facts) -> Next {
    match known {
        IntentStatus::Processing => {
            if facts.authorizing && facts.of_this_attempt {
                Next::To(to)
            } else {
                Next::Stay
            }
        }
        // What the customer has to do comes before what the PSP does.
        IntentStatus::RequiresAction => match to {
            IntentStatus::Processing => Next::To(to),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Conflicted
            | IntentStatus::Review => Next::Stay,
        },
        IntentStatus::Conflicted => Next::To(to),
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresCapture
        | IntentStatus::Succeeded
        | IntentStatus::Canceled
        | IntentStatus::Review => Next::Stay,
    }
}

/// The PSP has ended a payment of which something is captured: it let the rest go, which is all right
/// if it knows of the captures.
const fn next_after_rest_is_gone(known: IntentStatus, facts: Facts) -> Next {
    if !facts.knows_captures {
        return match known {
            IntentStatus::Review => Next::Stay,
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Conflicted => Next::Review("canceled_after_capture"),
        };
    }
    match known {
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::Processing
        | IntentStatus::RequiresCapture
        | IntentStatus::Conflicted => Next::To(IntentStatus::Succeeded),
        IntentStatus::Succeeded | IntentStatus::Review => Next::Stay,
        IntentStatus::Canceled => Next::Review("captured_after_cancel"),
    }
}
