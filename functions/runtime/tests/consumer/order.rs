//! Order within a group, and one effect of each event, whatever fails and however often it comes.

use crate::memory::{MemorySource, named};
use crate::shop::{Shop, in_an_hour};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use souk_domain::{Event, EventId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn one_failure_in_a_group_of_ten_keeps_the_later_ones_back() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let (order, other) = (shop.order(), shop.order());
    let events: Vec<Event> = (1..=9)
        .map(|sequence| shop.event(order, sequence))
        .collect();
    shop.send(&queue, &events);
    shop.send(&queue, &[shop.event(other, 1)]);
    let broken = RefCell::new(true);
    let consumer = shop.consumer(&queue, |event| event.sequence == 4 && *broken.borrow());

    let batch = queue.receive(10);
    let response = consumer.consume(batch.clone(), in_an_hour()).await;
    assert_eq!(named(&response), ["m4", "m5", "m6", "m7", "m8", "m9"]);
    let effects = shop.effects().await;
    assert_eq!(effects[&order.to_string()], [1, 2, 3]);
    assert_eq!(effects[&other.to_string()], [1], "another group waited");
    queue.settle(&batch, &response);

    broken.replace(false);
    let batch = queue.receive(10);
    let response = consumer.consume(batch.clone(), in_an_hour()).await;
    assert!(named(&response).is_empty());
    assert_eq!(
        shop.effects().await[&order.to_string()],
        [1, 2, 3, 4, 5, 6, 7, 8, 9]
    );
}

#[tokio::test]
async fn messages_that_come_twice_have_one_effect_also_when_the_answer_is_lost() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    let events: Vec<Event> = (1..=4)
        .map(|sequence| shop.event(order, sequence))
        .collect();
    shop.send(&queue, &events);
    shop.send(&queue, &events[2..]);
    let consumer = shop.consumer(&queue, |_| false);
    // The first answer never arrives: all of it comes again.
    for _ in 0..2 {
        let batch = queue.receive(10);
        assert_eq!(batch.records.len(), 6);
        let response = consumer.consume(batch, in_an_hour()).await;
        assert!(named(&response).is_empty());
    }
    assert_eq!(shop.effects().await[&order.to_string()], [1, 2, 3, 4]);
    let noted = shop
        .db
        .number("SELECT count(*) FROM souk.inbox_messages")
        .await;
    assert_eq!(noted, 4);
}

/// By group, which messages fail and how often; how many come at once; which answers are lost.
type Case = (Vec<Vec<u32>>, usize, Vec<bool>);

fn cases() -> impl Strategy<Value = Case> {
    let message = prop_oneof![5 => Just(0_u32), 1 => 1_u32..3];
    (
        prop::collection::vec(prop::collection::vec(message, 1..6), 1..5),
        1_usize..=10,
        prop::collection::vec(any::<bool>(), 0..3),
    )
}

#[test]
fn whatever_fails_a_group_is_applied_in_order_and_each_event_once() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let shop = runtime.block_on(Shop::open());
    TestRunner::new(config)
        .run(&cases(), |case| {
            runtime.block_on(converges(&shop, case));
            Ok(())
        })
        .unwrap();
}

async fn converges(shop: &Shop, (groups, batch_max, lost): Case) {
    let queue = MemorySource::default();
    let fails: RefCell<BTreeMap<EventId, u32>> = RefCell::default();
    let mut sent: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut events = Vec::new();
    for group in &groups {
        let order = shop.order();
        for (place, failures) in group.iter().enumerate() {
            let event = shop.event(order, place as u64 + 1);
            fails.borrow_mut().insert(event.id, *failures);
            sent.entry(order.to_string())
                .or_default()
                .push(place as i64 + 1);
            events.push((place, event));
        }
    }
    // Groups lie in the queue side by side.
    events.sort_by_key(|(place, _)| *place);
    let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
    shop.send(&queue, &events);
    let consumer = shop.consumer(&queue, |event| {
        let mut fails = fails.borrow_mut();
        let left = fails.get_mut(&event.id).unwrap();
        let fails_now = *left > 0;
        *left = left.saturating_sub(1);
        fails_now
    });
    let mut rounds = 0_usize;
    while !queue.is_empty() {
        let batch = queue.receive(batch_max);
        let response = consumer.consume(batch.clone(), in_an_hour()).await;
        let failed: BTreeSet<&str> = named(&response).into_iter().collect();
        in_each_group_a_tail_fails(&batch.records, &failed);
        if !lost.get(rounds).copied().unwrap_or_default() {
            queue.settle(&batch, &response);
        }
        rounds += 1;
        assert!(rounds < 200, "it does not converge");
        let effects = shop.effects().await;
        for (order, sequences) in &sent {
            let applied = effects.get(order).map(Vec::as_slice).unwrap_or_default();
            assert!(
                sequences.starts_with(applied),
                "{applied:?} of {sequences:?}"
            );
        }
    }
    let effects = shop.effects().await;
    for (order, sequences) in &sent {
        assert_eq!(&effects[order], sequences);
    }
}

fn in_each_group_a_tail_fails(
    messages: &[aws_lambda_events::sqs::SqsMessage],
    failed: &BTreeSet<&str>,
) {
    let mut stopped = BTreeSet::new();
    for message in messages {
        let group = &message.attributes["MessageGroupId"];
        if failed.contains(message.message_id.as_deref().unwrap()) {
            stopped.insert(group);
        } else {
            assert!(!stopped.contains(group), "one was taken after a failure");
        }
    }
}
