//! What becomes of messages that fail: they come again later and later, and in the end are given up with a reason.

use crate::memory::{MemorySource, named};
use crate::shop::{Shop, in_an_hour};
use core::time::Duration;
use souk_domain::{Event, kinds};
use souk_runtime::consumer::{
    Consumer, ConsumerSettings, DeadLetterReason, HandlerError, QueueKind,
};

fn few_tries() -> ConsumerSettings {
    ConsumerSettings {
        receives_max: 3,
        ..ConsumerSettings::default()
    }
}

#[tokio::test]
async fn after_its_last_try_a_message_is_given_up_with_its_reason_and_its_group_goes_on() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    let events: Vec<Event> = (1..=3)
        .map(|sequence| shop.event(order, sequence))
        .collect();
    shop.send(&queue, &events);
    let consumer = shop
        .consumer(&queue, |event| event.sequence == 2)
        .with_settings(few_tries());
    for expected in [vec!["m2", "m3"], vec!["m2", "m3"], vec![]] {
        let batch = queue.receive(10);
        let response = consumer.consume(batch.clone(), in_an_hour()).await;
        assert_eq!(named(&response), expected);
        queue.settle(&batch, &response);
    }
    // The third was received as often, and is not given up for it: it was never tried.
    assert_eq!(shop.effects().await[&order.to_string()], [1, 3]);
    let [letter] = queue.letters().try_into().unwrap();
    assert_eq!(letter.reason, DeadLetterReason::Failed);
    assert_eq!((letter.error.as_str(), letter.receives), ("planted", 3));
    assert_eq!(
        (letter.message_id.as_str(), letter.consumer),
        ("m2", "hooks")
    );
    assert_eq!(letter.group, order.to_string());
    assert_eq!(letter.body, events[1].to_json_text().unwrap());
    assert_eq!(letter.first_failed_at.unix_ms(), 1_795_248_000_000);
}

#[tokio::test]
async fn who_waited_behind_a_message_that_is_given_up_is_not_given_up_at_its_first_try() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    shop.send(&queue, &[shop.event(order, 1), shop.event(order, 2)]);
    let tries = std::cell::Cell::new(0);
    let consumer = shop
        .consumer(&queue, |event| {
            tries.set(tries.get() + i32::from(event.sequence == 2));
            event.sequence == 1 || tries.get() == 1
        })
        .with_settings(few_tries());
    for _ in 0..4 {
        let batch = queue.receive(10);
        let response = consumer.consume(batch.clone(), in_an_hour()).await;
        queue.settle(&batch, &response);
    }
    assert_eq!(queue.letters().len(), 1);
    assert_eq!(shop.effects().await[&order.to_string()], [2]);
}

#[tokio::test]
async fn what_cannot_be_given_up_comes_again_and_keeps_its_group_back() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    queue.take_no_letters();
    let order = shop.order();
    shop.send(&queue, &[shop.event(order, 1), shop.event(order, 2)]);
    let consumer = shop
        .consumer(&queue, |event| event.sequence == 1)
        .with_settings(few_tries());
    for _ in 0..4 {
        let batch = queue.receive(10);
        let response = consumer.consume(batch.clone(), in_an_hour()).await;
        assert_eq!(named(&response), ["m1", "m2"]);
        queue.settle(&batch, &response);
    }
    assert!(shop.effects().await.is_empty());
}

#[tokio::test]
async fn what_is_no_event_or_refused_for_good_is_given_up_at_once() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let order = shop.order();
    for garbage in ["", "{", "[1]", r#"{"type":"order.placed.v1"}"#] {
        queue.send("garbage", garbage);
    }
    let broken = shop
        .event(order, 1)
        .to_json_text()
        .unwrap()
        .replace(r#""currency":"EUR""#, r#""currency":5"#);
    queue.send(&order.to_string(), &broken);
    shop.send(&queue, &[shop.event(order, 2)]);
    let consumer = Consumer::new("hooks", QueueKind::Fifo, shop.shards(), &queue)
        .on(kinds::ORDER_CONFIRMED_V1, async |_event, _confirmed| {
            Err(HandlerError::refused("there is no such shelf"))
        });
    let response = consumer.consume(queue.receive(10), in_an_hour()).await;
    assert!(named(&response).is_empty());
    let letters = queue.letters();
    assert_eq!(letters.len(), 6);
    assert!(
        letters
            .iter()
            .all(|letter| letter.reason == DeadLetterReason::Refused)
    );
    assert_eq!(letters[5].error, "there is no such shelf");
}

#[tokio::test]
async fn panics_and_lost_time_are_told_apart_in_the_end() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    shop.send(
        &queue,
        &[shop.event(shop.order(), 2), shop.event(shop.order(), 2)],
    );
    let first = std::cell::Cell::new(true);
    let settings = ConsumerSettings {
        receives_max: 1,
        message_timeout: Duration::from_millis(20),
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new("hooks", QueueKind::Fifo, shop.shards(), &queue)
        .with_settings(settings)
        .on(kinds::ORDER_CONFIRMED_V1, async |_event, _confirmed| {
            assert!(!first.replace(false), "planted panic");
            core::future::pending().await
        });
    let response = consumer.consume(queue.receive(10), in_an_hour()).await;
    assert!(named(&response).is_empty());
    let mut letters = queue.letters();
    letters.sort_by_key(|letter| letter.message_id.clone());
    assert_eq!(letters[0].reason, DeadLetterReason::Panicked);
    assert!(
        letters[0].error.contains("planted panic"),
        "{}",
        letters[0].error
    );
    assert_eq!(letters[1].reason, DeadLetterReason::TimedOut);
}

#[tokio::test]
async fn failures_come_again_later_and_later_and_a_group_together() {
    let shop = Shop::open().await;
    let queue = MemorySource::default();
    let (order, other) = (shop.order(), shop.order());
    shop.send(
        &queue,
        &[
            shop.event(order, 1),
            shop.event(order, 2),
            shop.event(other, 1),
        ],
    );
    let consumer = shop.consumer(&queue, |event| event.subject.order() == Some(order));
    let mut least = Duration::from_secs(7);
    for _ in 0..4 {
        let seen = queue.hidden().len();
        let batch = queue.receive(10);
        let response = consumer.consume(batch.clone(), in_an_hour()).await;
        queue.settle(&batch, &response);
        let hidden = &queue.hidden()[seen..];
        let receipts: Vec<&str> = hidden.iter().map(|hidden| hidden.0.as_str()).collect();
        assert_eq!(receipts, ["r-m1", "r-m2"], "only what failed is hidden");
        assert_eq!(hidden[0].1, hidden[1].1, "a group comes together");
        assert!(hidden[0].1 >= least, "{:?} < {least:?}", hidden[0].1);
        least = least.saturating_mul(2);
    }
}
