//! Properties of payments: whatever is commanded and whatever the PSP says, in any order.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    clippy::unnecessary_wraps,
    reason = "tests"
)]

mod examples;
mod orders;
mod properties;

use super::*;
use crate::{
    Currency, Money, OrderId, PaymentChange, PaymentIntentId, PaymentStatus, RefundId, Timestamp,
};
use std::collections::BTreeMap;
use uuid::Uuid;

const AMOUNT: i64 = 1_000;

fn euro(minor: i64) -> Money {
    let currency: Currency = "EUR".parse().unwrap();
    Money::new(minor, currency)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_000_000_000 + second * 1_000).unwrap()
}

/// Ids that are never the same.
fn ids() -> impl FnMut() -> Uuid {
    let mut next = 0_u128;
    move || {
        next += 1;
        Uuid::from_u128(next)
    }
}

fn token() -> Option<PaymentMethodToken> {
    Some("pm_card_visa".parse().unwrap())
}

fn new(capture_method: CaptureMethod) -> Payment {
    let zero = euro(0);
    Payment {
        intent: PaymentIntent {
            id: PaymentIntentId::from_uuid(Uuid::from_u128(1 << 100)),
            order: OrderId::from_uuid(Uuid::from_u128(2 << 100)),
            status: IntentStatus::RequiresPaymentMethod,
            capture_method,
            amount: euro(AMOUNT),
            capturable: zero,
            captured: zero,
            refunded: zero,
            refund_reserved: zero,
            disputed: zero,
            captures: 0,
            payment_method: None,
            provider_payment: None,
            next_action: None,
            failure: None,
            reason: None,
            cancel_reason: None,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
            authorized_at: None,
            authorization_expires_at: None,
            paid_at: None,
            canceled_at: None,
            due_at: None,
        },
        attempt: None,
        operations: Vec::new(),
        refunds: Vec::new(),
    }
}

fn said(status: ProviderStatus) -> ProviderPayment {
    ProviderPayment {
        id: "pi_at_the_psp".parse().unwrap(),
        intent: Some(new(CaptureMethod::Manual).intent.id),
        status,
        amount: euro(AMOUNT),
        capturable: euro(match status {
            ProviderStatus::RequiresCapture => AMOUNT,
            _ => 0,
        }),
        captured: euro(match status {
            ProviderStatus::Succeeded => AMOUNT,
            _ => 0,
        }),
        refunds: Vec::new(),
        next_action: (status == ProviderStatus::RequiresAction).then(|| NextAction {
            redirect_url: "https://bank.example/3ds".to_owned(),
        }),
        failure: None,
        created_at: at(0),
    }
}

fn declined() -> ProviderPayment {
    ProviderPayment {
        failure: Some(failure("card_declined")),
        ..said(ProviderStatus::RequiresPaymentMethod)
    }
}

fn failure(code: &str) -> ProviderFailure {
    ProviderFailure {
        code: code.to_owned(),
        decline_code: None,
        message: code.to_owned(),
    }
}

fn told_refund(refund: RefundId, amount: i64, status: ProviderRefundStatus) -> ProviderRefund {
    ProviderRefund {
        id: format!("re_{}", refund.as_uuid().simple()),
        refund: Some(refund),
        amount: euro(amount),
        status,
    }
}

/// A payment with all that its transitions have had as effect.
struct World {
    payment: Payment,
    fresh: Box<dyn FnMut() -> Uuid>,
    second: i64,
    order: PaymentStatus,
    order_refunded: i64,
    refusals: u32,
    books: BTreeMap<&'static str, i64>,
    sources: Vec<String>,
}

impl World {
    fn new(capture_method: CaptureMethod) -> Self {
        Self {
            payment: new(capture_method),
            fresh: Box::new(ids()),
            second: 0,
            order: PaymentStatus::Unpaid,
            order_refunded: 0,
            refusals: 0,
            books: BTreeMap::new(),
            sources: Vec::new(),
        }
    }

    fn now(&mut self) -> Timestamp {
        self.second += 1;
        at(self.second)
    }

    fn observe(&mut self, said: &ProviderPayment) {
        let now = self.now();
        let transition = self
            .payment
            .clone()
            .observe(said, None, now, &mut self.fresh);
        self.accept(transition);
    }

    /// Merges the said as the answer of the operation that is under way.
    fn answer(&mut self, said: &ProviderPayment) {
        let id = self.payment.pending_operation().unwrap().id;
        self.settle(id, OperationOutcome::Answered(Box::new(said.clone())));
    }

    fn settle(&mut self, id: crate::ProviderOperationId, outcome: OperationOutcome) {
        let now = self.now();
        let transition = self
            .payment
            .clone()
            .settle(id, outcome, now, &mut self.fresh);
        self.accept(transition);
    }

    fn confirm(&mut self) -> Result<(), PaymentError> {
        let now = self.now();
        let payment = self.payment.clone();
        let done = payment.confirm(token(), None, now, &mut self.fresh)?;
        self.accept(done);
        Ok(())
    }

    fn capture(&mut self, amount: Option<i64>, is_final: bool) -> Result<(), PaymentError> {
        let now = self.now();
        let payment = self.payment.clone();
        let done = payment.capture(amount.map(euro), is_final, now, &mut self.fresh)?;
        self.accept(done);
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), PaymentError> {
        let now = self.now();
        let payment = self.payment.clone();
        let done = payment.cancel(None, now, &mut self.fresh)?;
        self.accept(done);
        Ok(())
    }

    fn refund(&mut self, amount: Option<i64>) -> Result<RefundId, PaymentError> {
        let now = self.now();
        let payment = self.payment.clone();
        let done = payment.refund(amount.map(euro), None, now, &mut self.fresh)?;
        self.accept(done);
        Ok(self.payment.refunds.last().unwrap().id)
    }

    /// Takes a transition over, as the use case does, and checks what always holds.
    fn accept(&mut self, transition: PaymentTransition) {
        let before = self.payment.intent.clone();
        let told = u64::try_from(transition.events.len()).unwrap();
        let after = &transition.payment.intent;
        assert_eq!(after.version, before.version + told, "one number an event");
        assert!(after.captured.amount_minor() >= before.captured.amount_minor());
        let held = after.captured.amount_minor() + after.capturable.amount_minor();
        assert!(held <= AMOUNT, "more than the amount");
        let back = after.refunded.amount_minor() + after.refund_reserved.amount_minor();
        assert!(back <= after.captured.amount_minor(), "more back than came");
        if before.status.is_final() {
            let stays = [before.status, IntentStatus::Review];
            assert!(
                stays.contains(&after.status),
                "{:?} after {:?}",
                after.status,
                before.status
            );
        }
        let pending = transition
            .payment
            .operations
            .iter()
            .filter(|o| o.is_pending() && !matches!(o.kind, OperationKind::Refund { .. }));
        assert!(pending.count() <= 1, "two commands under way");
        for transfer in &transition.transfers {
            assert!(
                !self.sources.iter().any(|s| s == transfer.source()),
                "booked twice"
            );
            self.sources.push(transfer.source().to_owned());
            let sum: i64 = transfer.entries().iter().map(|e| e.amount_minor).sum();
            assert!(sum == 0 && transfer.entries().len() >= 2);
            for entry in transfer.entries() {
                *self.books.entry(entry.account.as_str()).or_default() += entry.amount_minor;
            }
        }
        for change in &transition.order_changes {
            let left = euro(AMOUNT - self.order_refunded);
            match self.order.after(*change, left) {
                Ok(status) => {
                    self.order = status;
                    if let PaymentChange::Refund { amount } = change {
                        self.order_refunded += amount.amount_minor();
                    }
                }
                Err(_) => self.refusals += 1,
            }
        }
        self.payment = transition.payment;
        // As it is loaded the next time.
        self.payment
            .operations
            .retain(ProviderOperation::is_pending);
        let intent = &self.payment.intent;
        let booked = |account| self.books.get(account).copied().unwrap_or(0);
        assert_eq!(-booked("revenue"), intent.captured.amount_minor());
        assert_eq!(booked("refunds"), intent.refunded.amount_minor());
        assert_eq!(booked("receivable"), 0);
        assert_eq!(
            booked("cash_at_psp"),
            intent.captured.amount_minor() - intent.refunded.amount_minor()
        );
    }
}
