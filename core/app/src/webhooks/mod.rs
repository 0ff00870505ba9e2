//! Webhooks to the tenants' own systems.
//!
//! An event comes from the queue and becomes a delivery to each endpoint that wants it, in the transaction
//! of the inbox ([`enter_deliveries`]). Deliveries that are due are taken one by one, each with a lease and
//! a token, attempted without a transaction open, and their ends written down ([`deliver_due`]). Who dies
//! in between lets its lease expire: the next one notes that attempt as lost and makes another. So nothing
//! is lost, and what was sent and not written down is sent once more: receivers tell by `webhook-id`.

mod change_endpoint;
mod create_endpoint;
mod delete_endpoint;
mod deliver_due;
mod enter_deliveries;
mod get_delivery;
mod get_endpoint;
mod list_deliveries;
mod list_endpoints;
mod prune_deliveries;
mod record_attempt;
mod refusal;
mod replay_deliveries;
mod rotate_secret;
mod sealing;
mod sender;

pub use change_endpoint::{EndpointCommand, disable_endpoint, enable_endpoint, put_endpoint};
pub use create_endpoint::create_endpoint;
pub use delete_endpoint::delete_endpoint;
pub use deliver_due::{
    DeliveryReport, DeliverySettings, WebhookTools, deliver_due, deliver_due_of,
};
pub use enter_deliveries::{Entered, enter_deliveries};
pub use get_delivery::{ATTEMPTS_SHOWN_MAX, DeliveryView, get_delivery};
pub use get_endpoint::{EndpointView, SecretView, get_endpoint};
pub use list_deliveries::{DELIVERIES_PER_PAGE_MAX, DeliveryFilter, DeliveryPage, list_deliveries};
pub use list_endpoints::{ENDPOINTS_PER_PAGE_MAX, EndpointPage, list_endpoints};
pub use prune_deliveries::{KEPT_DAYS, prune_deliveries};
pub use refusal::WebhookRefusal;
pub use replay_deliveries::{REPLAYED_MAX, Replayed, replay_deliveries, replay_delivery};
pub use rotate_secret::{Rotation, rotate_secret};
pub use sealing::{
    NewSecret, SEALING_KEY_BYTES, SEALING_KEYS_MAX, SealingError, SealingKeys, SealingKeysError,
    SecretPlace, fresh_secret,
};
pub use sender::{OutgoingWebhook, SendEnd, SendError, WebhookSender};
pub use souk_postgres::webhooks::{Attempt, Delivery, ReplayRange, SealedSecret};

use souk_domain::Queue;

/// The consumer's name in the inbox.
pub const CONSUMER: &str = Queue::Webhooks.consumer();
