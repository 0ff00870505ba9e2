//! The commands: what is wanted of the PSP.

use super::{
    ATTEMPTS_MAX, AttemptStatus, CAPTURES_MAX, CaptureMethod, IntentStatus, OperationKind,
    OperationStatus, Payment, PaymentAttempt, PaymentError, PaymentIntent, PaymentMethodToken,
    PaymentTransition, ProviderOperation, REFUNDS_MAX, Reason, Refund, RefundOrigin, RefundStatus,
    ReturnUrl,
};
use crate::event::{EventData, PaymentIntentV1};
use crate::{
    Money, Order, OrderStatus, PaymentAttemptId, PaymentIntentId, PaymentStatus,
    ProviderOperationId, RefundId, Timestamp,
};
use uuid::Uuid;

impl Payment {
    /// Makes the intent to pay the total of `order`, with a payment method if one is known already.
    ///
    /// # Errors
    /// [`PaymentError::OrderNotPayable`], [`PaymentError::NothingToPay`].
    pub fn create(
        id: PaymentIntentId,
        order: &Order,
        capture_method: CaptureMethod,
        payment_method: Option<PaymentMethodToken>,
        now: Timestamp,
    ) -> Result<PaymentTransition, PaymentError> {
        let record = order.record();
        let payable = match record.status {
            OrderStatus::Placed | OrderStatus::Confirmed | OrderStatus::Fulfilled => true,
            OrderStatus::Completed | OrderStatus::Cancelled => false,
        };
        if !payable || record.payment_status != PaymentStatus::Unpaid {
            return Err(PaymentError::OrderNotPayable {
                order: record.status,
                payment: record.payment_status,
            });
        }
        if record.total.amount_minor() <= 0 {
            return Err(PaymentError::NothingToPay);
        }
        let zero = Money::zero(record.total.currency());
        let status = match payment_method {
            Some(_) => IntentStatus::RequiresConfirmation,
            None => IntentStatus::RequiresPaymentMethod,
        };
        let intent = PaymentIntent {
            id,
            order: record.id,
            status,
            capture_method,
            amount: record.total,
            capturable: zero,
            captured: zero,
            refunded: zero,
            refund_reserved: zero,
            disputed: zero,
            captures: 0,
            payment_method,
            provider_payment: None,
            next_action: None,
            failure: None,
            reason: None,
            cancel_reason: None,
            version: 1,
            created_at: now,
            updated_at: now,
            authorized_at: None,
            authorization_expires_at: None,
            paid_at: None,
            canceled_at: None,
            due_at: None,
        };
        let created = EventData::PaymentIntentCreatedV1(PaymentIntentV1 {
            payment_intent_id: id,
            order_id: record.id,
            status,
            amount: record.total,
            capturable: zero,
            captured: zero,
            refunded: zero,
            reason: None,
            recorded_at: now,
        });
        let payment = Self {
            intent,
            attempt: None,
            operations: Vec::new(),
            refunds: Vec::new(),
        };
        Ok(PaymentTransition {
            events: vec![created],
            ..PaymentTransition::none(payment)
        })
    }

    /// Tries to pay, with `payment_method` or the one that was left: the next attempt, at the same
    /// payment at the PSP. `fresh` makes ids.
    ///
    /// # Errors
    /// [`PaymentError::OperationPending`], [`PaymentError::NotConfirmable`],
    /// [`PaymentError::PaymentMethodMissing`], [`PaymentError::TooManyAttempts`].
    pub fn confirm(
        self,
        payment_method: Option<PaymentMethodToken>,
        return_url: Option<ReturnUrl>,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<PaymentTransition, PaymentError> {
        self.is_free()?;
        match self.intent.status {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction => {}
            status @ (IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Conflicted
            | IntentStatus::Review) => return Err(PaymentError::NotConfirmable { status }),
        }
        let before = self.clone();
        let mut after = self;
        let payment_method = payment_method
            .or(after.intent.payment_method.take())
            .ok_or(PaymentError::PaymentMethodMissing)?;
        let number = after.attempt.as_ref().map_or(0, |a| a.number);
        let number = number.saturating_add(1);
        if number > ATTEMPTS_MAX {
            return Err(PaymentError::TooManyAttempts);
        }
        let attempt = PaymentAttemptId::from_uuid(fresh());
        let kind = OperationKind::Authorize {
            attempt,
            payment_method: payment_method.clone(),
            return_url,
            existing: after.intent.provider_payment.clone(),
        };
        let operation = after.want(kind, now, fresh);
        after.attempt = Some(PaymentAttempt {
            id: attempt,
            number,
            status: AttemptStatus::Started,
            payment_method,
            operation,
            failure: None,
            created_at: now,
            updated_at: now,
        });
        after.intent.status = IntentStatus::Processing;
        after.intent.payment_method = None;
        after.intent.next_action = None;
        after.intent.failure = None;
        Ok(after.changed_since(&before, now))
    }

    /// Takes `amount` of what is held, or all of it; unless it is not `is_final` the rest is let go.
    ///
    /// # Errors
    /// [`PaymentError::OperationPending`], [`PaymentError::NotCapturable`],
    /// [`PaymentError::CaptureExceeds`], [`PaymentError::TooManyCaptures`].
    pub fn capture(
        self,
        amount: Option<Money>,
        is_final: bool,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<PaymentTransition, PaymentError> {
        self.is_free()?;
        match self.intent.status {
            IntentStatus::RequiresCapture => {}
            status @ (IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::Succeeded
            | IntentStatus::Canceled
            | IntentStatus::Conflicted
            | IntentStatus::Review) => return Err(PaymentError::NotCapturable { status }),
        }
        let before = self.clone();
        let mut after = self;
        let capturable = after.intent.capturable;
        let amount = amount.unwrap_or(capturable);
        let left =
            left_of(capturable, amount).ok_or(PaymentError::CaptureExceeds { capturable })?;
        if after.intent.captures >= CAPTURES_MAX {
            return Err(PaymentError::TooManyCaptures);
        }
        let captured_after = after.intent.captured.checked_add(amount);
        let captured_after = captured_after.map_err(|_| PaymentError::Amounts)?;
        after.intent.captures = after.intent.captures.saturating_add(1);
        let kind = OperationKind::Capture {
            amount,
            is_final: is_final || left == 0,
            captured_after,
        };
        after.want(kind, now, fresh);
        Ok(after.changed_since(&before, now))
    }

    /// Ends the payment before anything is captured. Where the PSP knows of it, it has to agree.
    ///
    /// # Errors
    /// [`PaymentError::OperationPending`], [`PaymentError::PartlyCaptured`],
    /// [`PaymentError::NotCancelable`].
    pub fn cancel(
        self,
        reason: Option<Reason>,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<PaymentTransition, PaymentError> {
        self.is_free()?;
        let status = self.intent.status;
        match status {
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture
            | IntentStatus::Conflicted
            | IntentStatus::Review => {}
            IntentStatus::Processing | IntentStatus::Succeeded | IntentStatus::Canceled => {
                return Err(PaymentError::NotCancelable { status });
            }
        }
        if self.intent.captured.amount_minor() > 0 {
            return Err(PaymentError::PartlyCaptured);
        }
        let before = self.clone();
        let mut after = self;
        after.intent.cancel_reason = reason;
        if after.intent.provider_payment.is_some() {
            after.want(OperationKind::Void, now, fresh);
        } else {
            after.intent.status = IntentStatus::Canceled;
        }
        Ok(after.changed_since(&before, now))
    }

    /// Sends back `amount` of what was captured, or all that is left of it. What is sent back is kept
    /// for it until the PSP has spoken.
    ///
    /// # Errors
    /// [`PaymentError::NotRefundable`], [`PaymentError::RefundExceeds`],
    /// [`PaymentError::TooManyRefunds`].
    pub fn refund(
        self,
        amount: Option<Money>,
        reason: Option<Reason>,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> Result<PaymentTransition, PaymentError> {
        let status = self.intent.status;
        match status {
            IntentStatus::Succeeded | IntentStatus::Review => {}
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::Processing
            | IntentStatus::RequiresCapture
            | IntentStatus::Canceled
            | IntentStatus::Conflicted => return Err(PaymentError::NotRefundable { status }),
        }
        let refundable = self.refundable();
        let amount = amount.unwrap_or(refundable);
        left_of(refundable, amount).ok_or(PaymentError::RefundExceeds { refundable })?;
        let ours = self
            .refunds
            .iter()
            .filter(|r| r.origin == RefundOrigin::Souk);
        if ours.count() >= usize::from(REFUNDS_MAX) {
            return Err(PaymentError::TooManyRefunds);
        }
        let before = self.clone();
        let mut after = self;
        let id = RefundId::from_uuid(fresh());
        after.refunds.push(Refund {
            id,
            intent: after.intent.id,
            order: after.intent.order,
            status: RefundStatus::Pending,
            amount,
            origin: RefundOrigin::Souk,
            reason,
            provider_refund: None,
            failure: None,
            created_at: now,
            updated_at: now,
        });
        after.sum_refunds();
        after.want(OperationKind::Refund { refund: id, amount }, now, fresh);
        Ok(after.changed_since(&before, now))
    }

    /// No command is under way that a second one could meet.
    fn is_free(&self) -> Result<(), PaymentError> {
        match self.pending_operation() {
            Some(_) => Err(PaymentError::OperationPending),
            None => Ok(()),
        }
    }

    fn want(
        &mut self,
        kind: OperationKind,
        now: Timestamp,
        fresh: &mut dyn FnMut() -> Uuid,
    ) -> ProviderOperationId {
        let id = ProviderOperationId::from_uuid(fresh());
        self.operations.push(ProviderOperation {
            id,
            intent: self.intent.id,
            kind,
            status: OperationStatus::Pending,
            tries: 0,
            last_error: None,
            created_at: now,
            settled_at: None,
        });
        id
    }
}

/// What is left of `room` when `amount` is taken, in minor units; none where it is nothing, too much or
/// in another currency.
fn left_of(room: Money, amount: Money) -> Option<i64> {
    let left = room.checked_sub(amount).ok()?.amount_minor();
    (amount.amount_minor() > 0 && left >= 0).then_some(left)
}
