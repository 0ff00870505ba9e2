//! `souk dlq` as it is built, against a queue that speaks the SQS API.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests"
)]

mod cloud;

use cloud::{Cloud, Fate, body};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PLACED: &str = "order.placed.v1";
const CANCELLED: &str = "order.cancelled.v1";

fn answer(_operation: &str, _number: usize) -> Fate {
    Fate::Answer
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long to go on, the environment says"
)]
fn full() -> bool {
    std::env::var_os("SOUK_TEST_FULL").is_some()
}

/// Events `GROUP-NUMBER`, as they were given up: groups in turns.
async fn given_up(cloud: &Cloud, groups: &[&str], each: usize) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for number in 0..each {
        for group in groups {
            let event = format!("{group}-{number}");
            cloud.give_up(&event, PLACED, Some(group)).await;
            all.insert(event);
        }
    }
    all
}

/// Fails unless each group's events come in order, by first delivery.
fn require_order(events: &[String]) {
    let mut first = BTreeSet::new();
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| first.insert((*event).clone())) {
        let (group, number) = event.split_once('-').unwrap();
        let number: usize = number.parse().unwrap();
        let wanted = next.entry(group.to_owned()).or_insert(number);
        assert_eq!(number, *wanted, "{event} in {events:?}");
        *wanted += 1;
    }
}

#[tokio::test]
async fn whatever_is_refused_or_lost_no_message_is_lost_and_groups_keep_their_order() {
    let seeds = if full() { 60_u64 } else { 3 };
    for seed in 0..seeds {
        let cloud = Cloud::fifo().await;
        let all = given_up(&cloud, &["a", "b", "c"], 5).await;
        let mut arrived = Vec::new();
        for attempt in 0..40_u64 {
            let told = cloud
                .souk(&["redrive"], move |operation, number| {
                    let number = u64::try_from(number).unwrap();
                    let mut dice = fastrand::Rng::with_seed(seed * 10_000 + attempt * 100 + number);
                    match operation {
                        "SendMessageBatch" | "DeleteMessageBatch" => match dice.u32(..8) {
                            0 => Fate::RefuseEntries(vec![0]),
                            1 => Fate::RefuseEntries(vec![1, 2]),
                            2 => Fate::LoseAnswer,
                            3 => Fate::Refuse,
                            _ => Fate::Answer,
                        },
                        _ => Fate::Answer,
                    }
                })
                .await;
            arrived.extend(cloud.events_in(&cloud.source).await);
            require_order(&arrived);
            if told.ok {
                break;
            }
        }
        assert_eq!(
            arrived.iter().cloned().collect::<BTreeSet<_>>(),
            all,
            "seed {seed}"
        );
        assert_eq!(
            cloud.events_in(&cloud.letters).await,
            [""; 0],
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn killed_at_any_request_it_has_lost_nothing_and_can_be_repeated() {
    let halts = ["SendMessageBatch", "DeleteMessageBatch"]
        .into_iter()
        .flat_map(|operation| [Fate::Halt, Fate::HaltAfter].map(|fate| (operation, fate)));
    for (operation, fate) in halts {
        for number in [0, 1] {
            let cloud = Cloud::fifo().await;
            let all = given_up(&cloud, &["a", "b"], 4).await;
            let halt = fate.clone();
            let run = cloud
                .start_souk(&["redrive"], move |asked, count| {
                    if (asked, count) == (operation, number) {
                        halt.clone()
                    } else {
                        Fate::Answer
                    }
                })
                .await;
            let receipts = run.kill_when_halted().await.expect("the request was made");
            cloud.show_again(&receipts).await;
            let told = cloud.souk(&["redrive"], answer).await;
            assert!(told.ok, "{told:?}");
            let arrived = cloud.events_in(&cloud.source).await;
            require_order(&arrived);
            // Repeated sends carry the same id, which the queue knows.
            assert_eq!(arrived.len(), all.len(), "{operation} {fate:?} {number}");
            assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), all);
            assert_eq!(cloud.events_in(&cloud.letters).await, [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_message_given_up_at_once_is_not_swallowed_by_the_queue_that_had_it() {
    let cloud = Cloud::fifo().await;
    let send = || {
        let send = cloud.client.send_message().queue_url(&cloud.source);
        let send = send.message_body(body("a-0", PLACED)).message_group_id("a");
        send.message_deduplication_id("a-0").send()
    };
    send().await.unwrap();
    // Twice: also what was redriven once is given up again, and redriven again.
    for _ in 0..2 {
        let receive = cloud.client.receive_message().queue_url(&cloud.source);
        let first = receive.visibility_timeout(0).send().await.unwrap();
        assert_eq!(first.messages().len(), 1);
        let receive = cloud.client.receive_message().queue_url(&cloud.source);
        assert_eq!(receive.send().await.unwrap().messages().len(), 0);
        let told = cloud.souk(&["redrive"], answer).await;
        assert!(told.ok && told.out.contains("1 sent again"), "{told:?}");
    }
    // What the queue has had is still swallowed under its own id.
    send().await.unwrap();
    assert_eq!(cloud.events_in(&cloud.source).await, ["a-0"]);
}

#[tokio::test]
async fn what_was_sent_is_what_was_given_up_without_the_reason() {
    let cloud = Cloud::fifo().await;
    cloud.give_up("a-0", PLACED, Some("a")).await;
    assert!(cloud.souk(&["redrive"], answer).await.ok);
    let messages = cloud.messages_in(&cloud.source).await;
    let [message] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!(message.body().unwrap(), body("a-0", PLACED));
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["type"].string_value(), Some(PLACED));
    assert!(!attributes.contains_key("souk-reason") && attributes.contains_key("souk-redrive"));
}

#[tokio::test]
async fn filters_and_limits_leave_the_rest_and_never_let_a_group_overtake_itself() {
    let cloud = Cloud::fifo().await;
    cloud.give_up("a-0", CANCELLED, Some("a")).await;
    cloud.give_up("a-1", PLACED, Some("a")).await;
    cloud.give_up("b-0", PLACED, Some("b")).await;
    let told = cloud
        .souk(&["redrive", "--type", PLACED, "--dry-run"], answer)
        .await;
    assert!(told.out.contains("1 would be sent again"), "{told:?}");
    assert_eq!(cloud.events_in(&cloud.source).await, [""; 0]);
    let told = cloud.souk(&["redrive", "--type", PLACED], answer).await;
    assert!(
        told.ok && told.out.contains("1 left: not asked for"),
        "{told:?}"
    );
    assert_eq!(cloud.events_in(&cloud.source).await, ["b-0"]);
    let told = cloud
        .souk(&["redrive", "--limit", "1", "--rate", "50"], answer)
        .await;
    assert!(told.ok, "{told:?}");
    assert_eq!(cloud.events_in(&cloud.source).await, ["a-0"]);
    assert_eq!(cloud.events_in(&cloud.letters).await, ["a-1"]);
}

#[tokio::test]
async fn a_list_shows_reasons_and_changes_nothing() {
    let cloud = Cloud::standard().await;
    for number in 0..25 {
        let event_type = if number % 5 == 0 { CANCELLED } else { PLACED };
        cloud
            .give_up(&format!("a-{number}"), event_type, None)
            .await;
    }
    for _ in 0..2 {
        let told = cloud
            .souk(&["list", "--type", CANCELLED, "--bodies"], answer)
            .await;
        let lines: Vec<Value> = told
            .out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 5, "{told:?}");
        for line in lines {
            assert_eq!(line["event_type"], CANCELLED);
            assert_eq!(line["reason"], "the shelf is full");
            assert!(line["body"].as_str().unwrap().contains(CANCELLED));
        }
    }
    assert_eq!(cloud.events_in(&cloud.letters).await.len(), 25);
}

#[tokio::test]
async fn what_is_dropped_is_saved_first_and_only_by_word() {
    let cloud = Cloud::standard().await;
    cloud.give_up("a-0", PLACED, None).await;
    cloud.give_up("a-1", CANCELLED, None).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dropped.jsonl");
    let save = file.to_str().unwrap();
    assert!(!cloud.souk(&["drop"], answer).await.ok);
    let nowhere = folder.path().join("none/dropped.jsonl");
    let told = cloud
        .souk(
            &["drop", "--yes", "--save", nowhere.to_str().unwrap()],
            answer,
        )
        .await;
    assert!(!told.ok && told.err.contains("cannot write"), "{told:?}");
    let drop = ["drop", "--yes", "--type", PLACED, "--save", save];
    let told = cloud.souk(&drop, answer).await;
    assert!(told.ok && told.out.contains("1 deleted"), "{told:?}");
    let saved = std::fs::read_to_string(&file).unwrap();
    assert_eq!(saved.lines().count(), 1);
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["body"].as_str().unwrap(), body("a-0", PLACED));
    assert_eq!(cloud.events_in(&cloud.letters).await, ["a-1"]);
    assert_eq!(cloud.events_in(&cloud.source).await, [""; 0]);
}
