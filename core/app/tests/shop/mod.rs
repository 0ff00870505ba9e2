//! A shop that sells tea, and its PSP: what tests of orders with payments share.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use souk_app::payments::{
    CreatePaymentIntent, PaymentSweepSettings, ProviderEvent, ProviderEventObject,
    create_payment_intent, receive_provider_event, sweep_operations, verify_ledger,
};
use souk_app::process::{
    Advanced, ProcessCause, ProcessSettings, advance_process, show_process, sweep_processes,
};
use souk_app::{
    AppError, EventPublisher, Once, OrderCommand, OutgoingEvent, PublishError, RelaySettings,
    RoutedPublisher, StoredResponse, SweepSettings, fulfil_order, get_order, place_order,
    relay_outbox,
};
use souk_domain::payment::{CaptureMethod, PaymentIntent};
use souk_domain::process::CapturePolicy;
use souk_domain::{
    Event, Fulfilment, IdempotencyKey, Order, OrderId, OrderStatus, PaymentStatus, Queue,
    RequestFingerprint,
};
use souk_psp_simulator::{Client, Faults, Simulator};
use souk_testkit::{MemoryQueue, TestDatabase, TestTenant, order_request, respond};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

pub const MINUTE_MS: i64 = 60_000;
pub const RESERVED_MS: i64 = 15 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

pub fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

pub fn noted(done: Result<&PaymentIntent, &AppError>) -> StoredResponse {
    let (status, body) = match done {
        Ok(_) => (200, String::new()),
        Err(error) => (422, error.to_string()),
    };
    StoredResponse {
        status,
        headers: BTreeMap::new(),
        body: body.into_bytes(),
    }
}

pub fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// A shop that sells tea, and its PSP.
pub struct Shop {
    pub db: TestDatabase,
    pub tenant: TestTenant,
    pub psp: Simulator,
    pub settings: ProcessSettings,
    pub queues: RoutedPublisher<Shared>,
    pub process_queue: Arc<MemoryQueue>,
}

impl Shop {
    pub async fn open(units: u32, policy: CapturePolicy, faults: Faults) -> Self {
        let db = TestDatabase::create().await;
        let tenant = TestTenant::create(&db, &[("TEA", 250, units)]).await;
        let psp = Simulator::new(tenant.clock.clone(), faults);
        let queue = |queue| (queue, Shared(Arc::new(MemoryQueue::reliable())));
        let queues: BTreeMap<Queue, Shared> = Queue::ALL.into_iter().map(queue).collect();
        let process_queue = Arc::clone(&queues[&Queue::OrderProcess].0);
        Self {
            queues: RoutedPublisher::new(queues).unwrap(),
            process_queue,
            db,
            tenant,
            psp,
            settings: ProcessSettings {
                capture_policy: policy,
            },
        }
    }

    pub async fn place(&self, key: &str, units: u32) -> OrderId {
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        let (key, request) = (once(key), order_request(&[("TEA", units)]));
        let placed = place_order(tools, &caller, &key, request, respond).await;
        let body = placed.unwrap().response.body;
        core::str::from_utf8(&body).unwrap().parse().unwrap()
    }

    pub async fn pay(&self, psp: &Client, key: &str, order: OrderId, how: (CaptureMethod, &str)) {
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        let command = CreatePaymentIntent {
            once: once(key),
            order,
            capture_method: how.0,
            payment_method: Some(how.1.parse().unwrap()),
            confirm: true,
            return_url: None,
        };
        let created = create_payment_intent(tools, psp, &caller, &command, noted);
        tokio::select! {
            () = psp.crashed() => {}
            // Whatever it says, the webhooks and the sweep say it again.
            _ = created => {}
        }
    }

    /// The orders that events in the order process's queue are about, in the order of their arrival.
    pub async fn told(&self) -> Vec<OrderId> {
        let settings = RelaySettings {
            holder: "test".to_owned(),
            ..RelaySettings::default()
        };
        let relay = self.db.by_role("souk_relay", 1);
        let relayed = relay_outbox(&relay, &self.queues, &settings, in_time());
        relayed.await.unwrap();
        let taken = self.process_queue.taken();
        let event = |taken: &OutgoingEvent| Event::from_json_text(&taken.body).unwrap();
        taken
            .iter()
            .filter_map(|taken| event(taken).data.order())
            .collect()
    }

    pub async fn advance(&self, order: OrderId) -> Advanced {
        let psp = self.psp.client();
        let tools = &self.tenant.tools;
        let cause = ProcessCause::deadline();
        let order = (self.tenant.id, order);
        let advanced = advance_process(tools, &psp, self.settings, order, &cause);
        tokio::select! {
            () = psp.crashed() => Advanced::Elsewhere,
            advanced = advanced => advanced.unwrap(),
        }
    }

    /// Delivers what the PSP tells now.
    pub async fn deliver(&self) {
        let psp = self.psp.client();
        for event in self.psp.due_events() {
            let object = if event.is_about_dispute() {
                ProviderEventObject::Dispute(event.object.clone())
            } else {
                ProviderEventObject::Payment(event.object.parse().unwrap())
            };
            let told = ProviderEvent {
                id: event.id.clone(),
                kind: event.kind.to_owned(),
                object,
            };
            let tenant = self.tenant.id;
            let received = receive_provider_event(&self.tenant.tools, &psp, tenant, &told);
            let received = tokio::select! {
                () = psp.crashed() => None,
                received = received => received.ok(),
            };
            match received {
                Some(_) => self.psp.delivered(&event),
                None => self.psp.refused(&event),
            }
        }
    }

    pub async fn sweep(&self) {
        let (tools, psp) = (&self.tenant.tools, self.psp.client());
        let sweeper = self.db.by_role("souk_sweeper", 2);
        let settings = PaymentSweepSettings {
            batch_size_max: 50,
            concurrency_max: 1,
        };
        tokio::select! {
            () = psp.crashed() => {}
            swept = sweep_operations(tools, &psp, &sweeper, settings, in_time()) => {
                swept.unwrap();
            }
        }
        let bounds = (SweepSettings::default(), in_time());
        tokio::select! {
            () = psp.crashed() => {}
            swept = sweep_processes(tools, &psp, self.settings, &sweeper, bounds) => {
                swept.unwrap();
            }
        }
    }

    pub async fn order(&self, id: OrderId) -> Order {
        let order = get_order(&self.tenant.tools, &self.tenant.caller(), id).await;
        order.unwrap()
    }

    pub async fn stands(&self, id: OrderId) -> (OrderStatus, PaymentStatus) {
        let order = self.order(id).await;
        (order.status(), order.record().payment_status)
    }

    pub async fn fulfil(&self, key: &str, id: OrderId) {
        let (tools, caller) = (&self.tenant.tools, self.tenant.caller());
        let command = OrderCommand::on(id, once(key));
        let done = fulfil_order(tools, &caller, &command, Fulfilment::Rest, respond).await;
        done.unwrap();
    }

    pub async fn steps(&self, id: OrderId) -> Vec<(String, String)> {
        let view = show_process(&self.tenant.tools, self.tenant.id, id).await;
        let steps = view.unwrap().unwrap().steps;
        let told = |outcome: Option<String>| outcome.unwrap_or_else(|| "interrupted".to_owned());
        steps
            .into_iter()
            .map(|s| (s.step, told(s.outcome)))
            .collect()
    }

    pub async fn available(&self) -> i64 {
        let sql = "SELECT sum(available)::bigint FROM souk.stock_levels";
        self.db.number(sql).await
    }

    pub async fn assert_ledger_holds(&self) {
        let findings = verify_ledger(&self.tenant.tools, self.tenant.id, 10)
            .await
            .unwrap();
        assert_eq!(findings, []);
    }
}

pub const VISA: &str = "pm_card_visa";
/// A bank that takes its time.
pub const SLOW: &str = "pm_usBankAccount";

/// A queue that the test keeps as well.
pub struct Shared(pub Arc<MemoryQueue>);

impl EventPublisher for Shared {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        self.0.publish(batch).await
    }
}
