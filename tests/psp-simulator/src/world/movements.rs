//! Movements of money: Stripe's balance transactions.

use super::World;
use super::calls::Metadata;
use super::disputes::Dispute;
use super::payments::Payment;
use super::refunds::Refund;

/// A movement. Amounts are signed minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// `txn_…`
    pub id: String,
    /// Whose.
    pub account: String,
    /// Stripe's `type`.
    pub kind: &'static str,
    /// Stripe's `reporting_category`.
    pub category: &'static str,
    /// What moved the money.
    pub source: String,
    /// The payment behind it.
    pub payment: String,
    /// What the caller keeps with the source.
    pub metadata: Metadata,
    /// Before the fee.
    pub gross: i64,
    /// The fee.
    pub fee: i64,
    /// In lower case.
    pub currency: String,
    /// Milliseconds since 1970.
    pub created_ms: i64,
}

/// What the PSP keeps of a capture: 1.5 % rounded down, and 25 units.
pub const fn fee_of(amount: i64) -> i64 {
    amount * 15 / 1_000 + 25
}

/// What the PSP keeps of a lost case, or of any.
const DISPUTE_FEE: i64 = 1_500;

impl World {
    pub(super) fn book_charge(&mut self, payment: &Payment, amount: i64, now_ms: i64) {
        let id = self.new_id("txn");
        self.movements.push(Movement {
            id,
            account: payment.account.clone(),
            kind: "charge",
            category: "charge",
            source: payment.charge.clone().unwrap_or_default(),
            payment: payment.id.clone(),
            metadata: payment.metadata.clone(),
            gross: amount,
            fee: fee_of(amount),
            currency: payment.currency.clone(),
            created_ms: now_ms,
        });
    }

    pub(super) fn book_refund(&mut self, refund: &Refund, now_ms: i64) {
        let movement = self.of_refund(refund, now_ms);
        self.movements.push(Movement {
            kind: "refund",
            category: "refund",
            gross: -refund.amount,
            ..movement
        });
    }

    pub(super) fn book_refund_failure(&mut self, refund: &Refund, now_ms: i64) {
        let movement = self.of_refund(refund, now_ms);
        self.movements.push(Movement {
            kind: "refund_failure",
            category: "refund_failure",
            gross: refund.amount,
            ..movement
        });
    }

    fn of_refund(&mut self, refund: &Refund, now_ms: i64) -> Movement {
        Movement {
            id: self.new_id("txn"),
            account: refund.account.clone(),
            kind: "",
            category: "",
            source: refund.id.clone(),
            payment: refund.payment.clone(),
            metadata: refund.metadata.clone(),
            gross: 0,
            fee: 0,
            currency: refund.currency.clone(),
            created_ms: now_ms,
        }
    }

    /// `gross` is negative when the money is taken.
    pub(super) fn book_dispute(&mut self, dispute: &Dispute, gross: i64, now_ms: i64) {
        let taken = gross < 0;
        let id = self.new_id("txn");
        self.movements.push(Movement {
            id,
            account: dispute.account.clone(),
            kind: "adjustment",
            category: if taken { "dispute" } else { "dispute_reversal" },
            source: dispute.id.clone(),
            payment: dispute.payment.clone(),
            metadata: Metadata::new(),
            gross,
            fee: if taken { DISPUTE_FEE } else { 0 },
            currency: dispute.currency.clone(),
            created_ms: now_ms,
        });
    }
}
