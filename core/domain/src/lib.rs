//! Souk's commerce domain: ids, money, orders, events, and what identifies a request.
//!
//! Pure: no clock, randomness, environment, or input and output. `now` and fresh ids are arguments.

mod audit;
pub mod catalog;
mod event;
mod idempotency;
mod ids;
mod lane;
mod money;
mod order;
pub mod payment;
pub mod pricing;
mod principal;
pub mod process;
pub mod reconcile;
mod tenancy;
mod timestamp;
pub mod webhook;

pub use audit::{
    AuditBreak, AuditCheck, AuditEntry, AuditEntryError, AuditFact, AuditHash, AuditHead,
    AuditHeadError,
};
pub use event::kinds;
pub use event::{
    DisputeV1, EVENT_BYTES_MAX, Event, EventData, EventError, EventHead, EventKind, EventType,
    FulfilledLineV1, OrderCancelledV1, OrderCompletedV1, OrderConfirmedV1, OrderFulfilledV1,
    OrderLineV1, OrderPaymentV1, OrderPlacedV1, OrderReinstatedV1, OrderReinstatementRefusedV1,
    PaymentIntentV1, Queue, RefundV1, Subject, UnknownEventType, UnknownQueue,
    WebhookEndpointDisabledV1,
};
pub use idempotency::{
    FingerprintError, IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_KEY_TTL_HOURS, IdempotencyKey,
    IdempotencyKeyError, RequestFingerprint,
};
pub use ids::{
    ApiKeyId, DisputeId, EventId, IdError, LedgerTransferId, OrderId, PaymentAttemptId,
    PaymentIntentId, ProviderOperationId, RefundId, RequestId, TenantId, WebhookEndpointId,
    WebhookMessageId,
};
pub use lane::{LANES, lane_of};
pub use money::{Currency, Money, MoneyError};
pub use order::{
    Allocation, CANCEL_REASON_BYTES_MAX, CUSTOMER_REFERENCE_CHARS_MAX, CancelReason,
    CustomerReference, Fulfilment, ORDER_LINES_MAX, Order, OrderError, OrderFilter, OrderLine,
    OrderRecord, OrderRequest, OrderStatus, PaymentChange, PaymentStatus, QUANTITY_MAX, Quantity,
    RequestedLine, SKU_BYTES_MAX, Settlement, Sku, Transition,
};
pub use pricing::PricingError;
pub use principal::{PRINCIPAL_BYTES_MAX, Principal, PrincipalError};
pub use tenancy::{
    API_KEY_CHARS, API_KEY_RANDOM_BYTES, ApiKeyKind, ApiKeyText, ApiKeyTextError, TenantStatus,
    WordError,
};
pub use timestamp::{Timestamp, TimestampError, TimestampTextError};
