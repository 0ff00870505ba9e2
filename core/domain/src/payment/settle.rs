//! How an operation ends when the PSP shows no payment: declined, refused, or nobody knows.

use super::{
    AttemptStatus, IntentStatus, OperationKind, OperationStatus, Payment, PaymentTransition,
    ProviderFailure, ProviderPayment, RefundStatus,
};
use crate::{ProviderOperationId, Timestamp};
use uuid::Uuid;

/// What became of sending an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationOutcome {
    /// The PSP has shown the payment after it.
    Answered(Box<ProviderPayment>),
    /// The bank said no, or the PSP: it had no effect, and will have none.
    Failed {
        /// Why.
        failure: ProviderFailure,
        /// The payment after it, where the PSP has shown it.
        payment: Option<Box<ProviderPayment>>,
    },
    /// It certainly had no effect: it did not get to the PSP. An authorization that nobody else has
    /// tried is given up, so that nobody is charged later for what was answered as failed; all else
    /// stays pending.
    NotSent {
        /// In words for an operator.
        reason: String,
    },
    /// It may have had its effect. It stays pending.
    Unknown {
        /// In words for an operator.
        reason: String,
    },
}

impl Payment {
    /// Merges the outcome of sending the operation `id`. One that was settled through another door
    /// meanwhile stays as it was settled.
    pub fn settle(
        self,
        id: ProviderOperationId,
        outcome: OperationOutcome,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> PaymentTransition {
        match outcome {
            OperationOutcome::Answered(said) => {
                let seen = self.observe(&said, Some(id), now, fresh);
                if seen.payment.pending(id).is_none() {
                    return seen;
                }
                // An answer that does not tell how it ended: it is asked again, ever later.
                let reason = "the answer does not tell".to_owned();
                let waiting = seen.payment.clone().wait(id, reason, now);
                seen.then(waiting)
            }
            OperationOutcome::Failed { failure, payment } => {
                let shown = match payment {
                    // Of an attempt that failed: the payment is there for the next one.
                    Some(said) => self.observe(&said, None, now, fresh),
                    None => PaymentTransition::none(self),
                };
                let failed = shown.payment.clone().fail(id, &failure, now);
                shown.then(failed)
            }
            OperationOutcome::NotSent { reason } if self.is_untried_authorization(id) => {
                let failure = ProviderFailure {
                    code: "provider_unavailable".to_owned(),
                    decline_code: None,
                    message: reason,
                };
                self.fail(id, &failure, now)
            }
            OperationOutcome::NotSent { reason } | OperationOutcome::Unknown { reason } => {
                self.wait(id, reason, now)
            }
        }
    }

    fn is_untried_authorization(&self, id: ProviderOperationId) -> bool {
        self.pending(id).is_some_and(|operation| {
            operation.tries == 0
                && match operation.kind {
                    OperationKind::Authorize { .. } => true,
                    OperationKind::Capture { .. }
                    | OperationKind::Void
                    | OperationKind::Refund { .. } => false,
                }
        })
    }

    /// The operation had no effect, and will have none.
    fn fail(
        self,
        id: ProviderOperationId,
        failure: &ProviderFailure,
        now: Timestamp,
    ) -> PaymentTransition {
        let before = self.clone();
        let mut after = self;
        let Some(operation) = after
            .operations
            .iter_mut()
            .find(|operation| operation.id == id && operation.is_pending())
        else {
            return PaymentTransition::none(after);
        };
        operation.settle(OperationStatus::Failed, now);
        operation.last_error = Some(failure.code.clone());
        match operation.kind.clone() {
            OperationKind::Authorize { .. } => {
                after.attempt_is(AttemptStatus::Failed, Some(failure.clone()), now);
                after.intent.failure = Some(failure.clone());
                match after.intent.status {
                    IntentStatus::Processing | IntentStatus::RequiresAction => {
                        after.intent.status = IntentStatus::RequiresPaymentMethod;
                    }
                    IntentStatus::RequiresPaymentMethod
                    | IntentStatus::RequiresConfirmation
                    | IntentStatus::RequiresCapture
                    | IntentStatus::Succeeded
                    | IntentStatus::Canceled
                    | IntentStatus::Conflicted
                    | IntentStatus::Review => {}
                }
            }
            OperationKind::Capture { .. } => {
                after.intent.failure = Some(failure.clone());
            }
            OperationKind::Void => {
                after.intent.failure = Some(failure.clone());
                after.intent.cancel_reason = None;
            }
            OperationKind::Refund { refund, .. } => {
                if let Some(refund) = after.refunds.iter_mut().find(|r| r.id == refund)
                    && refund.status == RefundStatus::Pending
                {
                    refund.status = RefundStatus::Failed;
                    refund.failure = Some(failure.clone());
                    refund.updated_at = now;
                }
                after.sum_refunds();
            }
        }
        after.changed_since(&before, now)
    }

    /// Nobody knows: the operation stays pending.
    fn wait(self, id: ProviderOperationId, reason: String, now: Timestamp) -> PaymentTransition {
        let before = self.clone();
        let mut after = self;
        let Some(operation) = after
            .operations
            .iter_mut()
            .find(|operation| operation.id == id && operation.is_pending())
        else {
            return PaymentTransition::none(after);
        };
        operation.tries = operation.tries.saturating_add(1);
        operation.last_error = Some(reason);
        match operation.kind {
            OperationKind::Authorize { .. } => after.attempt_is(AttemptStatus::Unknown, None, now),
            OperationKind::Capture { .. } | OperationKind::Void | OperationKind::Refund { .. } => {}
        }
        after.changed_since(&before, now)
    }
}
