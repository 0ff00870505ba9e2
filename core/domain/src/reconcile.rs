//! Reconciliation: what has moved at the PSP against what is booked here.
//!
//! It goes in two looks. The first compares the movements of a window with the books and says which
//! payments are worth a second look ([`suspects`]): some only because the window cuts between a
//! payment and its refund, or between the PSP's clock and ours. The second compares the whole of one
//! payment, as the PSP shows it now, with all that is booked of it ([`differences`]), and has no edges.

mod books;

pub use books::{BookedDispute, BookedFee, BookedPayment, BookedRefund, Books};

use crate::payment::{
    MovementKind, ProviderDispute, ProviderMovement, ProviderPayment, ProviderPaymentId,
    ProviderRefund, ProviderRefundStatus,
};
use crate::{Currency, Money, PaymentIntentId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How what the PSP says differs from what is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The PSP has captured what is not booked.
    CaptureMissing,
    /// A capture is booked that the PSP does not have.
    CaptureUnfounded,
    /// Both have a capture, of different amounts.
    CaptureAmount,
    /// The PSP has paid out a refund that is not booked.
    RefundMissing,
    /// A refund is booked that the PSP has not paid out.
    RefundUnfounded,
    /// Both have a refund, of different amounts.
    RefundAmount,
    /// A bank has taken money that is not booked as disputed, or given back what is.
    DisputeMissing,
    /// Money is booked as disputed that no bank has taken.
    DisputeUnfounded,
    /// Both have a dispute, of different amounts.
    DisputeAmount,
    /// A fee is booked that the PSP has not taken.
    FeeUnfounded,
    /// Both have a fee, of different amounts.
    FeeAmount,
    /// The PSP has taken money for a payment that is not ours.
    PaymentUnknown,
    /// The PSP has two payments for one intent.
    PaymentTwice,
    /// Movements of a payment add up to more than the payment itself.
    MovementsExceed,
    /// A movement of a kind that the books have no account for.
    MovementUnknown,
    /// A refund has been on its way for too long.
    RefundLate,
    /// A payment has been under way for too long.
    PaymentStuck,
}

impl DifferenceKind {
    /// The name in reports, and the reason of a payment that is put into review for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CaptureMissing => "capture_missing",
            Self::CaptureUnfounded => "capture_unfounded",
            Self::CaptureAmount => "capture_amount",
            Self::RefundMissing => "refund_missing",
            Self::RefundUnfounded => "refund_unfounded",
            Self::RefundAmount => "refund_amount",
            Self::DisputeMissing => "dispute_missing",
            Self::DisputeUnfounded => "dispute_unfounded",
            Self::DisputeAmount => "dispute_amount",
            Self::FeeUnfounded => "fee_unfounded",
            Self::FeeAmount => "fee_amount",
            Self::PaymentUnknown => "payment_unknown",
            Self::PaymentTwice => "payment_twice",
            Self::MovementsExceed => "movements_exceed",
            Self::MovementUnknown => "movement_unknown",
            Self::RefundLate => "refund_late",
            Self::PaymentStuck => "payment_stuck",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How it differs.
    pub kind: DifferenceKind,
    /// The payment at the PSP.
    pub payment: Option<ProviderPaymentId>,
    /// The payment here.
    pub intent: Option<PaymentIntentId>,
    /// What of it: a refund's, dispute's or movement's id; empty where it is the payment itself.
    pub source: String,
    /// What is booked, in minor units.
    pub ours_minor: i64,
    /// What the PSP says, in minor units.
    pub theirs_minor: i64,
    /// The currency of both, as the PSP says it where it does.
    pub currency: Currency,
}

/// What the first look has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suspects {
    /// Payments at the PSP that are worth a second look.
    pub payments: BTreeSet<ProviderPaymentId>,
    /// Movements with a fee that is not booked yet: that is how fees become known.
    pub fees: Vec<ProviderMovement>,
    /// What a second look would not tell more about.
    pub differences: Vec<Difference>,
}

/// What movements of one payment add up to, each thing for itself.
#[derive(Debug, Clone, Default)]
struct Moved {
    captured: i64,
    refunds: BTreeMap<String, i64>,
    disputes: BTreeMap<String, i64>,
    currencies: Vec<Currency>,
}

/// Compares the movements of a window with `books`, which have every payment that is named in a movement
/// or was booked in the window, and every fee that was booked in it or for one of its movements.
pub fn suspects(movements: &[ProviderMovement], books: &Books) -> Suspects {
    let mut found = Suspects::default();
    let mut moved: BTreeMap<&ProviderPaymentId, Moved> = BTreeMap::new();
    let mut fees: BTreeSet<&str> = BTreeSet::new();
    for movement in movements {
        fees.insert(&movement.id);
        found.compare_fee(movement, books);
        match (&movement.kind, &movement.payment) {
            (MovementKind::Charge, Some(payment)) => {
                let sums = moved.entry(payment).or_default();
                sums.captured = sums.captured.saturating_add(movement.gross.amount_minor());
                sums.currencies.push(movement.gross.currency());
            }
            (MovementKind::Refund | MovementKind::RefundFailure, Some(payment)) => {
                let sums = moved.entry(payment).or_default();
                let key = books.refund_key(payment, movement);
                add(&mut sums.refunds, key, movement.gross);
                sums.currencies.push(movement.gross.currency());
            }
            (MovementKind::Dispute | MovementKind::DisputeReversal, Some(payment)) => {
                let sums = moved.entry(payment).or_default();
                add(&mut sums.disputes, movement.source.clone(), movement.gross);
                sums.currencies.push(movement.gross.currency());
            }
            // What goes to the merchant's bank, or is taken as a fee, is no matter of a payment.
            (MovementKind::Payout | MovementKind::Fee, _) => {}
            (
                MovementKind::Charge
                | MovementKind::Refund
                | MovementKind::RefundFailure
                | MovementKind::Dispute
                | MovementKind::DisputeReversal
                | MovementKind::Other(_),
                _,
            ) => found.differences.push(unknown_movement(movement)),
        }
    }
    for (payment, sums) in &moved {
        if !books
            .payments
            .get(*payment)
            .is_some_and(|booked| sums.fit(booked))
        {
            found.payments.insert((*payment).clone());
        }
    }
    let unmoved = books
        .payments
        .iter()
        .filter(|(id, _)| !moved.contains_key(id));
    let booked = unmoved.filter(|(_, booked)| booked.has_bookings());
    found.payments.extend(booked.map(|(id, _)| id.clone()));
    for (movement, fee) in books.fees_of_window(&fees) {
        found.differences.push(Difference {
            kind: DifferenceKind::FeeUnfounded,
            payment: None,
            intent: fee.intent,
            source: movement.to_owned(),
            ours_minor: fee.amount.amount_minor(),
            theirs_minor: 0,
            currency: fee.amount.currency(),
        });
    }
    found
}

/// Money that goes out is negative in a movement, and counted as what went out.
fn add(sums: &mut BTreeMap<String, i64>, key: String, gross: Money) {
    let sum = sums.entry(key).or_default();
    *sum = sum.saturating_sub(gross.amount_minor());
}

fn unknown_movement(movement: &ProviderMovement) -> Difference {
    Difference {
        kind: DifferenceKind::MovementUnknown,
        payment: movement.payment.clone(),
        intent: None,
        source: movement.id.clone(),
        ours_minor: 0,
        theirs_minor: movement.net.amount_minor(),
        currency: movement.net.currency(),
    }
}

impl Suspects {
    /// A movement of the kind fee is one in full; any other may have one besides.
    fn compare_fee(&mut self, movement: &ProviderMovement, books: &Books) {
        let fee = fee_of(movement);
        let booked = books.fees.get(&movement.id);
        match booked {
            None if fee.amount_minor() == 0 => {}
            None => self.fees.push(movement.clone()),
            Some(booked) if booked.amount == fee => {}
            Some(booked) => self.differences.push(Difference {
                kind: DifferenceKind::FeeAmount,
                payment: movement.payment.clone(),
                intent: booked.intent,
                source: movement.id.clone(),
                ours_minor: booked.amount.amount_minor(),
                theirs_minor: fee.amount_minor(),
                currency: fee.currency(),
            }),
        }
    }
}

/// What the PSP has taken for itself with this movement; negative where it gave something back.
pub fn fee_of(movement: &ProviderMovement) -> Money {
    match movement.kind {
        MovementKind::Fee => {
            let gross = movement.gross.amount_minor().saturating_neg();
            let fee = movement.fee.amount_minor();
            Money::new(gross.saturating_add(fee), movement.fee.currency())
        }
        MovementKind::Charge
        | MovementKind::Refund
        | MovementKind::RefundFailure
        | MovementKind::Dispute
        | MovementKind::DisputeReversal
        | MovementKind::Payout
        | MovementKind::Other(_) => movement.fee,
    }
}

impl Moved {
    fn fit(&self, booked: &BookedPayment) -> bool {
        let currency_fits = self.currencies.iter().all(|c| *c == booked.currency);
        let refunds: BTreeMap<String, i64> = booked
            .refunds
            .iter()
            .filter(|refund| refund.booked_minor != 0)
            .map(|refund| (refund.key(), refund.booked_minor))
            .collect();
        let disputes: BTreeMap<String, i64> = booked
            .disputes
            .iter()
            .filter(|dispute| dispute.booked_minor != 0)
            .map(|dispute| (dispute.provider_dispute.clone(), dispute.booked_minor))
            .collect();
        let moved = |sums: &BTreeMap<String, i64>| -> BTreeMap<String, i64> {
            let sums = sums.iter().filter(|(_, minor)| **minor != 0);
            sums.map(|(key, minor)| (key.clone(), *minor)).collect()
        };
        currency_fits
            && self.captured == booked.captured_minor
            && moved(&self.refunds) == refunds
            && moved(&self.disputes) == disputes
    }
}

/// Compares all of one payment: as the PSP shows it, nothing where the PSP does not know it, with those
/// of its disputes that are known on either side, against what is booked.
pub fn differences(
    said: Option<&ProviderPayment>,
    disputes: &[ProviderDispute],
    booked: &BookedPayment,
) -> Vec<Difference> {
    let found = Found {
        booked,
        payment: said
            .map(|said| said.id.clone())
            .or_else(|| booked.payment.clone()),
    };
    let mut all = Vec::new();
    let captured = said.map_or(0, |said| said.captured.amount_minor());
    let currency = said.map_or(booked.currency, |said| said.captured.currency());
    let kinds = [
        DifferenceKind::CaptureMissing,
        DifferenceKind::CaptureUnfounded,
        DifferenceKind::CaptureAmount,
    ];
    all.extend(found.difference(kinds, "", booked.captured_minor, (captured, currency)));
    let paid_out = said.map_or(&[][..], |said| said.refunds.as_slice());
    all.extend(found.refunds(paid_out));
    all.extend(found.disputes(disputes));
    all
}

/// Movements of a window that add up to more than the payment itself has moved.
pub fn movements_exceed(
    movements: &[ProviderMovement],
    said: &ProviderPayment,
    intent: Option<PaymentIntentId>,
) -> Option<Difference> {
    let charges = movements.iter().filter(|movement| {
        movement.kind == MovementKind::Charge && movement.payment.as_ref() == Some(&said.id)
    });
    let moved = charges.fold(0_i64, |sum, m| sum.saturating_add(m.gross.amount_minor()));
    let captured = said.captured.amount_minor();
    (moved > captured).then(|| Difference {
        kind: DifferenceKind::MovementsExceed,
        payment: Some(said.id.clone()),
        intent,
        source: String::new(),
        ours_minor: captured,
        theirs_minor: moved,
        currency: said.captured.currency(),
    })
}

struct Found<'a> {
    booked: &'a BookedPayment,
    payment: Option<ProviderPaymentId>,
}

impl Found<'_> {
    /// Nothing where both are the same; else which of `[missing, unfounded, amount]` it is.
    fn difference(
        &self,
        [missing, unfounded, amount]: [DifferenceKind; 3],
        source: &str,
        ours_minor: i64,
        (theirs_minor, currency): (i64, Currency),
    ) -> Option<Difference> {
        let same_currency = theirs_minor == 0 || currency == self.booked.currency;
        if ours_minor == theirs_minor && same_currency {
            return None;
        }
        let kind = match (ours_minor, theirs_minor) {
            (0, _) => missing,
            (_, 0) => unfounded,
            _ => amount,
        };
        Some(Difference {
            kind,
            payment: self.payment.clone(),
            intent: Some(self.booked.intent),
            source: source.to_owned(),
            ours_minor,
            theirs_minor,
            currency,
        })
    }

    fn refunds(&self, said: &[ProviderRefund]) -> Vec<Difference> {
        let kinds = [
            DifferenceKind::RefundMissing,
            DifferenceKind::RefundUnfounded,
            DifferenceKind::RefundAmount,
        ];
        let mut all = Vec::new();
        for refund in said {
            let ours = self.booked.refunds.iter().find(|ours| ours.is(refund));
            let ours_minor = ours.map_or(0, |ours| ours.booked_minor);
            let theirs = (paid_out(refund), refund.amount.currency());
            let source = ours.map_or_else(|| refund.id.clone(), BookedRefund::key);
            all.extend(self.difference(kinds, &source, ours_minor, theirs));
        }
        let alone = self
            .booked
            .refunds
            .iter()
            .filter(|ours| !said.iter().any(|r| ours.is(r)));
        for ours in alone {
            let theirs = (0, self.booked.currency);
            all.extend(self.difference(kinds, &ours.key(), ours.booked_minor, theirs));
        }
        all
    }

    fn disputes(&self, said: &[ProviderDispute]) -> Vec<Difference> {
        let kinds = [
            DifferenceKind::DisputeMissing,
            DifferenceKind::DisputeUnfounded,
            DifferenceKind::DisputeAmount,
        ];
        let mut all = Vec::new();
        for dispute in said {
            let ours = self
                .booked
                .disputes
                .iter()
                .find(|d| d.provider_dispute == dispute.id);
            let ours_minor = ours.map_or(0, |ours| ours.booked_minor);
            let withdrawn = if dispute.funds_withdrawn {
                dispute.amount.amount_minor()
            } else {
                0
            };
            let theirs = (withdrawn, dispute.amount.currency());
            all.extend(self.difference(kinds, &dispute.id, ours_minor, theirs));
        }
        let is_said = |ours: &&BookedDispute| said.iter().any(|d| d.id == ours.provider_dispute);
        for ours in self.booked.disputes.iter().filter(|ours| !is_said(ours)) {
            let theirs = (0, self.booked.currency);
            let source = &ours.provider_dispute;
            all.extend(self.difference(kinds, source, ours.booked_minor, theirs));
        }
        all
    }
}

/// What of a refund has left, in minor units.
const fn paid_out(refund: &ProviderRefund) -> i64 {
    match refund.status {
        ProviderRefundStatus::Succeeded => refund.amount.amount_minor(),
        ProviderRefundStatus::Pending
        | ProviderRefundStatus::RequiresAction
        | ProviderRefundStatus::Failed
        | ProviderRefundStatus::Canceled => 0,
    }
}
