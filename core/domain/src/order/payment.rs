//! Whether an order is paid for: a state of its own beside the order's.

use super::{Order, OrderError, OrderRecord, Transition};
use crate::event::{EventData, OrderPaymentV1};
use crate::{Money, Timestamp};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Where the payment of an order stands.
///
/// unpaid → authorized → paid → `partially_refunded` → refunded; a payment that is authorized can be
/// voided instead, and one method captures without authorizing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Nothing has come.
    Unpaid,
    /// The total is held for the merchant, not taken.
    Authorized,
    /// The total is taken.
    Paid,
    /// A part of it went back.
    PartiallyRefunded,
    /// All of it went back. Final.
    Refunded,
    /// What was held has been released. Final.
    Voided,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Unpaid,
        Self::Authorized,
        Self::Paid,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Voided,
    ];

    /// The name in JSON and in Postgres.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Authorized => "authorized",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
        }
    }

    /// Whether no change leads away from it.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Refunded | Self::Voided => true,
            Self::Unpaid | Self::Authorized | Self::Paid | Self::PartiallyRefunded => false,
        }
    }

    /// Whether money of the buyer is held or was taken, and has not gone back in full.
    pub const fn has_money(&self) -> bool {
        match self {
            Self::Authorized | Self::Paid | Self::PartiallyRefunded => true,
            Self::Unpaid | Self::Refunded | Self::Voided => false,
        }
    }

    /// Where the payment stands after `change`, of a total of which `refundable` is captured and not
    /// refunded yet. Says for every status and every change what becomes of it.
    ///
    /// # Errors
    /// [`OrderError::PaymentNotAllowed`], [`OrderError::InvalidRefund`].
    pub fn after(self, change: PaymentChange, refundable: Money) -> Result<Self, OrderError> {
        match (self, change) {
            (Self::Unpaid, PaymentChange::Authorize) => Ok(Self::Authorized),
            (Self::Unpaid | Self::Authorized, PaymentChange::Capture { .. }) => Ok(Self::Paid),
            (Self::Authorized, PaymentChange::Void) => Ok(Self::Voided),
            (Self::Paid | Self::PartiallyRefunded, PaymentChange::Refund { amount }) => {
                let left = refundable
                    .checked_sub(amount)
                    .map_err(|_| OrderError::InvalidRefund)?;
                match (amount.amount_minor(), left.amount_minor()) {
                    (1.., 0) => Ok(Self::Refunded),
                    (1.., 1..) => Ok(Self::PartiallyRefunded),
                    _ => Err(OrderError::InvalidRefund),
                }
            }
            (
                Self::Authorized
                | Self::Paid
                | Self::PartiallyRefunded
                | Self::Refunded
                | Self::Voided,
                PaymentChange::Authorize,
            )
            | (
                Self::Paid | Self::PartiallyRefunded | Self::Refunded | Self::Voided,
                PaymentChange::Capture { .. },
            )
            | (
                Self::Unpaid | Self::Paid | Self::PartiallyRefunded | Self::Refunded | Self::Voided,
                PaymentChange::Void,
            )
            | (
                Self::Unpaid | Self::Authorized | Self::Refunded | Self::Voided,
                PaymentChange::Refund { .. },
            ) => Err(OrderError::PaymentNotAllowed {
                status: self,
                change: change.past_tense(),
            }),
        }
    }
}

impl FromStr for PaymentStatus {
    type Err = OrderError;

    fn from_str(name: &str) -> Result<Self, OrderError> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == name)
            .ok_or(OrderError::UnknownPaymentStatus)
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to an order's payment at the provider, to be recorded on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentChange {
    /// The total is held.
    Authorize,
    /// The total is taken, or a part of it and the rest is let go.
    Capture {
        /// This much.
        amount: Money,
    },
    /// What was held is released.
    Void,
    /// Some of what was taken goes back.
    Refund {
        /// This much.
        amount: Money,
    },
}

impl PaymentChange {
    const fn past_tense(self) -> &'static str {
        match self {
            Self::Authorize => "authorized",
            Self::Capture { .. } => "captured",
            Self::Void => "voided",
            Self::Refund { .. } => "refunded",
        }
    }
}

impl Order {
    /// What was captured and not refunded yet.
    pub fn refundable(&self) -> Money {
        let record = self.record();
        let zero = Money::zero(record.total.currency());
        match record.payment_status {
            PaymentStatus::Paid | PaymentStatus::PartiallyRefunded => {
                let left = record.captured.checked_sub(record.refunded);
                left.unwrap_or(zero)
            }
            PaymentStatus::Unpaid
            | PaymentStatus::Authorized
            | PaymentStatus::Refunded
            | PaymentStatus::Voided => zero,
        }
    }

    /// Records what happened to the payment. Whatever the order's own status is: the money has moved
    /// at the provider, and a cancelled order that was captured a moment later has to show it, since
    /// otherwise nobody would send the money back.
    ///
    /// # Errors
    /// [`OrderError::PaymentNotAllowed`], [`OrderError::InvalidCapture`], [`OrderError::InvalidRefund`].
    pub fn record_payment(
        self,
        change: PaymentChange,
        now: Timestamp,
    ) -> Result<Transition, OrderError> {
        let status = self
            .record()
            .payment_status
            .after(change, self.refundable())?;
        let OrderRecord {
            total,
            captured,
            refunded,
            ..
        } = *self.record();
        let (amount, captured, refunded) = match change {
            PaymentChange::Authorize | PaymentChange::Void => (total, captured, refunded),
            PaymentChange::Capture { amount } => {
                let left = total.checked_sub(amount);
                let fits = left.is_ok_and(|left| left.amount_minor() >= 0);
                if !fits || amount.amount_minor() < 0 {
                    return Err(OrderError::InvalidCapture);
                }
                (amount, amount, refunded)
            }
            PaymentChange::Refund { amount } => {
                let refunded = refunded
                    .checked_add(amount)
                    .map_err(|_| OrderError::InvalidRefund)?;
                (amount, captured, refunded)
            }
        };
        let data = OrderPaymentV1 {
            order_id: self.id(),
            payment_status: status,
            amount,
            refunded,
            recorded_at: now,
        };
        let event = match change {
            PaymentChange::Authorize => EventData::OrderPaymentAuthorizedV1(data),
            PaymentChange::Capture { .. } => EventData::OrderPaymentCapturedV1(data),
            PaymentChange::Void => EventData::OrderPaymentVoidedV1(data),
            PaymentChange::Refund { .. } => EventData::OrderPaymentRefundedV1(data),
        };
        Ok(Transition {
            order: self.advanced(|record| OrderRecord {
                payment_status: status,
                captured,
                refunded,
                ..record
            }),
            event,
            settlement: None,
        })
    }
}
