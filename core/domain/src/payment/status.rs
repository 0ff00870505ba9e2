//! Where payments, and the parts of them, stand.

use super::PaymentError;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A status: its names in JSON and in Postgres, and back.
macro_rules! status {
    ($(#[$doc:meta])* $name:ident, $error:ident, [$($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)?]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in JSON and in Postgres.
            pub const fn as_str(&self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = PaymentError;

            fn from_str(name: &str) -> Result<Self, PaymentError> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|status| status.as_str() == name)
                    .ok_or(PaymentError::$error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

status!(
    /// Where a payment intent stands: Stripe's states, and two for what the PSP says otherwise.
    IntentStatus,
    UnknownIntentStatus,
    [
        /// It waits for a payment method, perhaps because one was declined.
        RequiresPaymentMethod = "requires_payment_method",
        /// It has a payment method and waits to be confirmed.
        RequiresConfirmation = "requires_confirmation",
        /// It waits for the customer, who is to be sent to the bank.
        RequiresAction = "requires_action",
        /// Souk or the PSP is at work, or the outcome is not known yet.
        Processing = "processing",
        /// The money is held and can be captured.
        RequiresCapture = "requires_capture",
        /// What is ever captured is captured.
        Succeeded = "succeeded",
        /// It is over without money.
        Canceled = "canceled",
        /// The PSP speaks of another amount, currency or payment. It stays so until the PSP says what
        /// was wished, or a person decides.
        Conflicted = "conflicted",
        /// The PSP did what nobody wished. The money is booked as it moved; a person, or the order
        /// process, decides what becomes of it.
        Review = "review",
    ]
);

impl IntentStatus {
    /// Whether its way is at an end: only a contradiction of the PSP leads away.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Succeeded | Self::Canceled => true,
            Self::RequiresPaymentMethod
            | Self::RequiresConfirmation
            | Self::RequiresAction
            | Self::Processing
            | Self::RequiresCapture
            | Self::Conflicted
            | Self::Review => false,
        }
    }
}

status!(
    /// How one try to pay stands.
    AttemptStatus,
    UnknownAttemptStatus,
    [
        /// It was sent, or is just being sent.
        Started = "started",
        /// The customer's bank asks the customer.
        RequiresAction = "requires_action",
        /// The money is held.
        Authorized = "authorized",
        /// The money is taken.
        Captured = "captured",
        /// Declined, refused, or never sent.
        Failed = "failed",
        /// What was held has been released.
        Voided = "voided",
        /// Nobody knows yet: the PSP has not answered.
        Unknown = "unknown",
    ]
);

status!(
    /// How an effect that is wanted at the PSP stands.
    OperationStatus,
    UnknownOperationStatus,
    [
        /// Not known to have had its effect: it is tried again.
        Pending = "pending",
        /// It had its effect.
        Succeeded = "succeeded",
        /// It had none, and will have none.
        Failed = "failed",
    ]
);

status!(
    /// How a refund stands.
    RefundStatus,
    UnknownRefundStatus,
    [
        /// On its way: what it sends back is kept for it.
        Pending = "pending",
        /// Paid out.
        Succeeded = "succeeded",
        /// Not paid out: the money stays, or has come back.
        Failed = "failed",
        /// Taken back before it was paid out.
        Canceled = "canceled",
    ]
);

status!(
    /// How a dispute stands.
    DisputeStatus,
    UnknownDisputeStatus,
    [
        /// Not decided.
        Open = "open",
        /// Decided for the merchant.
        Won = "won",
        /// Decided for the customer.
        Lost = "lost",
    ]
);
