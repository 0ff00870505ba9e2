//! What a PSP (payment service provider) says of a payment: a snapshot, in words that fit any PSP.
//!
//! The names are Stripe's where Stripe has them. Nothing here is believed as it stands: whoever gets a
//! snapshot compares it with what was wished.

use crate::{Money, PaymentIntentId, RefundId, Timestamp};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest id that a PSP may give a payment, in bytes.
pub const PROVIDER_PAYMENT_ID_BYTES_MAX: usize = 255;

/// The PSP's own id of a payment, such as `pi_3MtwBwLkdIwHu7ix28a3tqPa`: 1 to
/// [`PROVIDER_PAYMENT_ID_BYTES_MAX`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderPaymentId(String);

/// A text that no PSP's payment is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 255 visible ASCII characters")]
pub struct ProviderPaymentIdError;

impl ProviderPaymentId {
    /// The id as the PSP wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderPaymentId {
    type Err = ProviderPaymentIdError;

    fn from_str(text: &str) -> Result<Self, ProviderPaymentIdError> {
        let fits = (1..=PROVIDER_PAYMENT_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
            .ok_or(ProviderPaymentIdError)
    }
}

impl fmt::Display for ProviderPaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ProviderPaymentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProviderPaymentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Where a payment is at the PSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderStatus {
    /// It waits for a payment method, perhaps because one was declined.
    RequiresPaymentMethod,
    /// It waits to be confirmed.
    RequiresConfirmation,
    /// It waits for the customer, who is to be sent to [`NextAction::redirect_url`].
    RequiresAction,
    /// The PSP is at work; it will say how it ended.
    Processing,
    /// The money is held and can be captured.
    RequiresCapture,
    /// Everything that will ever be captured is.
    Succeeded,
    /// It is over without (further) money.
    Canceled,
}

/// A payment at the PSP, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderPayment {
    /// The PSP's id.
    pub id: ProviderPaymentId,
    /// The intent that it was made for, if it says so.
    pub intent: Option<PaymentIntentId>,
    /// Where it is.
    pub status: ProviderStatus,
    /// What it is about, in all.
    pub amount: Money,
    /// What can still be captured.
    pub capturable: Money,
    /// What was captured, in all; refunds do not lessen it.
    pub captured: Money,
    /// All refunds.
    pub refunds: Vec<ProviderRefund>,
    /// What the customer has to do, in [`ProviderStatus::RequiresAction`].
    pub next_action: Option<NextAction>,
    /// Why the last try failed, where it did.
    pub failure: Option<ProviderFailure>,
    /// When the PSP made it.
    pub created_at: Timestamp,
}

/// A refund at the PSP, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The PSP's id.
    pub id: String,
    /// The refund that it was made for; none where it was not made by us.
    pub refund: Option<RefundId>,
    /// How much goes back: positive.
    pub amount: Money,
    /// Where it is.
    pub status: ProviderRefundStatus,
}

/// Where a refund is at the PSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderRefundStatus {
    /// On its way.
    Pending,
    /// The customer has to do something.
    RequiresAction,
    /// Paid out.
    Succeeded,
    /// Not paid out: the money is back with the merchant.
    Failed,
    /// Taken back before it was paid out.
    Canceled,
}

/// What the customer has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// Where to send the customer's browser.
    pub redirect_url: String,
}

/// Why the PSP, or the bank behind it, said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFailure {
    /// In a word for machines, such as `card_declined`.
    pub code: String,
    /// The bank's reason in a word for machines, such as `insufficient_funds`.
    pub decline_code: Option<String>,
    /// In words for people.
    pub message: String,
}

/// A movement of money on the account at the PSP. Amounts are signed: positive comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderMovement {
    /// The PSP's id of the movement.
    pub id: String,
    /// What kind it is of.
    pub kind: MovementKind,
    /// The payment that it belongs to, where it does.
    pub payment: Option<ProviderPaymentId>,
    /// The PSP's id of what moved the money: a charge, refund, dispute, payout.
    pub source: String,
    /// The refund, where it was made by us.
    pub refund: Option<RefundId>,
    /// Before the PSP's fee.
    pub gross: Money,
    /// The PSP's fee; positive is paid by us.
    pub fee: Money,
    /// `gross` less `fee`.
    pub net: Money,
    /// When.
    pub created_at: Timestamp,
}

/// Kinds of movements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovementKind {
    /// A capture.
    Charge,
    /// Money that goes back to a customer.
    Refund,
    /// A refund that failed: its money comes back.
    RefundFailure,
    /// Money that a bank has taken for a dispute.
    Dispute,
    /// Money that comes back from a dispute.
    DisputeReversal,
    /// A fee of its own.
    Fee,
    /// To the merchant's bank.
    Payout,
    /// Any other, by the PSP's word.
    Other(String),
}

/// A dispute at the PSP, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderDispute {
    /// The PSP's id.
    pub id: String,
    /// The payment that is disputed.
    pub payment: ProviderPaymentId,
    /// How much of it: positive.
    pub amount: Money,
    /// How it stands.
    pub status: ProviderDisputeStatus,
    /// The bank's reason, in a word such as `fraudulent`.
    pub reason: String,
    /// Whether the bank has taken the money, and not given it back.
    pub funds_withdrawn: bool,
    /// When it was opened.
    pub created_at: Timestamp,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderDisputeStatus {
    /// Not decided.
    Open,
    /// Decided for the merchant.
    Won,
    /// Decided for the customer.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_visible_ascii_of_bounded_length() {
        for bad in ["", " ", "pi 1", "pi_\n", "pi_é", &"x".repeat(256)] {
            assert!(bad.parse::<ProviderPaymentId>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(255).parse::<ProviderPaymentId>().is_ok());
    }

    proptest! {
        #[test]
        fn an_id_is_kept_as_the_psp_wrote_it(text in "[!-~]{1,255}") {
            let id: ProviderPaymentId = text.parse().unwrap();
            prop_assert_eq!(id.as_str(), &text);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ProviderPaymentId>(&json).unwrap(), id);
        }
    }
}
