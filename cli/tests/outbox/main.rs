//! `souk outbox` as it is built, on a real Postgres, into a queue that speaks the SQS API.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests"
)]

#[path = "../dlq/cloud.rs"]
mod cloud;

use cloud::{Cloud, Fate, Told};
use serde_json::Value;
use souk_app::{OutgoingEvent, PublishError, RelaySettings, relay_outbox};
use souk_domain::TenantId;
use souk_testkit::{MemoryQueue, TestDatabase};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

const TYPES: [&str; 2] = ["order.placed.v1", "order.confirmed.v1"];
const TENANTS: [u128; 2] = [1, 2];

/// An outbox with events of two tenants, and a queue.
struct Shop {
    db: TestDatabase,
    cloud: Cloud,
}

impl Shop {
    async fn open() -> Self {
        Self {
            db: TestDatabase::create().await,
            cloud: Cloud::fifo().await,
        }
    }

    /// `each` events of `orders` orders, those of an order far apart; the first is placed, others are
    /// confirmed. Orders with odd numbers are of the second tenant.
    async fn write(&self, orders: u32, each: u32) {
        let sql = format!(
            "INSERT INTO souk.outbox_events \
                 (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
             SELECT e.event, lpad((1 + o % 2)::text, 32, '0')::uuid, o % 64, a.id, s, t.name, \
                 json_build_object('id', 'evt_' || replace(e.event::text, '-', ''), 'type', t.name, \
                     'subject', 'ord_' || replace(a.id::text, '-', ''), 'order', o, 'number', s)::text, \
                 now() \
             FROM generate_series(1, {each}) s CROSS JOIN generate_series(0, {orders} - 1) o \
             CROSS JOIN LATERAL (SELECT lpad(to_hex(1000 + o), 32, '0')::uuid AS id) a \
             CROSS JOIN LATERAL (SELECT lpad(to_hex((o + 1) * 1000 + s), 32, '0')::uuid AS event) e \
             CROSS JOIN LATERAL (SELECT CASE s WHEN 1 THEN '{}' ELSE '{}' END AS name) t \
             ORDER BY s, o",
            TYPES[0], TYPES[1],
        );
        self.db.execute(&sql).await;
    }

    /// Relays until nothing moves any more. Events of other transactions of this server may hold the
    /// cursors back for a while.
    async fn relay(&self, queue: &MemoryQueue) {
        let settings = RelaySettings {
            holder: Uuid::now_v7().to_string(),
            tries_max: 1,
            ..RelaySettings::default()
        };
        loop {
            let stop_at = Instant::now() + Duration::from_secs(60);
            let db = self.db.relay();
            let run = relay_outbox(&db, queue, &settings, stop_at);
            Box::pin(run).await.unwrap();
            let unsettled =
                "SELECT count(*) FROM souk.outbox_lanes WHERE low_position < high_position";
            if self.db.number(unsettled).await == 0 {
                return;
            }
        }
    }

    async fn souk(&self, arguments: &[&str]) -> Told {
        self.start(arguments, |_, _| Fate::Answer).await.end().await
    }

    async fn start(
        &self,
        arguments: &[&str],
        fates: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> cloud::Run {
        let all: Vec<&str> = ["outbox"].iter().chain(arguments).copied().collect();
        let url = self.db.url_by_role("souk_relay");
        let queues = serde_json::json!({
            "read_models": self.cloud.source,
            "order_process": self.cloud.source,
            "webhooks": self.cloud.source,
        });
        let environment = [
            ("SOUK_RELAY_DATABASE_URL", url),
            ("SOUK_EVENT_QUEUES", queues.to_string()),
        ];
        self.cloud.start(&all, &environment, fates).await
    }

    /// Orders with the numbers of their events, as they came; each event once, or it fails.
    async fn arrived(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut arrived: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for message in self.cloud.messages_in(&self.cloud.source).await {
            let body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let numbers = arrived.entry(body["order"].as_u64().unwrap()).or_default();
            numbers.push(body["number"].as_u64().unwrap());
        }
        arrived
    }

    async fn status(&self) -> Value {
        let told = self.souk(&["status", "--json"]).await;
        assert!(told.ok, "{told:?}");
        serde_json::from_str(told.out.trim()).unwrap()
    }

    async fn quarantine(&self) -> Vec<Value> {
        let told = self.souk(&["quarantine", "list"]).await;
        assert!(told.ok, "{told:?}");
        told.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn tenant(number: usize) -> String {
    TenantId::from_uuid(Uuid::from_u128(TENANTS[number])).to_string()
}

fn all_of(orders: u64, each: u64) -> BTreeMap<u64, Vec<u64>> {
    (0..orders)
        .map(|order| (order, (1..=each).collect()))
        .collect()
}

/// Refuses what `order` says second.
fn refusing(order: u64) -> impl Fn(&OutgoingEvent, u32) -> Result<(), PublishError> {
    move |event, _| {
        let body: Value = serde_json::from_str(&event.body).unwrap();
        if (body["order"].as_u64(), body["number"].as_u64()) == (Some(order), Some(2)) {
            return Err(PublishError::refused("it is too long"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_replay_sends_each_event_once_and_in_order_wherever_it_is_killed() {
    for (fate, number) in [
        (Fate::Halt, 3),
        (Fate::HaltAfter, 40),
        (Fate::HaltAfter, 75),
    ] {
        let shop = Shop::open().await;
        shop.write(12, 40).await;
        shop.relay(&MemoryQueue::reliable()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("checkpoint");
        let replay = [
            "replay",
            "read_models",
            "--name",
            "again",
            "--checkpoint",
            file.to_str().unwrap(),
        ];
        let halt = fate.clone();
        let run = shop
            .start(&replay, move |operation, count| match (operation, count) {
                ("SendMessageBatch", count) if count == number => halt.clone(),
                ("SendMessageBatch", count) if count % 7 == 1 => Fate::RefuseEntries(vec![0, 2]),
                _ => Fate::Answer,
            })
            .await;
        run.kill_when_halted().await.expect("the request was made");
        let told = shop.souk(&replay).await;
        assert!(told.ok, "{told:?}");
        assert!(!file.exists());
        assert_eq!(shop.arrived().await, all_of(12, 40), "{fate:?} {number}");
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_replay_is_not_gone_on_from() {
    let shop = Shop::open().await;
    shop.write(12, 40).await;
    shop.relay(&MemoryQueue::reliable()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    let file = file.to_str().unwrap();
    let first = ["replay", "read_models", "--checkpoint", file];
    let halt = |operation: &str, count| match (operation, count) {
        ("SendMessageBatch", 60) => Fate::Halt,
        _ => Fate::Answer,
    };
    let run = shop.start(&first, halt).await;
    run.kill_when_halted().await.expect("the request was made");
    let told = shop
        .souk(&["replay", "webhooks", "--checkpoint", file])
        .await;
    assert!(
        !told.ok && told.err.contains("of another replay"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_replay_has_ids_of_its_own_by_its_name() {
    let shop = Shop::open().await;
    shop.write(3, 2).await;
    shop.relay(&MemoryQueue::reliable()).await;
    let dry = shop.souk(&["replay", "read_models", "--dry-run"]).await;
    assert!(
        dry.ok && dry.out.contains("6 events would be sent again"),
        "{dry:?}"
    );
    assert_eq!(shop.arrived().await, BTreeMap::new());
    for (name, wanted) in [
        ("a", all_of(3, 2)),
        ("a", BTreeMap::new()),
        ("b", all_of(3, 2)),
    ] {
        let told = shop.souk(&["replay", "read_models", "--name", name]).await;
        assert!(told.ok, "{told:?}");
        assert_eq!(shop.arrived().await, wanted, "{name}");
    }
    // What was not published yet is the relay's.
    shop.db
        .execute("UPDATE souk.outbox_lanes SET low_position = 0, high_position = 0")
        .await;
    let told = shop.souk(&["replay", "read_models"]).await;
    assert!(told.ok && told.out.starts_with("0 events"), "{told:?}");
}

#[tokio::test]
async fn filters_name_tenants_types_and_times() {
    let shop = Shop::open().await;
    shop.write(4, 3).await;
    shop.relay(&MemoryQueue::reliable()).await;
    let count = async |filter: &[&str]| {
        let arguments: Vec<&str> = ["replay", "read_models", "--dry-run"]
            .iter()
            .chain(filter)
            .copied()
            .collect();
        let told = shop.souk(&arguments).await;
        assert!(told.ok, "{told:?}");
        told.out.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let second = tenant(1);
    assert_eq!(count(&[]).await, 12);
    assert_eq!(count(&["--tenant", &second]).await, 6);
    assert_eq!(count(&["--type", TYPES[0]]).await, 4);
    assert_eq!(count(&["--type", TYPES[0], "--type", TYPES[1]]).await, 12);
    assert_eq!(count(&["--type", TYPES[1], "--tenant", &second]).await, 4);
    assert_eq!(count(&["--until", "2026-01-01T00:00:00Z"]).await, 0);
    assert_eq!(count(&["--since", "2026-01-01T00:00:00Z"]).await, 12);
    assert_eq!(count(&["--type", "dispute.opened.v1"]).await, 0);
}

#[tokio::test]
async fn what_is_released_goes_on_in_order_and_what_is_dropped_is_passed() {
    for verb in ["release", "drop"] {
        let shop = Shop::open().await;
        shop.write(3, 4).await;
        let queue = MemoryQueue::new(refusing(1));
        shop.relay(&queue).await;
        assert_eq!(queue.taken().len(), 4 + 1 + 4);
        let found = shop.quarantine().await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["error"], "it is too long");
        assert_eq!(found[0]["waiting_behind_it"], 2);
        assert_eq!(found[0]["tenant_id"], tenant(1).as_str());
        let event = found[0]["event_id"].as_str().unwrap();

        let others = tenant(0);
        for spared in [
            vec![verb, "--dry-run"],
            vec![verb, "--tenant", &others, "--yes"],
            vec![verb, "--type", TYPES[0], "--yes"],
            vec!["drop"],
        ] {
            let spared: Vec<&str> = spared
                .into_iter()
                .filter(|word| !(verb == "release" && *word == "--yes"))
                .collect();
            let all: Vec<&str> = ["quarantine"].into_iter().chain(spared).collect();
            shop.souk(&all).await;
            assert_eq!(shop.quarantine().await, found, "{all:?}");
        }
        let mut chosen = vec!["quarantine", verb, "--event", event, "--rate", "100"];
        chosen.extend((verb == "drop").then_some("--yes"));
        let told = shop.souk(&chosen).await;
        assert!(told.ok && told.out.starts_with("1 "), "{told:?}");
        assert_eq!(shop.quarantine().await, [Value::Null; 0]);

        let rest = MemoryQueue::reliable();
        shop.relay(&rest).await;
        let numbers: Vec<u64> = rest
            .taken()
            .iter()
            .map(|event| {
                serde_json::from_str::<Value>(&event.body).unwrap()["number"]
                    .as_u64()
                    .unwrap()
            })
            .collect();
        let wanted: &[u64] = if verb == "release" {
            &[2, 3, 4]
        } else {
            &[3, 4]
        };
        assert_eq!(numbers, wanted);
        // Again: there is nothing more to do.
        let told = shop.souk(&chosen).await;
        assert!(told.ok && told.out.starts_with("0 "), "{told:?}");
    }
}

#[tokio::test]
async fn status_tells_what_waits_what_is_held_and_who_is_at_it() {
    let shop = Shop::open().await;
    let empty = shop.status().await;
    assert_eq!(
        (&empty["backlog"], &empty["oldest_unsent_age_ms"]),
        (&0.into(), &Value::Null)
    );
    shop.write(3, 4).await;
    let before = shop.status().await;
    assert_eq!(before["backlog"], 12);
    assert!(before["oldest_unsent_age_ms"].is_u64());
    shop.db
        .execute(
            "UPDATE souk.outbox_lanes SET holder = 'relay-7', \
                 lease_expires_at = clock_timestamp() + interval '1 hour' WHERE lane IN (0, 1)",
        )
        .await;
    let leased = shop.status().await;
    assert_eq!(leased["lanes_leased"]["relay-7"], serde_json::json!([0, 1]));
    let told = shop.souk(&["status"]).await;
    assert!(told.out.contains("relay-7: 2 lanes: 0 1"), "{told:?}");
    shop.db
        .execute("UPDATE souk.outbox_lanes SET holder = '', lease_expires_at = '-infinity'")
        .await;
    shop.relay(&MemoryQueue::new(refusing(1))).await;
    let after = shop.status().await;
    assert_eq!(
        (&after["quarantined"], &after["held"]),
        (&1.into(), &2.into())
    );
    let names: BTreeSet<&String> = after.as_object().unwrap().keys().collect();
    assert!(names.contains(&"horizon_age_ms".to_owned()));
}
