//! What is wanted of the PSP.

use super::{OperationStatus, PaymentMethodToken, ProviderPaymentId, ReturnUrl};
use crate::{Money, PaymentAttemptId, PaymentIntentId, ProviderOperationId, RefundId, Timestamp};
use serde::{Deserialize, Serialize};

/// One effect that is wanted at the PSP. It is written down before the PSP is called, and its id is
/// the PSP's idempotency key: however often it is sent, it has its effect once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderOperation {
    /// Identity.
    pub id: ProviderOperationId,
    /// At which payment.
    pub intent: PaymentIntentId,
    /// What.
    pub kind: OperationKind,
    /// How it stands. Settled once.
    pub status: OperationStatus,
    /// How often it was sent with an unknown outcome.
    pub tries: u16,
    /// What the last try ended with, in words for an operator.
    pub last_error: Option<String>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it was settled, if it is.
    pub settled_at: Option<Timestamp>,
}

/// Effects at the PSP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OperationKind {
    /// Makes the payment and confirms it, or confirms the one that there is.
    Authorize {
        /// For which attempt.
        attempt: PaymentAttemptId,
        /// With what.
        payment_method: PaymentMethodToken,
        /// Where the customer comes back to.
        return_url: Option<ReturnUrl>,
        /// The payment at the PSP, as it was known when this was decided: sent again, it has to be the
        /// same request, even where the PSP has made the payment by now.
        existing: Option<ProviderPaymentId>,
    },
    /// Takes what is held.
    Capture {
        /// How much.
        amount: Money,
        /// Whether the rest is let go.
        is_final: bool,
        /// What is captured in all once it is done: by this a snapshot tells that it was.
        captured_after: Money,
    },
    /// Ends the payment and lets go what is held.
    Void,
    /// Sends money back.
    Refund {
        /// As which refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
}

impl OperationKind {
    /// The name in Postgres.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Authorize { .. } => "authorize",
            Self::Capture { .. } => "capture",
            Self::Void => "void",
            Self::Refund { .. } => "refund",
        }
    }
}

impl ProviderOperation {
    /// Whether it is not known to have had its effect.
    pub const fn is_pending(&self) -> bool {
        match self.status {
            OperationStatus::Pending => true,
            OperationStatus::Succeeded | OperationStatus::Failed => false,
        }
    }

    pub(super) const fn settle(&mut self, status: OperationStatus, now: Timestamp) {
        self.status = status;
        self.settled_at = Some(now);
    }
}
