//! The steps of the order process.

use crate::{CancelReason, Money, PaymentIntentId, Timestamp};
use core::fmt;
use core::str::FromStr;

/// When the money of a confirmed order is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapturePolicy {
    /// As soon as the order is confirmed.
    AtOnce,
    /// When all of it has been delivered.
    OnFulfilment,
}

impl CapturePolicy {
    /// The name in configuration and in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "at_once",
            Self::OnFulfilment => "on_fulfilment",
        }
    }
}

/// A text that names no capture policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a capture policy is at_once or on_fulfilment")]
pub struct UnknownCapturePolicy;

impl FromStr for CapturePolicy {
    type Err = UnknownCapturePolicy;

    fn from_str(name: &str) -> Result<Self, UnknownCapturePolicy> {
        [Self::AtOnce, Self::OnFulfilment]
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or(UnknownCapturePolicy)
    }
}

impl fmt::Display for CapturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be done about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessStep {
    /// Confirm it: its money is there.
    Confirm,
    /// Cancel it and release its stock.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
    /// Reserve its stock again and place it again; where that is not to be had, say so in the order.
    Reinstate,
    /// Take what is held.
    Capture {
        /// Of this payment.
        intent: PaymentIntentId,
        /// So much.
        amount: Money,
    },
    /// Release what is held, or see to it that nobody can pay any more.
    Void {
        /// This payment.
        intent: PaymentIntentId,
        /// Why, in a word.
        reason: String,
    },
    /// Send back what was taken.
    Refund {
        /// Of this payment.
        intent: PaymentIntentId,
        /// So much.
        amount: Money,
        /// Why, in a word.
        reason: String,
    },
    /// Nothing now.
    Wait {
        /// What is waited for.
        on: Awaited,
        /// When to look again, whatever happens; never, where only an event can change anything.
        until: Option<Timestamp>,
    },
    /// Nothing, until a person has looked at it and something has changed.
    Review(ReviewCause),
    /// Nothing more, unless something happens that nobody expects.
    Done,
}

impl ProcessStep {
    /// The name in the log of steps.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Cancel { .. } => "cancel",
            Self::Reinstate => "reinstate",
            Self::Capture { .. } => "capture",
            Self::Void { .. } => "void",
            Self::Refund { .. } => "refund",
            Self::Wait { .. } => "wait",
            Self::Review(_) => "review",
            Self::Done => "done",
        }
    }

    /// Lower comes first: what can be done, what will be, what needs a person, nothing.
    pub(super) const fn urgency(&self) -> u8 {
        match self {
            Self::Confirm
            | Self::Cancel { .. }
            | Self::Reinstate
            | Self::Capture { .. }
            | Self::Void { .. }
            | Self::Refund { .. } => 0,
            Self::Wait { .. } => 1,
            Self::Review(_) => 2,
            Self::Done => 3,
        }
    }
}

/// What a process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// The buyer pays, before the reservation runs out.
    Payment,
    /// The merchant delivers.
    Fulfilment,
    /// The merchant, who has confirmed an order that is not paid through Souk.
    Merchant,
    /// The merchant completes the order.
    Completion,
    /// The provider answers.
    Provider,
    /// The provider has refused, and is asked again later.
    NextTry,
}

impl Awaited {
    /// The name in the log of steps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Fulfilment => "fulfilment",
            Self::Merchant => "merchant",
            Self::Completion => "completion",
            Self::Provider => "provider",
            Self::NextTry => "next_try",
        }
    }
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewCause {
    /// The payment itself is conflicted or in review.
    Payment,
    /// Goods have left, and nothing is held for them any more.
    DeliveredUnpaid,
    /// The provider has refused the same operation too often.
    ProviderRefuses,
    /// The order says that money is held, and no payment holds any.
    Inconsistent,
}

impl ReviewCause {
    /// The name in the log of steps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment_in_review",
            Self::DeliveredUnpaid => "delivered_unpaid",
            Self::ProviderRefuses => "provider_refuses",
            Self::Inconsistent => "inconsistent",
        }
    }
}
