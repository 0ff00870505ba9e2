//! Refunds.

use super::World;
use super::calls::{Answer, ApiError, Metadata, Outcome};

/// A refund that is pending at first is so for this time.
pub const PENDING_MS: i64 = 60 * 60 * 1_000;

/// Where a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

impl RefundStatus {
    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// `re_…`
    pub id: String,
    /// Of which payment.
    pub payment: String,
    /// Its charge.
    pub charge: String,
    /// Whose.
    pub account: String,
    /// Minor units.
    pub amount: i64,
    /// In lower case.
    pub currency: String,
    /// Where it is.
    pub status: RefundStatus,
    /// The caller's.
    pub metadata: Metadata,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    pub(crate) due_ms: Option<i64>,
    pub(crate) fails: bool,
}

impl World {
    pub(super) fn refund(
        &mut self,
        id: &str,
        amount: Option<i64>,
        metadata: &Metadata,
        now_ms: i64,
    ) -> Outcome {
        let (pending, fails) = self.draw_refund();
        let refund_id = self.new_id("re");
        let withdrawn = self.is_disputed(id);
        let payment = self.payment_mut(id)?;
        if withdrawn {
            return Err(ApiError::invalid(
                "charge_disputed",
                "The charge has been charged back.",
            ));
        }
        let left = payment.captured - payment.refunded;
        let amount = amount.unwrap_or(left);
        if left == 0 {
            return Err(ApiError::invalid(
                "charge_already_refunded",
                "The charge has already been refunded.",
            ));
        }
        if amount <= 0 || amount > left {
            return Err(ApiError::invalid(
                "amount_too_large",
                "The refund amount is greater than the unrefunded amount on the charge.",
            ));
        }
        payment.refunded += amount;
        let refund = Refund {
            id: refund_id.clone(),
            payment: id.to_owned(),
            charge: payment.charge.clone().unwrap_or_default(),
            account: payment.account.clone(),
            amount,
            currency: payment.currency.clone(),
            status: if pending {
                RefundStatus::Pending
            } else {
                RefundStatus::Succeeded
            },
            metadata: metadata.clone(),
            created_ms: now_ms,
            due_ms: pending.then_some(now_ms + PENDING_MS),
            fails,
        };
        self.book_refund(&refund, now_ms);
        let account = refund.account.clone();
        self.refunds.insert(refund_id, refund.clone());
        self.tell(&account, "charge.refunded", id, now_ms);
        self.tell(&account, "refund.created", id, now_ms);
        Ok(Answer::Refund(Box::new(refund)))
    }

    /// All refunds of a payment, oldest first.
    pub fn refunds_of(&self, payment: &str) -> Vec<Refund> {
        let of_payment = self
            .refunds
            .values()
            .filter(|refund| refund.payment == payment);
        of_payment.cloned().collect()
    }

    /// What time has brought about for refunds.
    pub(super) fn age_refunds(&mut self, now_ms: i64) {
        let due: Vec<String> = self
            .refunds
            .values()
            .filter(|refund| refund.due_ms.is_some_and(|due| due <= now_ms))
            .map(|refund| refund.id.clone())
            .collect();
        for id in due {
            let Some(refund) = self.refunds.get_mut(&id) else {
                continue;
            };
            refund.due_ms = None;
            refund.status = if refund.fails {
                RefundStatus::Failed
            } else {
                RefundStatus::Succeeded
            };
            let refund = refund.clone();
            let event = if refund.fails {
                if let Ok(payment) = self.payment_mut(&refund.payment) {
                    payment.refunded -= refund.amount;
                }
                self.book_refund_failure(&refund, now_ms);
                "refund.failed"
            } else {
                "refund.updated"
            };
            self.tell(&refund.account, event, &refund.payment, now_ms);
        }
    }
}
