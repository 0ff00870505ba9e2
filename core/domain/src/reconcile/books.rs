//! What is booked, as reconciliation wants to see it.

use crate::payment::{ProviderMovement, ProviderPaymentId, ProviderRefund};
use crate::{Currency, Money, PaymentIntentId, RefundId};
use std::collections::{BTreeMap, BTreeSet};

/// The books of some payments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// By the payment's id at the PSP.
    pub payments: BTreeMap<ProviderPaymentId, BookedPayment>,
    /// Fees, by the movement that they were taken with.
    pub fees: BTreeMap<String, BookedFee>,
}

/// A fee, as it is booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedFee {
    /// Of which payment, if of one.
    pub intent: Option<PaymentIntentId>,
    /// How much; negative where it was given back.
    pub amount: Money,
    /// Whether the movement has to be one of the window that is looked at.
    pub of_window: bool,
}

/// All that is booked of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedPayment {
    /// Which.
    pub intent: PaymentIntentId,
    /// Its id at the PSP, if one is known.
    pub payment: Option<ProviderPaymentId>,
    /// Its currency.
    pub currency: Currency,
    /// What was captured, in minor units.
    pub captured_minor: i64,
    /// Its refunds.
    pub refunds: Vec<BookedRefund>,
    /// Its disputes.
    pub disputes: Vec<BookedDispute>,
}

/// A refund, as it is booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedRefund {
    /// Which.
    pub refund: RefundId,
    /// Its id at the PSP, if one is known.
    pub provider_refund: Option<String>,
    /// What is booked as paid out, in minor units; nothing as long as it is on its way.
    pub booked_minor: i64,
}

/// A dispute, as it is booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedDispute {
    /// Its id at the PSP.
    pub provider_dispute: String,
    /// What is booked as taken by the bank, in minor units.
    pub booked_minor: i64,
}

impl BookedPayment {
    /// Whether anything is booked of it.
    pub(super) fn has_bookings(&self) -> bool {
        self.captured_minor != 0
            || self.refunds.iter().any(|refund| refund.booked_minor != 0)
            || self
                .disputes
                .iter()
                .any(|dispute| dispute.booked_minor != 0)
    }
}

impl BookedRefund {
    /// What it is called in reports.
    pub(super) fn key(&self) -> String {
        self.refund.to_string()
    }

    /// Whether the PSP speaks of this one.
    pub(super) fn is(&self, said: &ProviderRefund) -> bool {
        said.refund == Some(self.refund) || self.provider_refund.as_deref() == Some(&said.id)
    }
}

impl Books {
    /// What the refund that has moved is called: by our id where it is known, else by the PSP's.
    pub(super) fn refund_key(
        &self,
        payment: &ProviderPaymentId,
        movement: &ProviderMovement,
    ) -> String {
        let booked = self.payments.get(payment).and_then(|booked| {
            booked.refunds.iter().find(|refund| {
                movement.refund == Some(refund.refund)
                    || refund.provider_refund.as_deref() == Some(movement.source.as_str())
            })
        });
        booked.map_or_else(|| movement.source.clone(), BookedRefund::key)
    }

    /// Fees that should be among `movements`, and are not.
    pub(super) fn fees_of_window<'a>(
        &'a self,
        movements: &'a BTreeSet<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a BookedFee)> {
        self.fees
            .iter()
            .filter(|(movement, fee)| fee.of_window && !movements.contains(movement.as_str()))
            .map(|(movement, fee)| (movement.as_str(), fee))
    }
}
