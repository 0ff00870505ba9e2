//! Use cases, a file a verb. This crate owns the transaction and the ports.

mod cancel_order;
mod context;
mod error;
mod get_order;
mod once;
pub mod phases;
mod place_order;
mod ports;
mod price_sheets;
mod project_order;
mod quote_order;
mod record_event;
mod relay_outbox;
mod seed_tenant;
pub mod tenants;

pub use cancel_order::cancel_order;
pub use context::{Caller, Tools};
pub use error::{AppError, KeyReuse};
pub use get_order::get_order;
pub use once::{Answer, Once, look_up_key};
pub use place_order::{OrderWish, RESERVATION_TTL_S, place_order};
pub use ports::{Clock, EventPublisher, IdGenerator, OutgoingEvent, PublishError};
pub use price_sheets::PriceSheets;
pub use project_order::{Projection, ProjectionError, project_order};
pub use quote_order::{QUOTED_PRICES_AGE_MAX_S, Quote, quote_order};
pub use relay_outbox::{RelayReport, RelaySettings, relay_outbox};
pub use seed_tenant::{SkuSeed, seed_tenant};
pub use souk_postgres::idempotency::{FirstUse, KeyReport, StoredResponse};
pub use souk_postgres::{
    ConsistencyToken, ConsistencyTokenError, Database, DatabaseError, Shard, ShardName,
    ShardNameError, Shards, admin,
};
