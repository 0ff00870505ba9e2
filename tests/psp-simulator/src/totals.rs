//! What the PSP's books come to.

use crate::world::{RefundStatus, World};
use serde::Serialize;
use std::collections::BTreeMap;

/// What was paid for one payment intent, over all payments that were made for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PaidIntent {
    /// Payments that were made for it.
    pub payments: u64,
    /// Payments of which money was taken or is held: more than one is a double charge.
    pub payments_with_money: u64,
    /// Taken, minor units.
    pub captured_minor: i64,
    /// Held, minor units.
    pub held_minor: i64,
    /// Given back, minor units; without what failed.
    pub refunded_minor: i64,
    /// Refunds that count in `refunded_minor`.
    pub refunds: u64,
}

/// What the PSP's books come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// By the id of our intent; payments without one are under the empty text.
    pub intents: BTreeMap<String, PaidIntent>,
    /// Taken, minor units.
    pub captured_minor: i64,
    /// Given back, minor units.
    pub refunded_minor: i64,
    /// The balance by all movements, minor units, net of fees.
    pub balance_minor: i64,
    /// Fees, minor units.
    pub fees_minor: i64,
    /// How often each fault has happened.
    pub faults: BTreeMap<String, u64>,
}

impl Totals {
    pub(crate) fn of(world: &World) -> Self {
        let mut totals = Self {
            faults: world.happened().clone(),
            ..Self::default()
        };
        for payment in world.payments() {
            let intent = payment.metadata.get("souk_payment_intent");
            let paid = totals
                .intents
                .entry(intent.cloned().unwrap_or_default())
                .or_default();
            paid.payments += 1;
            paid.payments_with_money += u64::from(payment.captured > 0 || payment.capturable > 0);
            paid.captured_minor += payment.captured;
            paid.held_minor += payment.capturable;
            totals.captured_minor += payment.captured;
            for refund in world.refunds_of(&payment.id) {
                if refund.status != RefundStatus::Failed {
                    paid.refunded_minor += refund.amount;
                    paid.refunds += 1;
                    totals.refunded_minor += refund.amount;
                }
            }
        }
        for movement in world.movements() {
            totals.balance_minor += movement.gross - movement.fee;
            totals.fees_minor += movement.fee;
        }
        totals
    }
}
