//! Reconciliation: what has moved at the PSP against what is booked, what is healed, and what is left to
//! people.

mod chase;
mod reconcile_all;
mod reconcile_tenant;
mod report;
mod second_look;

pub use reconcile_all::{ReconcileAllReport, reconcile_all};
pub use reconcile_tenant::{MOVEMENTS_MAX, Window, reconcile_tenant};
pub use report::{Finding, ReconcileReport, Resolution};
