//! Use cases, a file a verb. This crate owns the transaction and the ports.

mod cancel_order;
mod change_order;
mod complete_order;
mod confirm_order;
mod context;
mod error;
mod fulfil_order;
mod get_order;
mod list_orders;
mod maintain_idempotency_keys;
mod once;
mod order_timeline;
pub mod phases;
mod place_order;
mod ports;
mod price_sheets;
mod project_order;
mod quote_order;
mod record_event;
mod record_payment;
mod relay_outbox;
mod seed_tenant;
mod sweep_reservations;
pub mod tenants;
mod time_ordered_ids;

pub use cancel_order::cancel_order;
pub use change_order::{ExpectedVersion, OrderCommand};
pub use complete_order::complete_order;
pub use confirm_order::confirm_order;
pub use context::{Caller, Tools};
pub use error::{AppError, KeyReuse};
pub use fulfil_order::fulfil_order;
pub use get_order::get_order;
pub use list_orders::{ORDERS_PER_PAGE_MAX, OrderPage, list_orders};
pub use maintain_idempotency_keys::maintain_idempotency_keys;
pub use once::{Answer, Once, look_up_key};
pub use order_timeline::{TIMELINE_ENTRIES_PER_PAGE_MAX, TimelinePage, order_timeline};
pub use place_order::{OrderWish, RESERVATION_TTL_S, place_order};
pub use ports::{Clock, EventPublisher, IdGenerator, OutgoingEvent, PublishError};
pub use price_sheets::PriceSheets;
pub use project_order::{Projection, ProjectionError, project_order};
pub use quote_order::{QUOTED_PRICES_AGE_MAX_S, Quote, quote_order};
pub use record_payment::{RecordedPayment, record_payment};
pub use relay_outbox::{RelayReport, RelaySettings, relay_outbox};
pub use seed_tenant::{SkuSeed, seed_tenant};
pub use souk_postgres::idempotency::{FirstUse, KeyReport, StoredResponse};
pub use souk_postgres::idempotency_partitions::PartitionReport;
pub use souk_postgres::orders::TimelineEntry;
pub use souk_postgres::{
    ConsistencyToken, ConsistencyTokenError, Database, DatabaseError, Shard, ShardName,
    ShardNameError, Shards, admin,
};
pub use sweep_reservations::{SweepReport, SweepSettings, sweep_reservations};
pub use time_ordered_ids::TimeOrderedIds;
