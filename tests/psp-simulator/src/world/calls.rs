//! What can be asked of the PSP, and what it answers.

use super::payments::Payment;
use super::refunds::Refund;
use std::collections::BTreeMap;

/// What the caller keeps with an object, and gets back with it.
pub type Metadata = BTreeMap<String, String>;

/// A call that has an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Makes a payment, and confirms it if wanted.
    Create(NewPayment),
    /// Confirms a payment.
    Confirm {
        /// Which.
        payment: String,
        /// With this payment method instead of the one it has.
        payment_method: Option<String>,
        /// Where the customer comes back to.
        return_url: Option<String>,
    },
    /// Takes authorized money.
    Capture {
        /// Of which payment.
        payment: String,
        /// How much; none means all that is left.
        amount: Option<i64>,
        /// Whether the rest is let go.
        is_final: bool,
    },
    /// Ends a payment.
    Cancel {
        /// Which.
        payment: String,
    },
    /// Gives money back.
    Refund {
        /// Of which payment.
        payment: String,
        /// How much; none means all that is left.
        amount: Option<i64>,
        /// Kept with the refund.
        metadata: Metadata,
    },
}

/// A payment that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// Minor units.
    pub amount: i64,
    /// In lower case.
    pub currency: String,
    /// Whether it is captured by calls of their own.
    pub manual_capture: bool,
    /// A token.
    pub payment_method: Option<String>,
    /// Whether it is confirmed at once.
    pub confirm: bool,
    /// Where the customer comes back to.
    pub return_url: Option<String>,
    /// Kept with the payment.
    pub metadata: Metadata,
}

/// What a call that had its effect is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The payment as it was then.
    Payment(Box<Payment>),
    /// The refund as it was then.
    Refund(Box<Refund>),
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP's.
    pub status: u16,
    /// Stripe's `type`.
    pub kind: &'static str,
    /// Stripe's `code`.
    pub code: &'static str,
    /// The bank's reason.
    pub decline_code: Option<&'static str>,
    /// For people.
    pub message: String,
    /// The payment it is about, as it is after that.
    pub payment: Option<Box<Payment>>,
}

impl ApiError {
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code,
            decline_code: None,
            message: message.into(),
            payment: None,
        }
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        Self {
            status: 404,
            ..Self::invalid("resource_missing", format!("No such {what}: '{id}'"))
        }
    }

    pub(crate) fn unexpected_state(payment: &Payment) -> Self {
        let message = format!(
            "This PaymentIntent's status is {}, so this cannot be done.",
            payment.status.as_str()
        );
        Self {
            payment: Some(Box::new(payment.clone())),
            ..Self::invalid("payment_intent_unexpected_state", message)
        }
    }

    pub(crate) fn declined(payment: &Payment, decline_code: &'static str) -> Self {
        Self {
            status: 402,
            kind: "card_error",
            code: "card_declined",
            decline_code: Some(decline_code),
            message: "Your card was declined.".to_owned(),
            payment: Some(Box::new(payment.clone())),
        }
    }

    pub(crate) fn reused_key() -> Self {
        Self {
            kind: "idempotency_error",
            ..Self::invalid(
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with.",
            )
        }
    }

    pub(crate) fn internal() -> Self {
        Self {
            status: 500,
            kind: "api_error",
            code: "api_error",
            decline_code: None,
            message: "An unknown error occurred".to_owned(),
            payment: None,
        }
    }

    pub(crate) fn too_many_requests() -> Self {
        Self {
            status: 429,
            ..Self::invalid("rate_limit", "Too many requests")
        }
    }
}

/// What a call comes to.
pub type Outcome = Result<Answer, ApiError>;
