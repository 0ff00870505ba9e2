//! What a reconciliation has found.

use serde::Serialize;
use souk_domain::reconcile::Difference;
use souk_domain::{TenantId, Timestamp};
use std::collections::BTreeMap;

/// What became of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The books say now what the PSP says.
    Healed,
    /// The payment is in review, for this reason or for an earlier one: a person decides.
    Review,
    /// A person has to look, and there is no payment of ours to put into review, or it takes more time.
    Open,
}

impl Resolution {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healed => "healed",
            Self::Review => "review",
            Self::Open => "open",
        }
    }
}

/// A difference, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
    /// What became of it.
    pub resolution: Resolution,
}

/// What a reconciliation of a tenant has found. Where there is no finding and nothing is incomplete, the
/// PSP and the books say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReconcileReport {
    /// Whose.
    pub tenant: TenantId,
    /// Movements from here on were looked at,
    pub from: Timestamp,
    /// up to here.
    pub until: Timestamp,
    /// Movements of the PSP.
    pub movements: u64,
    /// Payments whose movements and books were compared.
    pub payments: u64,
    /// Fees that were booked now: that is how they become known.
    pub fees_booked: u64,
    /// What the movements add up to after fees, in minor units, by currency.
    pub net_minor: BTreeMap<String, i64>,
    /// What differs.
    pub findings: Vec<Finding>,
    /// What could not be looked at, in words for an operator: the next run tries again.
    pub incomplete: Vec<String>,
}

impl ReconcileReport {
    pub(super) fn new(tenant: TenantId, from: Timestamp, until: Timestamp) -> Self {
        Self {
            tenant,
            from,
            until,
            movements: 0,
            payments: 0,
            fees_booked: 0,
            net_minor: BTreeMap::new(),
            findings: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    pub(super) fn found(&mut self, difference: Difference, resolution: Resolution) {
        self.findings.push(Finding {
            difference,
            resolution,
        });
    }

    /// Findings of one resolution.
    pub fn count(&self, resolution: Resolution) -> usize {
        let of = |finding: &&Finding| finding.resolution == resolution;
        self.findings.iter().filter(of).count()
    }
}
