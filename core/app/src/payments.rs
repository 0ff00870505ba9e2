//! Payments: use cases, a file a verb.
//!
//! A command that needs the PSP is cut in two by a recovery point. The first transaction decides, and
//! writes down what is wanted of the PSP as a pending operation. Then, while no transaction is open, the
//! PSP is called, with the operation's id as its idempotency key. The second transaction merges what it
//! said, and finishes the client's key. Where the PSP does not say what became of it, the operation
//! stays pending, and a retry with the same key, a webhook, or a comparison of the books settles it,
//! whichever comes first.
//!
//! What an order's payment status says: `authorized` once its intent is at `requires_capture`; `paid`
//! once the intent has succeeded, that is when all that will be captured is, though that may be less
//! than the order's total: how much, its `captured` says; `refunded` once all of that is back; `voided` when an authorization was let go. A
//! partial capture that is not the last leaves the order `authorized`, and cannot be refunded before
//! the last one.

mod apply_provider_dispute;
mod apply_provider_payment;
mod cancel_payment_intent;
mod capture_payment_intent;
mod confirm_payment_intent;
mod create_payment_intent;
mod drive;
mod get_payment_intent;
mod list_payment_intents;
mod receive_provider_event;
mod refund_payment_intent;
mod review_payment_intent;
mod run_operation;
mod send;
mod sweep_operations;
mod verify_ledger;
mod write;

pub use apply_provider_dispute::apply_provider_dispute;
pub use apply_provider_payment::apply_provider_payment;
pub use cancel_payment_intent::{CancelPaymentIntent, cancel_payment_intent};
pub use capture_payment_intent::{CapturePaymentIntent, capture_payment_intent};
pub use confirm_payment_intent::{ConfirmPaymentIntent, confirm_payment_intent};
pub use create_payment_intent::{CreatePaymentIntent, create_payment_intent};
pub use get_payment_intent::{
    get_dispute, get_payment_intent, get_refund, list_payment_attempts, list_refunds,
    payment_intents_of_order,
};
pub use list_payment_intents::{
    DisputePage, PAYMENTS_PER_PAGE_MAX, PaymentIntentPage, list_disputes, list_payment_intents,
};
pub use receive_provider_event::{
    ProviderEvent, ProviderEventObject, Received, receive_provider_event,
};
pub use refund_payment_intent::{RefundPaymentIntent, refund_payment_intent};
pub use review_payment_intent::review_payment_intent;
pub use run_operation::run_operation;
pub use souk_postgres::ledger::{Balance, LedgerFinding};
pub use sweep_operations::{PaymentSweepReport, PaymentSweepSettings, sweep_operations};
pub use verify_ledger::{book_transfer, ledger_balances, verify_ledger};
