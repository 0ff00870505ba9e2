//! Use cases, a file a verb. This crate owns the transaction and the ports.

mod apply_once;
mod archive_product;
mod archive_sku;
mod cancel_order;
mod catalog_refusal;
mod change_order;
mod complete_order;
mod confirm_order;
mod context;
pub mod edge;
mod error;
mod expected_version;
mod forget_inbox;
mod fulfil_order;
mod get_order;
mod get_prices;
mod get_pricing_rules;
mod get_product;
mod get_sku;
mod get_stock;
mod import_catalog;
mod import_plan;
mod list_orders;
mod list_products;
mod maintain_partitions;
mod offer;
mod once;
mod order_timeline;
pub mod outbox;
pub mod parked;
pub mod payments;
pub mod phases;
mod place_order;
mod ports;
mod price_sheets;
pub mod process;
mod project_order;
mod put_prices;
mod put_pricing_rules;
mod put_product;
mod put_sku;
mod put_stock;
mod quote_order;
pub mod reconcile;
mod record_event;
mod record_payment;
pub mod relay;
mod seed_tenant;
pub mod signing_keys;
mod sweep;
mod sweep_reservations;
pub mod tenants;
mod time_ordered_ids;
pub mod webhooks;

pub use apply_once::{Applied, apply_once, apply_once_in_order};
pub use archive_product::archive_product;
pub use archive_sku::archive_sku;
pub use cancel_order::cancel_order;
pub use catalog_refusal::CatalogRefusal;
pub use change_order::OrderCommand;
pub use complete_order::complete_order;
pub use confirm_order::confirm_order;
pub use context::{Caller, Tools};
pub use error::{AppError, KeyReuse};
pub use expected_version::ExpectedVersion;
pub use forget_inbox::{INBOX_KEPT_DAYS, forget_inbox};
pub use fulfil_order::fulfil_order;
pub use get_order::get_order;
pub use get_prices::get_prices;
pub use get_pricing_rules::get_pricing_rules;
pub use get_product::{ProductOffer, VARIANTS_SHOWN_MAX, get_product};
pub use get_sku::get_sku;
pub use get_stock::get_stock;
pub use import_catalog::{ImportReport, import_catalog};
pub use import_plan::RowRejection;
pub use list_orders::{ORDERS_PER_PAGE_MAX, OrderPage, list_orders};
pub use list_products::{PRODUCTS_PER_PAGE_MAX, ProductPage, list_products};
pub use maintain_partitions::{OUTBOX_DAYS_KEPT, maintain_partitions};
pub use offer::{Audience, Offer};
pub use once::{Answer, Once, look_up_key};
pub use order_timeline::{TIMELINE_ENTRIES_PER_PAGE_MAX, TimelinePage, order_timeline};
pub use place_order::{OrderWish, RESERVATION_TTL_S, place_order};
pub use ports::{
    Clock, EdgeSigner, EventPublisher, IdGenerator, KeptRing, KeyStoreError, KeyVault,
    MovementPage, OutgoingEvent, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest,
    PublishError, PublishErrorKind,
};
pub use price_sheets::PriceSheets;
pub use project_order::{Projection, ProjectionError, READ_MODELS, project_order};
pub use put_prices::put_prices;
pub use put_pricing_rules::put_pricing_rules;
pub use put_product::put_product;
pub use put_sku::put_sku;
pub use put_stock::put_stock;
pub use quote_order::{QUOTED_PRICES_AGE_MAX_S, Quote, quote_order};
pub use record_payment::{RecordedPayment, record_payment};
pub use relay::{
    NullPublisher, QueueMissing, RelayReport, RelaySettings, RoutedPublisher, ShardsReport,
    relay_outbox, relay_shards,
};
pub use seed_tenant::{SkuSeed, seed_tenant};
pub use souk_postgres::idempotency::{FirstUse, KeyReport, StoredResponse};
pub use souk_postgres::inventory::LocationStock;
pub use souk_postgres::ledger::{Balance, LedgerFinding};
pub use souk_postgres::orders::TimelineEntry;
pub use souk_postgres::outbox::status as outbox_status;
pub use souk_postgres::partitions::PartitionReport;
pub use souk_postgres::pricing_rules::VersionedRules;
pub use souk_postgres::{
    ConsistencyToken, ConsistencyTokenError, Database, DatabaseError, PendingMigration, Pooler,
    Shard, ShardName, ShardNameError, Shards, TenantTx, admin,
};
pub use sweep_reservations::{SweepReport, SweepSettings, sweep_reservations};
pub use time_ordered_ids::TimeOrderedIds;
