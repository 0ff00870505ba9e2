//! Promise 2: no committed event is lost, and events of one aggregate arrive in order.
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
    Database, EventPublisher, Once, OrderCommand, OutgoingEvent, PublishError, RelayReport,
    RelaySettings, ShardName, cancel_order, place_order, relay_outbox, relay_shards,
};
use souk_domain::{IdempotencyKey, OrderId, RequestFingerprint};
use souk_testkit::{MemoryQueue, TestDatabase, TestTenant, UNPUBLISHED, order_request, respond};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Without a wait.
const AT_ONCE: RetryTerms = RetryTerms {
    first: Duration::ZERO,
    most: Duration::ZERO,
};
/// All waits are over.
const WAITED: &str = "UPDATE souk.outbox_lanes SET next_try_at = '-infinity'; \
    UPDATE souk.outbox_held SET next_try_at = '-infinity' WHERE next_try_at IS NOT NULL";
const ATTEMPTS: &str = "SELECT coalesce(sum(attempts), 0)::bigint FROM souk.outbox_held";

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

/// Places `orders` orders and cancels each: two events an aggregate.
async fn write_events(tenant: &TestTenant, orders: u32) -> Vec<OrderId> {
    let caller = tenant.caller();
    join_all((0..orders).map(|n| {
        let caller = caller.clone();
        async move {
            let tools = &tenant.tools;
            let key = uuid(n);
            let placed = place_order(
                tools,
                &caller,
                &once(&format!("p{key}")),
                order_request(&[("TEA", 1)]),
                respond,
            )
            .await
            .unwrap();
            let id: OrderId = core::str::from_utf8(&placed.response.body)
                .unwrap()
                .parse()
                .unwrap();
            cancel_order(
                tools,
                &caller,
                &OrderCommand::on(id, once(&format!("c{key}"))),
                None,
                respond,
            )
            .await
            .unwrap();
            id
        }
    }))
    .await
}

fn uuid(n: u32) -> String {
    format!("{n}-{}", fastrand::u64(..))
}

fn settings() -> RelaySettings {
    RelaySettings {
        holder: "test".to_owned(),
        ..RelaySettings::default()
    }
}

async fn relay<P: EventPublisher>(db: &Database, queue: &P) -> RelayReport {
    let stop_at = Instant::now() + Duration::from_secs(60);
    relay_outbox(db, queue, &settings(), stop_at).await.unwrap()
}

fn assert_in_order(queue: &MemoryQueue, orders: usize) {
    let deliveries = queue.first_deliveries();
    assert_eq!(deliveries.len(), orders, "an aggregate is missing");
    for (group, sequences) in deliveries {
        assert_eq!(sequences, [1, 2], "{group}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_published_in_order_by_any_number_of_relays() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    write_events(&tenant, 100).await;
    let queue = MemoryQueue::reliable();
    let relays: Vec<Database> = (0..5).map(|_| db.by_role("souk_relay", 2)).collect();
    let reports = join_all(relays.iter().map(|relay_db| relay(relay_db, &queue))).await;
    assert_eq!(reports.iter().map(|r| r.published).sum::<u64>(), 200);
    assert_eq!(
        queue.taken().len(),
        200,
        "without a fault nothing is sent twice"
    );
    assert_in_order(&queue, 100);
    assert_eq!(db.number(UNPUBLISHED).await, 0);
    let held = "SELECT count(*) FROM souk.outbox_lanes WHERE lease_expires_at > clock_timestamp()";
    assert_eq!(db.number(held).await, 0, "leases are given back");
}

#[tokio::test]
async fn a_refused_event_holds_back_its_own_aggregate_only() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    let orders = write_events(&tenant, 10).await;
    let refused = [orders[3].to_string(), orders[7].to_string()];
    let verdict = move |event: &OutgoingEvent, arrival: u32| {
        if arrival == 0 && refused.contains(&event.group) {
            return Err(PublishError::refused("refused"));
        }
        Ok(())
    };
    let queue = MemoryQueue::new(verdict);
    let relay_db = db.relay();
    let report = relay(&relay_db, &queue).await;
    assert_eq!((report.published, report.failed), (16, 2));
    assert_eq!(
        db.number(UNPUBLISHED).await,
        4,
        "both events of the two wait"
    );
    assert_eq!(db.number(ATTEMPTS).await, 2);
    assert_eq!(
        relay(&relay_db, &queue).await.published,
        0,
        "it is too early"
    );
    // The second event of an aggregate is refused on its first arrival too.
    db.execute(WAITED).await;
    let report = relay(&relay_db, &queue).await;
    assert_eq!((report.published, report.failed), (2, 2));
    db.execute(WAITED).await;
    assert_eq!(relay(&relay_db, &queue).await.published, 2);
    assert_in_order(&queue, 10);
    assert_eq!(db.number(UNPUBLISHED).await, 0);
}

#[tokio::test]
async fn random_refusals_lose_nothing_and_keep_the_order() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    for seed in 0..8 {
        write_events(&tenant, 15).await;
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        let queue = MemoryQueue::new(move |_, _| {
            if random.lock().unwrap().u8(..) < 100 {
                return Err(PublishError::refused("refused"));
            }
            Ok(())
        });
        let relay_db = db.relay();
        let mut runs = 0;
        let settings = RelaySettings {
            event_retry: AT_ONCE,
            tries_max: 1_000,
            ..settings()
        };
        while db.number(UNPUBLISHED).await > 0 {
            let stop_at = Instant::now() + Duration::from_secs(60);
            relay_outbox(&relay_db, &queue, &settings, stop_at)
                .await
                .unwrap();
            runs += 1;
            assert!(runs < 200, "seed {seed}: the outbox does not empty");
        }
        assert_in_order(&queue, 15);
    }
}

/// An outage of the queue is nobody's fault: it puts no event aside, and ends with nothing lost.
#[tokio::test]
async fn a_queue_that_cannot_be_reached_makes_lanes_wait_and_counts_against_no_event() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    write_events(&tenant, 20).await;
    let relay_db = db.relay();
    let is_up = Arc::new(AtomicBool::new(false));
    let up = is_up.clone();
    let queue = MemoryQueue::new(move |_, _| {
        let down = || PublishError::unavailable("nobody listens");
        up.load(Ordering::SeqCst).then_some(()).ok_or_else(down)
    });
    let report = relay(&relay_db, &queue).await;
    assert_eq!((report.published, report.failed), (0, 0), "{report:?}");
    assert!(report.unreached > 0);
    assert_eq!(db.number("SELECT count(*) FROM souk.outbox_held").await, 0);
    let waiting = "SELECT count(*) FROM souk.outbox_lanes \
        WHERE failures = 1 AND next_try_at > clock_timestamp() AND holder = ''";
    let lanes = db.number(waiting).await;
    assert!(lanes > 0);
    is_up.store(true, Ordering::SeqCst);
    assert_eq!(
        relay(&relay_db, &queue).await.published,
        0,
        "it is too early"
    );
    db.execute(WAITED).await;
    assert_eq!(relay(&relay_db, &queue).await.published, 40);
    assert_in_order(&queue, 20);
    assert_eq!(db.number(UNPUBLISHED).await, 0);
    let failing = "SELECT count(*) FROM souk.outbox_lanes WHERE failures > 0";
    assert_eq!(db.number(failing).await, 0, "it starts from the beginning");
}

#[tokio::test]
async fn what_is_refused_too_often_ends_in_quarantine_and_holds_back_its_aggregate_alone() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    let poisoned = write_events(&tenant, 10).await[4].to_string();
    let queue = MemoryQueue::new(move |event, _| {
        if event.group == poisoned {
            return Err(PublishError::refused("poison"));
        }
        Ok(())
    });
    let settings = RelaySettings {
        event_retry: AT_ONCE,
        tries_max: 5,
        ..settings()
    };
    let (relay_db, stop_at) = (db.relay(), Instant::now() + Duration::from_secs(60));
    let report = relay_outbox(&relay_db, &queue, &settings, stop_at)
        .await
        .unwrap();
    assert_eq!((report.published, report.failed), (18, 5));
    assert_eq!(report.quarantined, 1);
    assert_eq!(db.number(UNPUBLISHED).await, 2, "both of the order");
    let again = relay_outbox(&relay_db, &queue, &settings, stop_at)
        .await
        .unwrap();
    assert_eq!(
        (again.published, again.failed),
        (0, 0),
        "nobody tries it any more"
    );
}

#[tokio::test]
async fn a_run_without_time_leaves_everything_as_it_is() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    write_events(&tenant, 5).await;
    let queue = MemoryQueue::reliable();
    let report = relay_outbox(&db.relay(), &queue, &settings(), Instant::now()).await;
    assert!(report.unwrap().out_of_time);
    assert_eq!(db.number(UNPUBLISHED).await, 10);
    assert_eq!(
        db.number("SELECT count(*) FROM souk.outbox_relays").await,
        0
    );
}

/// A queue that lets something happen between sending and marking.
struct Interrupted<'a, F> {
    queue: &'a MemoryQueue,
    after_send: F,
}

impl<F, Fut> EventPublisher for Interrupted<'_, F>
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = ()> + Send,
{
    async fn publish(&self, batch: &[OutgoingEvent]) -> Vec<Result<(), PublishError>> {
        let outcomes = self.queue.publish(batch).await;
        (self.after_send)().await;
        outcomes
    }
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_is_fenced_off() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    write_events(&tenant, 12).await;
    let queue = MemoryQueue::reliable();
    let (slow_db, fast_db) = (db.relay(), db.relay());
    // While the slow relay sleeps between send and mark, its leases end and another relay takes over
    // and finishes everything.
    let slow = Interrupted {
        queue: &queue,
        after_send: || async {
            db.execute("UPDATE souk.outbox_lanes SET lease_expires_at = '-infinity'")
                .await;
            relay(&fast_db, &queue).await;
        },
    };
    let report = relay(&slow_db, &slow).await;
    assert!(report.lanes_lost > 0, "{report:?}");
    assert_eq!(db.number(UNPUBLISHED).await, 0);
    assert_in_order(&queue, 12);
    assert!(
        queue.taken().len() > 24,
        "the takeover has sent some events again"
    );
}

#[tokio::test]
async fn what_a_dead_relay_has_sent_and_not_marked_is_sent_again() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000)]).await;
    write_events(&tenant, 5).await;
    let queue = MemoryQueue::reliable();
    let relay_db = db.relay();
    let dying = Interrupted {
        queue: &queue,
        after_send: std::future::pending,
    };
    let stop_at = Instant::now() + Duration::from_secs(60);
    let usual = settings();
    let run = relay_outbox(&relay_db, &dying, &usual, stop_at);
    // The run is dropped between send and mark, with its leases held.
    tokio::select! {
        report = run => panic!("the run ended: {report:?}"),
        () = async { while queue.taken().is_empty() { tokio::task::yield_now().await } } => {}
    }
    let patient = RelaySettings {
        holder: "other".to_owned(),
        share_tries_max: 0,
        ..settings()
    };
    let report = relay_outbox(&relay_db, &queue, &patient, stop_at).await;
    assert_eq!(report.unwrap().published, 0, "its leases still hold");
    db.execute("UPDATE souk.outbox_lanes SET lease_expires_at = '-infinity'")
        .await;
    let report = relay(&relay_db, &queue).await;
    assert_eq!(report.published, 10);
    assert!(report.lanes_taken_over > 0, "{report:?}");
    assert_in_order(&queue, 5);
    assert_eq!(queue.taken().len(), 15);
}

/// What one shard has does not wait for another that cannot be reached.
#[tokio::test]
async fn every_shard_is_relayed_also_while_one_is_down() {
    let (first, second) = (TestDatabase::create().await, TestDatabase::create().await);
    let skus = [("TEA", 1_299, 1_000)];
    let mut orders = write_events(&TestTenant::create(&first, &skus).await, 3).await;
    orders.extend(write_events(&TestTenant::create(&second, &skus).await, 2).await);
    let named = |db: Database, name: &str| db.of_shard(name.parse::<ShardName>().unwrap());
    // Nothing listens there.
    let down = Database::connect_lazily("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    let shards = [
        named(down, "a"),
        named(first.relay(), "b"),
        named(second.relay(), "c"),
    ];
    let queue = MemoryQueue::reliable();
    let stop_at = Instant::now() + Duration::from_secs(60);
    let report = relay_shards(&shards, &queue, &settings(), stop_at).await;
    assert_eq!(report.failed.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(report.total.published, 10);
    assert_in_order(&queue, orders.len());
    for db in [first, second] {
        assert_eq!(db.number(UNPUBLISHED).await, 0);
    }
}
