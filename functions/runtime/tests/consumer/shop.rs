//! Events of a tenant, and what applying them leaves behind.

use core::time::Duration;
use souk_app::webhooks::enter_deliveries;
use souk_app::{Clock as _, Shards, Tools};
use souk_domain::{
    Event, EventData, EventId, Money, OrderCancelledV1, OrderCompletedV1, OrderConfirmedV1,
    OrderId, OrderLineV1, OrderPlacedV1, Queue,
};
use souk_runtime::consumer::{Consumer, QueueKind};
use souk_testkit::{TestDatabase, TestTenant};
use std::collections::BTreeMap;
use tokio::time::Instant;
use uuid::Uuid;

use crate::memory::MemorySource;

pub(crate) struct Shop {
    pub(crate) db: TestDatabase,
    pub(crate) tenant: TestTenant,
}

impl Shop {
    /// A tenant with an endpoint that wants every event, so that each one entered leaves a row.
    pub(crate) async fn open() -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[]).await;
        let id = tenant.id.as_uuid();
        db.execute(&format!(
            "INSERT INTO souk.webhook_endpoints (tenant_id, endpoint_id, url, description, \
             event_types, ordered, status, version, created_at, updated_at) \
             VALUES ('{id}', '{id}', 'https://shop.example/hook', '', '{{}}', false, 'enabled', 1, now(), now())"
        ))
        .await;
        Self { db, tenant }
    }

    pub(crate) fn tools(&self) -> Tools {
        self.tenant.tools.clone()
    }

    pub(crate) fn shards(&self) -> Shards {
        self.tenant.tools.db.clone()
    }

    #[allow(clippy::unused_self, reason = "an order is a shop's")]
    pub(crate) fn order(&self) -> OrderId {
        OrderId::from_uuid(Uuid::now_v7())
    }

    /// The n-th event of an order: placed, confirmed, then completed; the last may be a cancellation.
    pub(crate) fn event(&self, order: OrderId, sequence: u64) -> Event {
        let at = self.tenant.clock.now();
        let euro = "EUR".parse().unwrap();
        let data = match sequence {
            1 => EventData::OrderPlacedV1(OrderPlacedV1 {
                order_id: order,
                currency: euro,
                total: Money::new(500, euro),
                subtotal: None,
                discount: None,
                shipping: None,
                tax: None,
                tax_included: None,
                shipping_country: None,
                lines: vec![OrderLineV1 {
                    line_number: 1,
                    sku: "TEA".parse().unwrap(),
                    quantity: 2,
                    unit_price: Money::new(250, euro),
                    line_total: Money::new(500, euro),
                    discount: None,
                    tax: None,
                }],
                customer_reference: None,
                placed_at: at,
            }),
            2 => EventData::OrderConfirmedV1(OrderConfirmedV1 {
                order_id: order,
                confirmed_at: at,
            }),
            3 => EventData::OrderCancelledV1(OrderCancelledV1 {
                order_id: order,
                reason: None,
                cancelled_at: at,
            }),
            _ => EventData::OrderCompletedV1(OrderCompletedV1 {
                order_id: order,
                completed_at: at,
            }),
        };
        Event {
            id: EventId::from_uuid(Uuid::now_v7()),
            tenant_id: self.tenant.id,
            subject: order.into(),
            sequence,
            time: at,
            correlation_id: self.tenant.caller().request_id,
            causation_id: None,
            traceparent: None,
            data,
        }
    }

    /// Sends the events, each in the group of its order.
    #[allow(clippy::unused_self, reason = "events are a shop's")]
    pub(crate) fn send(&self, queue: &MemorySource, events: &[Event]) {
        for event in events {
            queue.send(&event.subject.to_string(), &event.to_json_text().unwrap());
        }
    }

    /// By order, the sequences that had their effect, in the order in which they had it.
    pub(crate) async fn effects(&self) -> BTreeMap<String, Vec<i64>> {
        let sql = "SELECT coalesce(json_agg(json_build_array(subject_id, sequence) \
                   ORDER BY xmin::text::bigint), '[]')::text FROM souk.webhook_deliveries";
        let rows: Vec<(Uuid, i64)> = serde_json::from_str(&self.db.text(sql).await).unwrap();
        let mut effects: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (subject, sequence) in rows {
            let order = OrderId::from_uuid(subject).to_string();
            effects.entry(order).or_default().push(sequence);
        }
        effects
    }

    /// A consumer with effects in the database, which fails before them as `fails` says.
    pub(crate) fn consumer<'a>(
        &self,
        queue: &'a MemorySource,
        fails: impl Fn(&Event) -> bool + 'a,
    ) -> Consumer<'a, &'a MemorySource> {
        let tools = self.tools();
        let fails = std::rc::Rc::new(fails);
        Consumer::new("hooks", QueueKind::Fifo, self.shards(), queue)
            .with_clock(tools.clock.clone())
            .on_each(Queue::Webhooks.event_types(), move |event| {
                let (tools, fails) = (tools.clone(), std::rc::Rc::clone(&fails));
                async move {
                    if fails(&event) {
                        return Err(std::io::Error::other("planted").into());
                    }
                    enter_deliveries(&tools, &event).await?;
                    Ok(())
                }
            })
    }
}

/// Time for a whole test.
pub(crate) fn in_an_hour() -> Instant {
    Instant::now() + Duration::from_hours(1)
}
