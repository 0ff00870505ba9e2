//! Disputes: a customer's bank takes a payment back.

use super::text::told_word;
use super::{DisputeStatus, Payment, ProviderDispute, ProviderDisputeStatus, Transfer};
use crate::event::{DisputeV1, EventData};
use crate::{DisputeId, Money, OrderId, PaymentIntentId, Timestamp};

/// A dispute, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// Identity.
    pub id: DisputeId,
    /// Which payment.
    pub intent: PaymentIntentId,
    /// Of which order.
    pub order: OrderId,
    /// The PSP's id of it.
    pub provider_dispute: String,
    /// How it stands.
    pub status: DisputeStatus,
    /// How much is disputed.
    pub amount: Money,
    /// The bank's reason, in a word.
    pub reason: String,
    /// What the bank has taken: booked, and not given back.
    pub withdrawn: Money,
    /// Whether the bank has given back what it had taken.
    pub reinstated: bool,
    /// Number of events that were told of it.
    pub version: u64,
    /// When the PSP opened it.
    pub opened_at: Timestamp,
    /// When it was decided.
    pub closed_at: Option<Timestamp>,
}

/// What a snapshot of a dispute did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeTransition {
    /// The dispute after it.
    pub dispute: Dispute,
    /// The events of the dispute: the first has the sequence that follows the version before.
    pub events: Vec<EventData>,
    /// What is to be booked for it.
    pub transfers: Vec<Transfer>,
    /// The payment, with its own events.
    pub payment: super::PaymentTransition,
}

impl Payment {
    /// Merges what the PSP says of a dispute of this payment; `others` is what its other disputes hold.
    /// `id` is the dispute's where it was not known before.
    ///
    /// What is disputed can no longer be refunded: the customer does not get it twice. Where the bank
    /// has taken what is refunded already, the payment is put into review.
    pub fn observe_dispute(
        self,
        known: Option<Dispute>,
        said: &ProviderDispute,
        others: Money,
        (now, id): (Timestamp, DisputeId),
    ) -> DisputeTransition {
        let before = self.clone();
        let mut after = self;
        let was = known.as_ref().map(|dispute| dispute.status);
        let mut dispute = known.unwrap_or_else(|| Dispute {
            id,
            intent: after.intent.id,
            order: after.intent.order,
            provider_dispute: said.id.clone(),
            status: DisputeStatus::Open,
            amount: said.amount,
            reason: said.reason.clone(),
            withdrawn: after.money(0),
            reinstated: false,
            version: 0,
            opened_at: said.created_at,
            closed_at: None,
        });
        let mut transfers = Vec::new();
        let taken = dispute.withdrawn.amount_minor() > 0;
        if said.funds_withdrawn && !taken && !dispute.reinstated {
            dispute.withdrawn = dispute.amount;
            let amount = dispute.amount;
            transfers.extend(Transfer::dispute_withdrawn(
                dispute.intent,
                dispute.id,
                amount,
            ));
        }
        dispute.status = later(dispute.status, said.status);
        let given_back = !said.funds_withdrawn && dispute.status == DisputeStatus::Won;
        if given_back && dispute.withdrawn.amount_minor() > 0 {
            let amount = dispute.withdrawn;
            transfers.extend(Transfer::dispute_reinstated(
                dispute.intent,
                dispute.id,
                amount,
            ));
            dispute.withdrawn = after.money(0);
            dispute.reinstated = true;
        }
        let mut events = Vec::new();
        let open = was.is_none();
        let closed = was.unwrap_or(DisputeStatus::Open) == DisputeStatus::Open
            && dispute.status != DisputeStatus::Open;
        if closed {
            dispute.closed_at = Some(now);
        }
        let data = |status| DisputeV1 {
            dispute_id: dispute.id,
            payment_intent_id: dispute.intent,
            order_id: dispute.order,
            amount: dispute.amount,
            status,
            reason: told_word(&dispute.reason),
            recorded_at: now,
        };
        if open {
            events.push(EventData::DisputeOpenedV1(data(DisputeStatus::Open)));
        }
        if closed {
            events.push(EventData::DisputeClosedV1(data(dispute.status)));
        }
        let told = u64::try_from(events.len()).unwrap_or(u64::MAX);
        dispute.version = dispute.version.saturating_add(told);

        let disputed = others.amount_minor().saturating_add(dispute.holds());
        after.intent.disputed = after.money(disputed);
        let intent = &after.intent;
        let gone = [intent.refunded, intent.refund_reserved, intent.disputed];
        let gone = gone
            .iter()
            .fold(0_i64, |sum, m| sum.saturating_add(m.amount_minor()));
        if gone > intent.captured.amount_minor() {
            after.review("refunded_and_disputed");
        }
        DisputeTransition {
            dispute,
            events,
            transfers,
            payment: after.changed_since(&before, now),
        }
    }
}

impl Dispute {
    /// What of its payment cannot be refunded because of it, in minor units.
    pub const fn holds(&self) -> i64 {
        match self.status {
            DisputeStatus::Open | DisputeStatus::Lost => self.amount.amount_minor(),
            DisputeStatus::Won => self.withdrawn.amount_minor(),
        }
    }
}

/// A dispute is decided once.
const fn later(known: DisputeStatus, said: ProviderDisputeStatus) -> DisputeStatus {
    match (known, said) {
        (DisputeStatus::Open, ProviderDisputeStatus::Open) => DisputeStatus::Open,
        (DisputeStatus::Open, ProviderDisputeStatus::Won) => DisputeStatus::Won,
        (DisputeStatus::Open, ProviderDisputeStatus::Lost) => DisputeStatus::Lost,
        (
            decided @ (DisputeStatus::Won | DisputeStatus::Lost),
            ProviderDisputeStatus::Open | ProviderDisputeStatus::Won | ProviderDisputeStatus::Lost,
        ) => decided,
    }
}
