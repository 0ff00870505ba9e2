//! Disputes.

use super::World;
use super::calls::ApiError;

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum DisputeStatus {
    NeedsResponse,
    Won,
    Lost,
}

impl DisputeStatus {
    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsResponse => "needs_response",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// A dispute. Its money is taken when it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// `du_…`
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
    /// How it stands.
    pub status: DisputeStatus,
    /// Milliseconds since 1970.
    pub created_ms: i64,
}

impl World {
    /// A bank takes `amount` of a payment back.
    ///
    /// # Errors
    /// When so much was not captured, or there is a dispute already.
    pub fn open_dispute(
        &mut self,
        payment: &str,
        amount: i64,
        now_ms: i64,
    ) -> Result<Dispute, ApiError> {
        let id = self.new_id("du");
        let disputed = self.is_disputed(payment);
        let payment = self.payment_mut(payment)?;
        if disputed || amount <= 0 || amount > payment.captured {
            return Err(ApiError::unexpected_state(payment));
        }
        let dispute = Dispute {
            id: id.clone(),
            payment: payment.id.clone(),
            charge: payment.charge.clone().unwrap_or_default(),
            account: payment.account.clone(),
            amount,
            currency: payment.currency.clone(),
            status: DisputeStatus::NeedsResponse,
            created_ms: now_ms,
        };
        self.book_dispute(&dispute, -amount, now_ms);
        self.disputes.insert(id.clone(), dispute.clone());
        let account = &dispute.account;
        self.tell(account, "charge.dispute.created", &id, now_ms);
        self.tell(account, "charge.dispute.funds_withdrawn", &id, now_ms);
        Ok(dispute)
    }

    /// The bank has decided.
    ///
    /// # Errors
    /// When there is no such open dispute.
    pub fn close_dispute(&mut self, id: &str, won: bool, now_ms: i64) -> Result<Dispute, ApiError> {
        let dispute = self
            .disputes
            .get_mut(id)
            .filter(|dispute| dispute.status == DisputeStatus::NeedsResponse)
            .ok_or_else(|| ApiError::missing("open dispute", id))?;
        dispute.status = if won {
            DisputeStatus::Won
        } else {
            DisputeStatus::Lost
        };
        let dispute = dispute.clone();
        if won {
            self.book_dispute(&dispute, dispute.amount, now_ms);
            let account = &dispute.account;
            self.tell(account, "charge.dispute.funds_reinstated", id, now_ms);
        }
        self.tell(&dispute.account, "charge.dispute.closed", id, now_ms);
        Ok(dispute)
    }

    /// Whether a bank has taken the money of a payment.
    pub(super) fn is_disputed(&self, payment: &str) -> bool {
        self.disputes
            .values()
            .any(|dispute| dispute.payment == payment && dispute.status != DisputeStatus::Won)
    }
}
