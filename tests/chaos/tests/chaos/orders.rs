//! The writers: events of many aggregates, each in a transaction of its own, some of which stay open for
//! a while before they commit.

use crate::gate::Gate;
use crate::plan::Scale;
use core::time::Duration;
use fastrand::Rng;
use futures::future::join_all;
use souk_domain::{Event, EventData, Money, OrderId, OrderPlacedV1, TenantId, Timestamp};
use souk_postgres::{DatabaseError, Shards, outbox};
use souk_testkit::{TestTenant, order_confirmed};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

const WRITERS: usize = 6;

pub(crate) struct Orders {
    scale: Scale,
    tenant: TenantId,
    shards: Shards,
    aggregates: Vec<OrderId>,
    now: Timestamp,
    written: AtomicUsize,
}

impl Orders {
    pub(crate) fn new(scale: Scale, tenant: &TestTenant) -> Self {
        let aggregates = (0..scale.aggregates).map(|_| OrderId::from_uuid(Uuid::now_v7()));
        Self {
            scale,
            tenant: tenant.id,
            shards: tenant.tools.db.clone(),
            aggregates: aggregates.collect(),
            now: tenant.tools.clock.now(),
            written: AtomicUsize::new(0),
        }
    }

    /// Writes all events of all aggregates.
    pub(crate) async fn write(&self, gate: &Gate, seed: u64) {
        let writers = (0..WRITERS).map(|writer| {
            let seed = seed.wrapping_add(u64::try_from(writer).unwrap());
            self.write_every(gate, writer, Rng::with_seed(seed))
        });
        join_all(writers).await;
    }

    /// One writer's share: an aggregate has one writer, who takes them in turn.
    async fn write_every(&self, gate: &Gate, writer: usize, mut rng: Rng) {
        let mine: Vec<OrderId> = self
            .aggregates
            .iter()
            .copied()
            .skip(writer)
            .step_by(WRITERS)
            .collect();
        for sequence in 1..=self.scale.events_each {
            for order in &mine {
                let written = self.written.fetch_add(1, Ordering::SeqCst);
                gate.until_more_is_wanted(written, self.scale.ahead()).await;
                let event = self.event(*order, u64::try_from(sequence).unwrap());
                // Later positions become visible before this one when the commit is late.
                let late = (rng.u8(..) < 8).then(|| Duration::from_millis(rng.u64(1..200)));
                while !self.append(&event, late).await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// Whether the event is there. When a commit got no answer, only the next try can tell.
    async fn append(&self, event: &Event, late: Option<Duration>) -> bool {
        match self.try_append(event, late).await {
            Ok(()) | Err(DatabaseError::Constraint { .. }) => true,
            Err(_) => false,
        }
    }

    async fn try_append(&self, event: &Event, late: Option<Duration>) -> Result<(), DatabaseError> {
        let mut tx = self.shards.begin(self.tenant).await?;
        outbox::append(&mut tx, event, &event.to_json_text().unwrap()).await?;
        if let Some(late) = late {
            tokio::time::sleep(late).await;
        }
        tx.commit().await
    }

    fn event(&self, order: OrderId, sequence: u64) -> Event {
        let mut event = order_confirmed(self.tenant, self.now, order, sequence);
        if sequence == 1 {
            event.data = EventData::OrderPlacedV1(self.placed(order));
        }
        event
    }

    fn placed(&self, order_id: OrderId) -> OrderPlacedV1 {
        let euro = "EUR".parse().unwrap();
        OrderPlacedV1 {
            order_id,
            currency: euro,
            total: Money::new(0, euro),
            subtotal: None,
            discount: None,
            shipping: None,
            tax: None,
            tax_included: None,
            shipping_country: None,
            lines: Vec::new(),
            customer_reference: None,
            placed_at: self.now,
        }
    }
}
