//! Tenants, callers and orders for tests.

use crate::TestDatabase;
use souk_app::{
    AppError, Caller, Clock, IdGenerator as _, Shards, SkuSeed, StoredResponse, TimeOrderedIds,
    Tools, seed_tenant,
};
use souk_domain::pricing::{QUOTE_KEY_BYTES, QuoteKeys};
use souk_domain::{
    Currency, Event, EventData, EventId, Money, Order, OrderConfirmedV1, OrderId, OrderRequest,
    Principal, Quantity, RequestId, RequestedLine, TenantId, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use uuid::Uuid;

/// A clock that stands until it is told to move.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Stands at 2026-11-21T08:00:00Z.
    pub const fn new() -> Self {
        Self(AtomicI64::new(1_795_248_000_000))
    }

    /// Moves by `ms` milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst)).expect("the year is in range")
    }
}

/// A tenant with a catalog in euro, and the tools to act for it.
#[derive(Debug)]
pub struct TestTenant {
    /// Its id.
    pub id: TenantId,
    /// Tools over the app's role.
    pub tools: Tools,
    /// The clock in `tools`.
    pub clock: Arc<FixedClock>,
}

impl TestTenant {
    /// Enters a new tenant that sells `skus`: code, price of a unit in cents, units in stock.
    pub async fn create(db: &TestDatabase, skus: &[(&str, i64, u32)]) -> Self {
        let id = TenantId::from_uuid(Uuid::now_v7());
        let euro: Currency = "EUR".parse().expect("EUR is a currency");
        let seeds: Vec<SkuSeed> = skus
            .iter()
            .map(|(sku, cents, units)| SkuSeed {
                sku: sku.parse().expect("a valid sku"),
                title: (*sku).to_owned(),
                unit_price: Money::new(*cents, euro),
                units: *units,
            })
            .collect();
        let clock = Arc::new(FixedClock::new());
        seed_tenant(&db.superuser(), id, "Test tenant", &seeds, clock.now())
            .await
            .expect("the tenant can be entered");
        let tools = Tools {
            db: Shards::single(db.app()),
            clock: clock.clone(),
            ids: Arc::new(TimeOrderedIds),
            prices: Arc::default(),
        };
        Self { id, tools, clock }
    }

    /// The `sequence`th event of an order of this tenant, now: that it was confirmed.
    pub fn order_confirmed(&self, order: OrderId, sequence: u64) -> Event {
        order_confirmed(self.id, self.tools.clock.now(), order, sequence)
    }

    /// Someone who acts for this tenant.
    pub fn caller(&self) -> Caller {
        caller(self.id)
    }
}

/// Someone who acts for `tenant`; the same principal each time.
pub fn caller(tenant: TenantId) -> Caller {
    Caller {
        tenant,
        principal: "key_00000000000000000000000000000001"
            .parse::<Principal>()
            .expect("a valid principal"),
        request_id: RequestId::from_uuid(Uuid::now_v7()),
        traceparent: None,
        consistency: None,
    }
}

/// The `sequence`th event of an order: that it was confirmed at `now`.
pub fn order_confirmed(
    tenant_id: TenantId,
    now: Timestamp,
    order_id: OrderId,
    sequence: u64,
) -> Event {
    Event {
        id: EventId::from_uuid(TimeOrderedIds.uuid_v7(now)),
        tenant_id,
        subject: order_id.into(),
        sequence,
        time: now,
        correlation_id: RequestId::from_uuid(Uuid::now_v7()),
        causation_id: None,
        traceparent: None,
        data: EventData::OrderConfirmedV1(OrderConfirmedV1 {
            order_id,
            confirmed_at: now,
        }),
    }
}

/// A request in euro for `lines`: sku and quantity.
pub fn order_request(lines: &[(&str, u32)]) -> OrderRequest {
    let lines = lines
        .iter()
        .map(|(sku, quantity)| RequestedLine {
            sku: sku.parse().expect("a valid sku"),
            quantity: Quantity::new(*quantity).expect("a valid quantity"),
        })
        .collect();
    OrderRequest::new("EUR".parse().expect("EUR is a currency"), lines, None)
        .expect("a valid request")
}

/// An answer whose body is the order's id, or says why there is none: 201 or 422.
pub fn respond(outcome: Result<&Order, &AppError>) -> StoredResponse {
    let (status, body) = match outcome {
        Ok(order) => (201, order.id().to_string()),
        Err(error) => (422, error.to_string()),
    };
    StoredResponse {
        status,
        headers: BTreeMap::new(),
        body: body.into_bytes(),
    }
}

/// Keys for quotes; the same each time.
pub fn quote_keys() -> Arc<QuoteKeys> {
    let keys = BTreeMap::from([("test-quotes".to_owned(), [7; QUOTE_KEY_BYTES])]);
    let keys = QuoteKeys::new("test-quotes".to_owned(), keys).expect("valid keys");
    Arc::new(keys)
}
