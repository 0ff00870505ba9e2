//! Webhooks: endpoints, their secrets, and what is on its way to them.

mod attempts;
mod claim;
mod deliveries;
mod due;
mod endpoints;
mod enter;
mod prune;
mod replay;
mod secrets;

pub use attempts::{Attempt, AttemptEnd, attempts, end_attempt};
pub use claim::{ClaimedDelivery, claim, skip_due_of_disabled};
pub use deliveries::{Delivery, list as list_deliveries, load as load_delivery};
pub use due::tenants_with_due;
pub use endpoints::{
    all as all_endpoints, count as count_endpoints, delete as delete_endpoint,
    insert as insert_endpoint, list as list_endpoints, load as load_endpoint,
    load_for_update as load_endpoint_for_update, update as update_endpoint,
};
pub use enter::enter;
pub use prune::prune;
pub use replay::{ReplayRange, replay_one, replay_range};
pub use secrets::{
    SealedSecret, add as add_secret, all as all_secrets, remove_expired as remove_expired_secrets,
};
