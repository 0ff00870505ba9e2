//! Payments: intents with their attempts, what is wanted of the PSP, refunds and disputes.
//!
//! The order's row is the lock of its payments: [`lock`] comes before [`load`] where anything is to be
//! changed, and no payment is written without it.

mod disputes;
mod due;
mod inbox;
mod list;
mod load;
mod rows;
mod save;

pub use disputes::{dispute, disputes, disputes_of, find_dispute, save_dispute};
pub use due::{DueOperation, DuePayment, claim_operation, due_operations, due_payments, put_off};
pub use inbox::{accept, is_accepted};
pub use list::{attempts, list, refunds_of};
pub use load::{
    by_provider_payment, find_operation, load, load_intent, load_operation, load_refund, lock,
    of_order,
};
pub use save::{insert, update};
