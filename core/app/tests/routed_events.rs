//! An event is published when every queue that it is routed to has taken it, however the queues fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use futures::future::join_all;
use souk_app::relay::RetryTerms;
use souk_app::{
    EventPublisher, Once, OrderCommand, OutgoingEvent, PublishError, QueueMissing, RelaySettings,
    RoutedPublisher, cancel_order, place_order, relay_outbox,
};
use souk_domain::{EventId, EventType, IdempotencyKey, OrderId, Queue, RequestFingerprint};
use souk_testkit::{MemoryQueue, TestDatabase, TestTenant, UNPUBLISHED, order_request, respond};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

fn event(event_type: &str, n: u128) -> OutgoingEvent {
    OutgoingEvent {
        event_id: EventId::from_uuid(Uuid::from_u128(n)),
        group: format!("g{n}"),
        event_type: event_type.to_owned(),
        body: String::new(),
    }
}

fn queues(make: impl Fn(Queue) -> MemoryQueue) -> BTreeMap<Queue, MemoryQueue> {
    Queue::ALL
        .into_iter()
        .map(|queue| (queue, make(queue)))
        .collect()
}

#[test]
fn a_queue_without_an_address_is_refused_at_the_start() {
    let mut two = queues(|_| MemoryQueue::reliable());
    two.remove(&Queue::Webhooks);
    let refused = RoutedPublisher::new(two).unwrap_err();
    assert_eq!(refused, QueueMissing(Queue::Webhooks));
}

#[tokio::test]
async fn every_type_goes_where_it_is_routed_and_nowhere_else() {
    let arrivals: &'static _ = Box::leak(Box::new(std::sync::Mutex::new(Vec::new())));
    let publisher = RoutedPublisher::new(queues(|queue| {
        MemoryQueue::new(move |event, _| {
            arrivals
                .lock()
                .unwrap()
                .push((event.event_type.clone(), queue));
            Ok(())
        })
    }))
    .unwrap();
    let batch: Vec<_> = (0_u128..)
        .zip(EventType::ALL)
        .map(|(n, event_type)| event(event_type.as_str(), n))
        .collect();
    assert!(publisher.publish(&batch).await.iter().all(Result::is_ok));
    let mut wanted: Vec<(String, Queue)> = EventType::ALL
        .iter()
        .flat_map(|t| {
            t.queues()
                .iter()
                .map(|queue| (t.as_str().to_owned(), *queue))
        })
        .collect();
    let mut arrived = arrivals.lock().unwrap().clone();
    wanted.sort();
    arrived.sort();
    assert_eq!(arrived, wanted);
}

#[tokio::test]
async fn an_event_of_a_later_version_waits_and_the_others_go() {
    let publisher = RoutedPublisher::new(queues(|_| MemoryQueue::reliable())).unwrap();
    let batch = [
        event("order.placed.v1", 1),
        event("order.placed.v9", 2),
        event("order.cancelled.v1", 3),
    ];
    let outcomes = publisher.publish(&batch).await;
    let taken: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, false, true]);
}

/// Each queue refuses at random what comes to it, the first few times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_fail_by_themselves_get_every_event_in_order_all_the_same() {
    let seed = fastrand::u64(..);
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    let (tools, caller) = (&tenant.tools, &tenant.caller());
    join_all((0..30).map(|n| async move {
        let (place, request) = (once(&format!("p{n}")), order_request(&[("TEA", 1)]));
        let placed = place_order(tools, caller, &place, request, respond);
        let placed = placed.await.unwrap().response.body;
        let id: OrderId = core::str::from_utf8(&placed).unwrap().parse().unwrap();
        let command = OrderCommand::on(id, once(&format!("c{n}")));
        cancel_order(tools, caller, &command, None, respond)
            .await
            .unwrap();
    }))
    .await;

    let kept: &'static _ = Box::leak(Box::new(queues(move |queue| {
        MemoryQueue::new(move |event, arrival| {
            let salt = u128::from(seed) ^ event.event_id.as_uuid().as_u128();
            let refusals = (salt ^ u128::try_from(queue.as_str().len()).unwrap()) % 3;
            if u128::from(arrival) < refusals {
                return Err(PublishError::refused("not now"));
            }
            Ok(())
        })
    })));
    let publisher = RoutedPublisher::new(
        kept.iter()
            .map(|(queue, memory)| (*queue, Borrowed(memory)))
            .collect(),
    )
    .unwrap();
    let mut runs = 0;
    while db.number(UNPUBLISHED).await > 0 {
        let settings = RelaySettings {
            holder: "test".to_owned(),
            event_retry: AT_ONCE,
            ..RelaySettings::default()
        };
        let stop_at = Instant::now() + Duration::from_secs(60);
        relay_outbox(&db.relay(), &publisher, &settings, stop_at)
            .await
            .unwrap();
        runs += 1;
        assert!(runs < 50, "seed {seed}: the outbox does not empty");
    }
    for (queue, memory) in kept {
        let deliveries = memory.first_deliveries();
        assert_eq!(deliveries.len(), 30, "seed {seed}: {queue} lacks an order");
        for (order, sequences) in deliveries {
            assert_eq!(sequences, [1, 2], "seed {seed}: {queue}, {order}");
        }
    }
}

/// Without a wait.
const AT_ONCE: RetryTerms = RetryTerms {
    first: Duration::ZERO,
    most: Duration::ZERO,
};

/// A queue that the test keeps.
struct Borrowed(&'static MemoryQueue);

impl EventPublisher for Borrowed {
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        self.0.publish(batch).await
    }
}
