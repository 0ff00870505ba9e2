//! Time, panics, how much is done at once, and what is kept from coming again meanwhile.

use crate::memory::{MemorySource, named};
use core::cell::{Cell, RefCell};
use core::time::Duration;
use souk_app::{Database, Shards};
use souk_domain::{
    Event, EventData, EventId, OrderConfirmedV1, OrderId, RequestId, TenantId, Timestamp, kinds,
};
use souk_runtime::consumer::{Consumer, ConsumerSettings, QueueKind};
use std::collections::BTreeSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// No database is asked where every message is understood.
fn nowhere() -> Shards {
    Shards::single(Database::connect_lazily("postgres://nobody@127.0.0.1:1/none", 1).unwrap())
}

fn confirmed(order: u128, sequence: u64) -> Event {
    let order = OrderId::from_uuid(Uuid::from_u128(order));
    Event {
        id: EventId::from_uuid(Uuid::now_v7()),
        tenant_id: TenantId::from_uuid(Uuid::from_u128(1)),
        subject: order.into(),
        sequence,
        time: Timestamp::UNIX_EPOCH,
        correlation_id: RequestId::from_uuid(Uuid::from_u128(1)),
        causation_id: None,
        traceparent: None,
        data: EventData::OrderConfirmedV1(OrderConfirmedV1 {
            order_id: order,
            confirmed_at: Timestamp::UNIX_EPOCH,
        }),
    }
}

/// A message for each pair of a group and a sequence.
fn filled(messages: &[(u128, u64)]) -> MemorySource {
    let queue = MemorySource::default();
    for (group, sequence) in messages {
        let event = confirmed(*group, *sequence);
        queue.send(&group.to_string(), &event.to_json_text().unwrap());
    }
    queue
}

fn after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Each event takes as many seconds as its sequence says.
fn slow(queue: &MemorySource, kind: QueueKind) -> Consumer<'_, &MemorySource> {
    Consumer::new("slow", kind, nowhere(), queue).on(
        kinds::ORDER_CONFIRMED_V1,
        async |event, _confirmed| {
            sleep(Duration::from_secs(event.sequence)).await;
            Ok(())
        },
    )
}

#[tokio::test(start_paused = true)]
async fn in_a_standard_queue_each_message_stands_alone() {
    let queue = filled(&[(1, 1), (1, 2), (1, 3)]);
    let consumer = Consumer::new("any", QueueKind::Standard, nowhere(), &queue).on(
        kinds::ORDER_CONFIRMED_V1,
        async |event, _confirmed| match event.sequence {
            2 => Err(std::io::Error::other("planted").into()),
            _ => Ok(()),
        },
    );
    let response = consumer.consume(queue.receive(10), after(60)).await;
    assert_eq!(named(&response), ["m2"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_own_message_and_the_rest_of_its_group() {
    let queue = filled(&[(1, 1), (2, 7), (1, 2), (3, 3)]);
    let consumer = Consumer::new("any", QueueKind::Fifo, nowhere(), &queue).on(
        kinds::ORDER_CONFIRMED_V1,
        async |event, _confirmed| {
            assert_ne!(event.sequence, 1, "planted");
            Ok(())
        },
    );
    let response = consumer.consume(queue.receive(10), after(60)).await;
    assert_eq!(named(&response), ["m1", "m3"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_in_the_functions_time_comes_again_at_once() {
    // One group, so one after the other: the second one is cut off, the third is not begun.
    let queue = filled(&[(1, 2), (1, 30), (1, 1)]);
    let began = Instant::now();
    let response = slow(&queue, QueueKind::Fifo)
        .consume(queue.receive(10), after(10))
        .await;
    assert_eq!(named(&response), ["m2", "m3"]);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "Lambda has ended the function"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_comes_too_late_is_not_tried_and_not_delayed() {
    let queue = filled(&[(1, 1), (2, 1)]);
    let response = slow(&queue, QueueKind::Fifo)
        .consume(queue.receive(10), after(1))
        .await;
    assert_eq!(named(&response), ["m1", "m2"]);
    let delays: Vec<Duration> = queue.hidden().into_iter().map(|hidden| hidden.1).collect();
    assert_eq!(delays, [Duration::ZERO; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_message_has_a_time_of_its_own() {
    let queue = filled(&[(1, 5), (2, 50), (3, 5)]);
    let settings = ConsumerSettings {
        message_timeout: Duration::from_secs(10),
        concurrency_max: 1,
        ..ConsumerSettings::default()
    };
    let response = slow(&queue, QueueKind::Fifo)
        .with_settings(settings)
        .consume(queue.receive(10), after(600))
        .await;
    assert_eq!(
        named(&response),
        ["m2"],
        "one slow message took the others' time"
    );
}

#[tokio::test(start_paused = true)]
async fn groups_go_on_side_by_side_within_the_bound_and_one_group_never_does() {
    let queue = filled(&[
        (1, 1),
        (2, 1),
        (3, 1),
        (1, 2),
        (2, 2),
        (3, 2),
        (4, 1),
        (5, 1),
    ]);
    let running = RefCell::new(BTreeSet::new());
    let most = Cell::new(0);
    let settings = ConsumerSettings {
        concurrency_max: 3,
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new("any", QueueKind::Fifo, nowhere(), &queue)
        .with_settings(settings)
        .on(kinds::ORDER_CONFIRMED_V1, async |event, _confirmed| {
            let group = event.subject.to_string();
            assert!(
                running.borrow_mut().insert(group.clone()),
                "a group overtook itself"
            );
            most.set(most.get().max(running.borrow().len()));
            sleep(Duration::from_secs(1)).await;
            running.borrow_mut().remove(&group);
            Ok(())
        });
    let response = consumer.consume(queue.receive(10), after(60)).await;
    assert!(named(&response).is_empty());
    assert_eq!(most.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_being_handled_is_kept_from_coming_again() {
    // The second of the group waits for the first; the other group is done early.
    let queue = filled(&[(1, 250), (1, 1), (2, 1)]);
    let settings = ConsumerSettings {
        message_timeout: Duration::from_secs(800),
        ..ConsumerSettings::default()
    };
    let began = Instant::now();
    let response = slow(&queue, QueueKind::Fifo)
        .with_settings(settings)
        .consume(queue.receive(10), after(900))
        .await;
    assert!(named(&response).is_empty());
    let hidden = queue.hidden();
    for minute in 1..=4_u64 {
        let at = began + Duration::from_secs(60 * minute);
        let receipts: Vec<&str> = hidden
            .iter()
            .filter(|hidden| hidden.2 == at)
            .map(|hidden| hidden.0.as_str())
            .collect();
        assert_eq!(receipts, ["r-m1", "r-m2"], "after {minute} minutes");
    }
    assert_eq!(hidden.len(), 8, "nothing is hidden once all is done");
    assert!(hidden.iter().all(|hidden| hidden.1 > settings.heartbeat));
}
