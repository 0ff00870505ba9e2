//! The ledger: double entry. A transfer moves money between accounts, and its entries add up to nothing.

use super::PaymentError;
use crate::{Currency, DisputeId, Money, PaymentIntentId, RefundId};
use core::fmt;
use core::str::FromStr;

/// The accounts of a tenant, each in each currency. A positive entry is a debit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What customers owe.
    Receivable,
    /// What the PSP holds for the tenant.
    CashAtPsp,
    /// What was sold.
    Revenue,
    /// What was sent back.
    Refunds,
    /// What the PSP took for itself.
    Fees,
    /// What customers' banks took back.
    Disputes,
}

impl Account {
    /// Every account.
    pub const ALL: [Self; 6] = [
        Self::Receivable,
        Self::CashAtPsp,
        Self::Revenue,
        Self::Refunds,
        Self::Fees,
        Self::Disputes,
    ];

    /// The name in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receivable => "receivable",
            Self::CashAtPsp => "cash_at_psp",
            Self::Revenue => "revenue",
            Self::Refunds => "refunds",
            Self::Fees => "fees",
            Self::Disputes => "disputes",
        }
    }
}

impl FromStr for Account {
    type Err = PaymentError;

    fn from_str(name: &str) -> Result<Self, PaymentError> {
        Self::ALL
            .into_iter()
            .find(|account| account.as_str() == name)
            .ok_or(PaymentError::UnknownAccount)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One side of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// Minor units: positive is a debit, negative a credit, never nothing.
    pub amount_minor: i64,
}

/// A movement of money. Made of pairs of a debit and a credit, so that it adds up to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    source: String,
    intent: Option<PaymentIntentId>,
    currency: Currency,
    entries: Vec<Entry>,
}

impl Transfer {
    /// Moves `amount`, which is positive, to each `debit` from its `credit`. `source` names what
    /// happened: it is booked once.
    fn moving(
        source: String,
        intent: Option<PaymentIntentId>,
        amount: Money,
        pairs: &[(Account, Account)],
    ) -> Option<Self> {
        let amount_minor = amount.amount_minor();
        let credit = amount_minor.checked_neg().filter(|credit| *credit < 0)?;
        let entries = pairs
            .iter()
            .flat_map(|(debit_to, credit_to)| [(*debit_to, amount_minor), (*credit_to, credit)])
            .map(|(account, amount_minor)| Entry {
                account,
                amount_minor,
            })
            .collect();
        Some(Self {
            source,
            intent,
            currency: amount.currency(),
            entries,
        })
    }

    /// A capture of `amount`, after which `captured` is captured in all: the sale, and the money that
    /// came for it. Nothing where nothing was captured; so with the others.
    pub fn capture(intent: PaymentIntentId, amount: Money, captured: Money) -> Option<Self> {
        let source = format!("capture:{intent}:{}", captured.amount_minor());
        let pairs = [
            (Account::Receivable, Account::Revenue),
            (Account::CashAtPsp, Account::Receivable),
        ];
        Self::moving(source, Some(intent), amount, &pairs)
    }

    /// A refund that was paid out.
    pub fn refund(intent: PaymentIntentId, refund: RefundId, amount: Money) -> Option<Self> {
        let pairs = [(Account::Refunds, Account::CashAtPsp)];
        Self::moving(format!("refund:{refund}"), Some(intent), amount, &pairs)
    }

    /// A refund that was paid out and has come back.
    pub fn refund_failed(intent: PaymentIntentId, refund: RefundId, amount: Money) -> Option<Self> {
        let pairs = [(Account::CashAtPsp, Account::Refunds)];
        let source = format!("refund_failed:{refund}");
        Self::moving(source, Some(intent), amount, &pairs)
    }

    /// A fee of the PSP, by the PSP's id of the movement that it was taken with. One that is negative
    /// was given back.
    pub fn fee(intent: Option<PaymentIntentId>, movement: &str, fee: Money) -> Option<Self> {
        let source = format!("fee:{movement}");
        if fee.amount_minor() < 0 {
            let back = Money::new(fee.amount_minor().checked_neg()?, fee.currency());
            let pairs = [(Account::CashAtPsp, Account::Fees)];
            return Self::moving(source, intent, back, &pairs);
        }
        let pairs = [(Account::Fees, Account::CashAtPsp)];
        Self::moving(source, intent, fee, &pairs)
    }

    /// Money that a bank has taken back.
    pub fn dispute_withdrawn(
        intent: PaymentIntentId,
        dispute: DisputeId,
        amount: Money,
    ) -> Option<Self> {
        let pairs = [(Account::Disputes, Account::CashAtPsp)];
        let source = format!("dispute:{dispute}:withdrawn");
        Self::moving(source, Some(intent), amount, &pairs)
    }

    /// Money that a bank had taken back and has given back.
    pub fn dispute_reinstated(
        intent: PaymentIntentId,
        dispute: DisputeId,
        amount: Money,
    ) -> Option<Self> {
        let pairs = [(Account::CashAtPsp, Account::Disputes)];
        let source = format!("dispute:{dispute}:reinstated");
        Self::moving(source, Some(intent), amount, &pairs)
    }

    /// What happened: unique among a tenant's transfers.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The payment that it belongs to, where it does.
    pub const fn intent(&self) -> Option<PaymentIntentId> {
        self.intent
    }

    /// The currency of all entries.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The entries: at least two, which add up to nothing.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
