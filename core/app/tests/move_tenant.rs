//! A tenant is moved to another shard: nothing is lost, doubled or split, whoever dies when.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::large_futures,
    reason = "tests"
)]

use core::ops::ControlFlow;
use core::time::Duration;
use souk_app::payments::{
    CancelPaymentIntent, CreatePaymentIntent, RefundPaymentIntent, cancel_payment_intent,
    create_payment_intent, payment_intents_of_order, refund_payment_intent, verify_ledger,
};
use souk_app::tenants::{
    MovePoint, MoveSettings, NewTenant, TenantError, TenantTools, abort_move, clean_up,
    create_tenant, move_tenant, show_tenant, verify_audit,
};
use souk_app::{
    AppError, Caller, Database, DatabaseError, Once, OrderCommand, RelaySettings, Shard, ShardName,
    Shards, SkuSeed, StoredResponse, Tools, cancel_order, get_order, place_order, relay_outbox,
    seed_tenant,
};
use souk_domain::payment::{CaptureMethod, IntentStatus};
use souk_domain::{IdempotencyKey, Money, OrderId, PaymentIntentId, RequestFingerprint, TenantId};
use souk_testkit::{
    FixedClock, MemoryQueue, RandomIds, ScriptedPsp, TestDatabase, caller, order_request, respond,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::Instant;

const UNITS: i64 = 100_000;

/// Two shards, `a` and `b`, and the directory.
struct World {
    directory: TestDatabase,
    databases: BTreeMap<ShardName, TestDatabase>,
    operator: TenantTools,
    functions: Tools,
}

fn shard(name: &str) -> ShardName {
    name.parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let (directory, a, b) = tokio::join!(
            TestDatabase::create_directory(),
            TestDatabase::create(),
            TestDatabase::create(),
        );
        let databases = BTreeMap::from([(shard("a"), a), (shard("b"), b)]);
        let mut owners = BTreeMap::new();
        for (name, db) in &databases {
            owners.insert(name.clone(), db.owner().await);
        }
        let clock = Arc::new(FixedClock::new());
        let operator = TenantTools {
            directory: directory.directory(),
            shards: owners,
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            operator: "test".to_owned(),
        };
        let shards = databases
            .iter()
            .map(|(name, db)| Shard::new(name.clone(), db.by_role("souk_app", 12)));
        let functions = Tools {
            db: Shards::placed_by(directory.directory_reader(), shards),
            clock,
            ids: Arc::new(RandomIds),
            prices: Arc::default(),
        };
        Self {
            directory,
            databases,
            operator,
            functions,
        }
    }

    fn db(&self, name: &str) -> &TestDatabase {
        &self.databases[&shard(name)]
    }

    /// A tenant on `a` that sells tea.
    async fn tenant(&self) -> TenantId {
        let new = NewTenant {
            id: None,
            name: "Tea".to_owned(),
            hosts: Vec::new(),
            shard: shard("a"),
            region: "local".to_owned(),
        };
        let tenant = create_tenant(&self.operator, new).await.unwrap().id;
        let tea = SkuSeed {
            sku: "TEA".parse().unwrap(),
            title: "Tea".to_owned(),
            unit_price: Money::new(250, "EUR".parse().unwrap()),
            units: u32::try_from(UNITS).unwrap(),
        };
        let now = self.operator.clock.now();
        let db = &self.operator.shards[&shard("a")];
        seed_tenant(db, tenant, "Tea", &[tea], now).await.unwrap();
        tenant
    }

    /// Moves without looking.
    async fn move_to(&self, tenant: TenantId, to: &str) -> Result<(), TenantError> {
        let watch = |_| ControlFlow::Continue(());
        move_tenant(&self.operator, tenant, &shard(to), settings(), &watch)
            .await
            .map(|_| ())
    }

    async fn shard_of(&self, tenant: TenantId) -> ShardName {
        let view = show_tenant(&self.operator, tenant).await.unwrap();
        view.tenant.placement.shard
    }

    async fn count(&self, name: &str, table: &str, tenant: TenantId) -> i64 {
        let id = tenant.as_uuid();
        let sql = format!("SELECT count(*)::text FROM souk.{table} WHERE tenant_id = '{id}'");
        self.db(name).texts(&sql).await[0].parse().unwrap()
    }

    async fn placement(&self, name: &str, tenant: TenantId) -> Vec<String> {
        let id = tenant.as_uuid();
        let sql = format!("SELECT placement FROM souk.tenants WHERE tenant_id = '{id}'");
        self.db(name).texts(&sql).await
    }
}

fn settings() -> MoveSettings {
    MoveSettings {
        rows_to_hold: 50,
        ..MoveSettings::default()
    }
}

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "POST /test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

async fn try_place(tools: &Tools, who: &Caller, key: &str) -> Result<OrderId, AppError> {
    let request = order_request(&[("TEA", 1)]);
    let answer = place_order(tools, who, &once(key), request, respond).await?;
    let body = core::str::from_utf8(&answer.response.body).unwrap();
    Ok(body.parse().expect(body))
}

async fn try_cancel(tools: &Tools, who: &Caller, id: OrderId) -> Result<(), AppError> {
    let key = format!("cancel-{id}");
    let command = OrderCommand::on(id, once(&key));
    cancel_order(tools, who, &command, None, respond)
        .await
        .map(|_| ())
}

/// What a client answers by trying again with the same key: 409 and 503.
fn is_passing(error: &AppError) -> bool {
    matches!(
        error,
        AppError::KeyInFlight { .. }
            | AppError::PricesChanging
            | AppError::Database(
                DatabaseError::WritesHeld
                    | DatabaseError::TenantElsewhere
                    | DatabaseError::Contended(_)
                    | DatabaseError::Unavailable(_)
            )
    )
}

/// Tries until there is an answer. Returns how often there was none because of the move, too.
async fn until_answered<T, F: Future<Output = Result<T, AppError>>>(
    attempt: impl Fn() -> F,
) -> (T, u32) {
    let mut held = 0;
    loop {
        match attempt().await {
            Ok(answer) => return (answer, held),
            Err(error) if is_passing(&error) => {
                held += u32::from(matches!(
                    error,
                    AppError::Database(DatabaseError::WritesHeld)
                ));
                // As Retry-After would have it, but sooner.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What the clients of a tenant were told.
#[derive(Debug, Default)]
struct Told {
    placed: BTreeMap<String, OrderId>,
    cancelled: BTreeSet<OrderId>,
    held: u32,
}

/// Places, cancels and reads, each request sent twice at once, until told to stop.
async fn client(tools: Tools, tenant: TenantId, name: u32, stop: Arc<AtomicBool>) -> Told {
    let who = caller(tenant);
    let mut told = Told::default();
    let mut n = 0_u32;
    while !stop.load(Ordering::SeqCst) {
        n += 1;
        let key = format!("{name}-{n}");
        let place = || try_place(&tools, &who, &key);
        let ((id, held), (same, _)) = tokio::join!(until_answered(place), until_answered(place));
        assert_eq!(id, same, "a key stands for two orders");
        told.held += held;
        told.placed.insert(key, id);
        if n.is_multiple_of(2) {
            until_answered(|| try_cancel(&tools, &who, id)).await;
            told.cancelled.insert(id);
        }
        let (order, _) = until_answered(|| get_order(&tools, &who, id)).await;
        assert_eq!(order.id(), id);
    }
    told
}

/// Publishes what both shards have, until told to stop.
async fn publish(world: &World, queue: &MemoryQueue, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        publish_once(world, queue).await;
        tokio::task::yield_now().await;
    }
}

async fn publish_once(world: &World, queue: &MemoryQueue) {
    for db in world.databases.values() {
        let settings = RelaySettings {
            holder: "test".to_owned(),
            ..RelaySettings::default()
        };
        let stop_at = Instant::now() + Duration::from_secs(60);
        relay_outbox(&db.relay(), queue, &settings, stop_at)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_moved_under_load() {
    let world = World::new().await;
    let (moved, other, quiet) = (
        world.tenant().await,
        world.tenant().await,
        world.tenant().await,
    );
    let quiet_order = try_place(&world.functions, &caller(quiet), "q")
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for name in 0..4 {
        let (tools, stop) = (world.functions.clone(), stop.clone());
        let tenant = if name < 3 { moved } else { other };
        clients.spawn(async move { (tenant, client(tools, tenant, name, stop).await) });
    }
    let queue = MemoryQueue::reliable();
    let moving = async {
        // There, back, and there again, with all that it leaves behind.
        for to in ["b", "a", "b"] {
            until_some_orders(&world, moved).await;
            world.move_to(moved, to).await.unwrap();
            assert_eq!(world.shard_of(moved).await, shard(to));
        }
        until_some_orders(&world, moved).await;
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(moving, publish(&world, &queue, &stop));
    let mut told: BTreeMap<TenantId, Told> = BTreeMap::new();
    while let Some(done) = clients.join_next().await {
        let (tenant, one) = done.unwrap();
        let all = told.entry(tenant).or_default();
        all.placed.extend(one.placed);
        all.cancelled.extend(one.cancelled);
        all.held += one.held;
    }
    publish_once(&world, &queue).await;

    for (tenant, at) in [(moved, "b"), (other, "a")] {
        check_rows(&world, tenant, at, &told[&tenant]).await;
        check_events(&queue, &told[&tenant]);
    }
    assert_eq!(world.placement("a", moved).await, ["moved"]);
    assert_eq!(world.placement("b", moved).await, ["active"]);
    for untouched in [other, quiet] {
        assert!(world.placement("b", untouched).await.is_empty());
    }
    get_order(&world.functions, &caller(quiet), quiet_order)
        .await
        .unwrap();
    verify_audit(&world.operator, None).await.unwrap();
}

async fn until_some_orders(world: &World, tenant: TenantId) {
    let at = world.shard_of(tenant).await;
    let before = world.count(at.as_str(), "orders", tenant).await;
    while world.count(at.as_str(), "orders", tenant).await < before + 20 {
        tokio::task::yield_now().await;
    }
}

/// Everything that clients were told is there, once, and nothing else.
async fn check_rows(world: &World, tenant: TenantId, at: &str, told: &Told) {
    let orders: BTreeSet<OrderId> = told.placed.values().copied().collect();
    assert_eq!(orders.len(), told.placed.len(), "two keys share an order");
    let id = tenant.as_uuid();
    let db = world.db(at);
    let found = db
        .texts(&format!(
            "SELECT 'ord_' || replace(order_id::text, '-', '') FROM souk.orders \
             WHERE tenant_id = '{id}'"
        ))
        .await;
    let found: BTreeSet<OrderId> = found.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(found, orders, "orders were lost or doubled");
    let cancelled = db
        .texts(&format!(
            "SELECT count(*)::text FROM souk.orders \
             WHERE tenant_id = '{id}' AND status = 'cancelled'"
        ))
        .await;
    assert_eq!(cancelled[0], told.cancelled.len().to_string());
    let lines = world.count(at, "order_lines", tenant).await;
    assert_eq!(
        lines,
        i64::try_from(orders.len()).unwrap(),
        "an order was split"
    );
    let stock = db
        .texts(&format!(
            "SELECT sum(available) || ' ' || sum(reserved) FROM souk.stock_levels \
             WHERE tenant_id = '{id}'"
        ))
        .await;
    let reserved = i64::try_from(orders.len() - told.cancelled.len()).unwrap();
    assert_eq!(stock[0], format!("{} {reserved}", UNITS - reserved));
    // A retry long after is answered from the record that has moved along.
    let (key, order) = told.placed.first_key_value().unwrap();
    let again = try_place(&world.functions, &caller(tenant), key).await;
    assert_eq!(again.unwrap(), *order);
    assert_eq!(world.count(at, "orders", tenant).await, lines);
}

/// Every event arrived, and each order's in their order.
fn check_events(queue: &MemoryQueue, told: &Told) {
    let deliveries = queue.first_deliveries();
    for order in told.placed.values() {
        let expected: &[u64] = if told.cancelled.contains(order) {
            &[1, 2]
        } else {
            &[1]
        };
        assert_eq!(deliveries[&order.to_string()], expected, "{order}");
    }
}

/// Stops the mover at the `n`th step.
fn dies_at(n: u32) -> impl Fn(MovePoint) -> ControlFlow<()> + Sync {
    let passed = AtomicU32::new(0);
    move |_| {
        if passed.fetch_add(1, Ordering::SeqCst) == n {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mover_that_dies_after_any_step_is_followed_by_one_that_ends_the_move() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let who = caller(tenant);
    let mut orders = 0;
    let mut deaths = 0;
    for n in 0.. {
        let to = if world.shard_of(tenant).await == shard("a") {
            "b"
        } else {
            "a"
        };
        let from = if to == "a" { "b" } else { "a" };
        let settings = MoveSettings {
            hold_at_most: Duration::from_millis(1_500),
            ..settings()
        };
        let died = move_tenant(&world.operator, tenant, &shard(to), settings, &dies_at(n)).await;
        if died.is_ok() {
            break;
        }
        assert!(
            matches!(died, Err(TenantError::Interrupted)),
            "step {n}: {died:?}"
        );
        deaths += 1;
        // Somebody writes, if it is let in: this must not be lost.
        let key = format!("k{n}");
        let first = try_place(&world.functions, &who, &key).await;
        if let Err(error) = &first {
            assert!(is_passing(error), "step {n}: {error:?}");
        }
        // Dies there again, and is then let go on.
        let again = move_tenant(&world.operator, tenant, &shard(to), settings, &dies_at(n)).await;
        assert!(
            !matches!(again, Err(TenantError::CopyDiffers { .. })),
            "step {n}"
        );
        if again.is_err() {
            world.move_to(tenant, to).await.unwrap();
        }
        assert_eq!(world.shard_of(tenant).await, shard(to), "step {n}");
        assert_eq!(world.placement(to, tenant).await, ["active"], "step {n}");
        assert_eq!(world.placement(from, tenant).await, ["moved"], "step {n}");
        let (id, _) = until_answered(|| try_place(&world.functions, &who, &key)).await;
        if let Ok(first) = first {
            assert_eq!(first, id, "step {n}: what was placed meanwhile is lost");
        }
        orders += 1;
        assert_eq!(world.count(to, "orders", tenant).await, orders, "step {n}");
        assert_eq!(
            world.count(to, "outbox_events", tenant).await,
            orders,
            "step {n}"
        );
    }
    assert!(deaths >= 10, "only {deaths} steps");
    verify_audit(&world.operator, None).await.unwrap();
}

/// A relay does not look into days that are over for it; where these events arrive, theirs are.
#[tokio::test(flavor = "multi_thread")]
async fn old_events_that_wait_still_are_published_where_they_arrive() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let who = caller(tenant);
    for n in 0..3 {
        try_place(&world.functions, &who, &format!("k{n}"))
            .await
            .unwrap();
    }
    let from = world.shard_of(tenant).await;
    let days_ago = "UPDATE souk.outbox_events SET written_on = written_on - 5";
    world.db(from.as_str()).execute(days_ago).await;
    let to = if from == shard("a") { "b" } else { "a" };
    world.move_to(tenant, to).await.unwrap();
    let queue = MemoryQueue::reliable();
    for _ in 0..2 {
        publish_once(&world, &queue).await;
        let published: BTreeSet<_> = queue.taken().iter().map(|one| one.event_id).collect();
        assert_eq!((published.len(), queue.taken().len()), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_can_be_given_up_at_every_step_before_the_switch() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let who = caller(tenant);
    let mut given_up = 0;
    for n in 0.. {
        let died = move_tenant(
            &world.operator,
            tenant,
            &shard("b"),
            settings(),
            &dies_at(n),
        )
        .await;
        assert!(died.is_err());
        match abort_move(&world.operator, tenant).await {
            Ok(()) => {}
            Err(TenantError::NotAbortable) => break,
            Err(error) => panic!("step {n}: {error:?}"),
        }
        given_up += 1;
        assert_eq!(world.shard_of(tenant).await, shard("a"));
        assert_eq!(world.placement("a", tenant).await, ["active"]);
        try_place(&world.functions, &who, &format!("k{n}"))
            .await
            .unwrap();
        assert!(matches!(
            abort_move(&world.operator, tenant).await,
            Err(TenantError::NotAbortable)
        ));
        if n > 0 && !world.placement("b", tenant).await.is_empty() {
            clean_up(&world.operator, tenant, &shard("b"))
                .await
                .unwrap();
            assert_eq!(world.count("b", "orders", tenant).await, 0);
        }
    }
    assert!(given_up >= 7, "only {given_up} steps");
    // It was switched: there is only forward.
    world.move_to(tenant, "b").await.unwrap();
    assert_eq!(world.count("b", "orders", tenant).await, given_up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_differs_is_found_and_writes_go_on() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let who = caller(tenant);
    try_place(&world.functions, &who, "k1").await.unwrap();
    for (table, tamper) in [
        ("orders", "NEW.customer_reference := 'eve'; RETURN NEW;"),
        ("order_lines", "RETURN NULL;"),
        (
            "stock_levels",
            "NEW.available := NEW.available + 1; RETURN NEW;",
        ),
        (
            "idempotency_keys",
            "NEW.response_status := 299; RETURN NEW;",
        ),
        ("outbox_events", "NEW.body := '{}'; RETURN NEW;"),
    ] {
        let b = world.db("b");
        b.execute(&format!(
            "CREATE FUNCTION public.tamper() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN {tamper} END $$; \
             CREATE TRIGGER tamper BEFORE INSERT OR UPDATE ON souk.{table} \
                 FOR EACH ROW EXECUTE FUNCTION public.tamper()"
        ))
        .await;
        let refused = world.move_to(tenant, "b").await;
        assert!(
            matches!(&refused, Err(TenantError::CopyDiffers { tables }) if tables == &[table]),
            "{table}: {refused:?}"
        );
        b.execute(&format!(
            "DROP TRIGGER tamper ON souk.{table}; DROP FUNCTION public.tamper()"
        ))
        .await;
        assert_eq!(world.placement("a", tenant).await, ["active"]);
        try_place(&world.functions, &who, table).await.unwrap();
    }
    world.move_to(tenant, "b").await.unwrap();
    assert_eq!(world.count("b", "orders", tenant).await, 6);
    let removed = clean_up(&world.operator, tenant, &shard("a")).await;
    assert!(removed.unwrap() > 6);
    assert_eq!(world.count("a", "orders", tenant).await, 0);
    assert!(matches!(
        clean_up(&world.operator, tenant, &shard("b")).await,
        Err(TenantError::InUse(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_a_tenant_is_moved_also_one_that_nobody_thought_of() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let who = caller(tenant);
    let id = try_place(&world.functions, &who, "k").await.unwrap();
    try_cancel(&world.functions, &who, id).await.unwrap();
    for db in world.databases.values() {
        db.execute(
            "CREATE TABLE souk.later (tenant_id uuid NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, \
                 name text NOT NULL, odd jsonb, bytes bytea, at timestamptz, n numeric, \
                 twice numeric GENERATED ALWAYS AS (n * 2) STORED, \
                 PRIMARY KEY (number), UNIQUE (tenant_id, name)); \
             CREATE TABLE souk.later_parts (tenant_id uuid NOT NULL, name text NOT NULL, part text NOT NULL, \
                 PRIMARY KEY (tenant_id, name, part), \
                 FOREIGN KEY (tenant_id, name) REFERENCES souk.later (tenant_id, name))",
        )
        .await;
        db.owner().await;
    }
    let text = tenant.as_uuid();
    world.db("a").execute(&format!(
        "INSERT INTO souk.later (tenant_id, name, odd, bytes, at, n) VALUES \
             ('{text}', 'a \"quoted\", (name)\\', '{{\"a\": [1, null, \"\\\\u00fc\"]}}', '\\x00ff', 'infinity', 1.10), \
             ('{text}', '', NULL, '', NULL, 'NaN'); \
         INSERT INTO souk.later_parts VALUES ('{text}', '', 'x'), ('{text}', '', 'y'); \
         INSERT INTO souk.inbox_messages VALUES ('{text}', 'c', '{text}'); \
         INSERT INTO souk.pricing_rules VALUES ('{text}', '{{}}', 1, now())"
    )).await;
    let tables = world
        .db("a")
        .texts(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'souk'::regnamespace \
         AND relkind IN ('r', 'p') AND NOT relispartition \
         AND relname NOT IN ('outbox_lanes', 'outbox_relays', 'outbox_days') ORDER BY 1",
        )
        .await;
    let mut before = BTreeMap::new();
    for table in &tables {
        before.insert(table.clone(), world.count("a", table, tenant).await);
    }
    world.move_to(tenant, "b").await.unwrap();
    for table in &tables {
        assert_eq!(
            world.count("b", table, tenant).await,
            before[table],
            "{table}"
        );
    }
    assert_eq!(before["later_parts"], 2);
    assert!(
        before.values().filter(|rows| **rows > 0).count() >= 11,
        "{before:?}"
    );
    // The source has removed rows meanwhile: they are not left at the target.
    world.move_to(tenant, "a").await.unwrap();
    let rows = world.db("a").texts("SELECT (l.tenant_id, l.name, l.odd, l.bytes, l.at, l.n, l.twice)::text FROM souk.later l ORDER BY name").await;
    assert!(
        rows[0].contains("NaN") && rows[1].contains("infinity") && rows[1].contains("2.20"),
        "{rows:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_the_source_removes_while_it_is_copied_do_not_arrive() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let text = tenant.as_uuid().to_string();
    let source = world.db("a");
    source
        .execute(&format!(
            "INSERT INTO souk.inbox_messages (tenant_id, consumer, event_id) \
             SELECT '{text}', 'c', gen_random_uuid() FROM generate_series(1, 1200)"
        ))
        .await;
    // After the first copy the mover dies; rows go and one comes; the next mover goes on.
    let copied = |point| match point {
        MovePoint::Copied { .. } => ControlFlow::Break(()),
        MovePoint::Claimed
        | MovePoint::SourceTaken
        | MovePoint::Prepared
        | MovePoint::Held
        | MovePoint::ChangesCopied { .. }
        | MovePoint::Verified { .. }
        | MovePoint::Sealed
        | MovePoint::Switched
        | MovePoint::Activated
        | MovePoint::Retired => ControlFlow::Continue(()),
    };
    let died = move_tenant(&world.operator, tenant, &shard("b"), settings(), &copied).await;
    assert!(matches!(died, Err(TenantError::Interrupted)));
    assert_eq!(world.count("b", "inbox_messages", tenant).await, 1_200);
    source
        .execute(&format!(
            "DELETE FROM souk.inbox_messages WHERE event_id IN \
                 (SELECT event_id FROM souk.inbox_messages ORDER BY event_id LIMIT 700); \
             INSERT INTO souk.inbox_messages VALUES ('{text}', 'new', '{text}')"
        ))
        .await;
    world.move_to(tenant, "b").await.unwrap();
    assert_eq!(world.count("b", "inbox_messages", tenant).await, 501);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_movers_at_once_do_not_spoil_the_move() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    for n in 0..5 {
        try_place(&world.functions, &caller(tenant), &format!("k{n}"))
            .await
            .unwrap();
    }
    let mut movers = JoinSet::new();
    for _ in 0..3 {
        let operator = world.operator.clone();
        movers.spawn(async move {
            let watch = |_| ControlFlow::Continue(());
            move_tenant(&operator, tenant, &shard("b"), settings(), &watch).await
        });
    }
    let mut ended = 0;
    while let Some(done) = movers.join_next().await {
        match done.unwrap() {
            Ok(_) => ended += 1,
            Err(TenantError::Relocation(_) | TenantError::AlreadyThere(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    if ended == 0 {
        world.move_to(tenant, "b").await.unwrap();
    }
    assert_eq!(world.placement("b", tenant).await, ["active"]);
    assert_eq!(world.count("b", "orders", tenant).await, 5);
    let open = "SELECT count(*) FROM souk_directory.tenant_moves WHERE finished_at IS NULL";
    assert_eq!(world.directory.number(open).await, 0);
}

/// The shards that are asked to serve the tenant, in order, until one does or all is said.
async fn asked(shards: &Shards, tenant: TenantId) -> (Vec<String>, Result<(), DatabaseError>) {
    let asked = Mutex::new(Vec::new());
    let begin = |db: Database| {
        asked.lock().unwrap().push(db.shard().to_string());
        async move { db.begin(tenant).await?.commit().await }
    };
    let served = shards.at_home(tenant, begin).await;
    (asked.into_inner().unwrap(), served)
}

#[tokio::test]
async fn a_wrong_hint_is_corrected_and_does_not_come_back() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let shards = &world.functions.db;
    shards.hint(tenant, &shard("b"));
    let (tried, served) = asked(shards, tenant).await;
    served.unwrap();
    assert_eq!(tried, ["b", "a"]);
    for hint in ["b", "elsewhere"] {
        shards.hint(tenant, &shard(hint));
        let (tried, served) = asked(shards, tenant).await;
        served.unwrap();
        assert_eq!(tried, ["a"], "after the hint {hint}");
    }
    // Also where it was right once: what has been found out counts.
    world.move_to(tenant, "b").await.unwrap();
    let (tried, served) = asked(shards, tenant).await;
    served.unwrap();
    assert_eq!(tried, ["a", "b"]);
    shards.hint(tenant, &shard("a"));
    assert_eq!(asked(shards, tenant).await.0, ["b"]);
}

#[tokio::test]
async fn with_a_hint_a_tenant_is_served_before_the_directory_has_said_where_it_is() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let nobody_known = TestDatabase::create_directory().await;
    for (hint, tries) in [
        (Some("a"), vec!["a"]),
        (Some("b"), vec!["b"]),
        (Some("elsewhere"), vec![]),
        (None, vec![]),
    ] {
        let all = world.functions.db.all().into_iter().cloned();
        let shards = Shards::placed_by(nobody_known.directory_reader(), all);
        if let Some(hint) = hint {
            shards.hint(tenant, &shard(hint));
        }
        let (tried, served) = asked(&shards, tenant).await;
        assert_eq!(tried, tries, "{hint:?}");
        match served {
            Ok(()) => assert_eq!(hint, Some("a")),
            Err(DatabaseError::TenantElsewhere) => assert_ne!(hint, Some("a")),
            Err(other) => panic!("{hint:?}: {other:?}"),
        }
    }
}

/// Payments there and back: their rows are tied to each other, and the ledger must not be changed.
#[tokio::test]
async fn payments_and_their_books_move_with_their_tenant() {
    let world = World::new().await;
    let tenant = world.tenant().await;
    let (tools, who, psp) = (&world.functions, caller(tenant), ScriptedPsp::default());
    let order = try_place(tools, &who, "order").await.unwrap();
    let told = |text: Result<String, &AppError>| StoredResponse {
        status: 200,
        headers: BTreeMap::new(),
        body: text.unwrap().into_bytes(),
    };
    let pay = async |key: &str, confirm: bool| {
        let command = CreatePaymentIntent {
            once: once(key),
            order,
            capture_method: CaptureMethod::Automatic,
            payment_method: Some("pm_card_visa".parse().unwrap()),
            confirm,
            return_url: None,
        };
        let paid = create_payment_intent(tools, &psp, &who, &command, |i| {
            told(i.map(|i| i.id.to_string()))
        });
        let paid = paid.await.unwrap().response.body;
        let id: PaymentIntentId = core::str::from_utf8(&paid).unwrap().parse().unwrap();
        id
    };
    let first = pay("first", false).await;
    world.move_to(tenant, "b").await.unwrap();
    // What was left on the other shard still says that the first intent is alive.
    let cancel = CancelPaymentIntent {
        once: once("cancel"),
        intent: first,
        reason: None,
    };
    cancel_payment_intent(tools, &psp, &who, &cancel, |i| {
        told(i.map(|i| i.id.to_string()))
    })
    .await
    .unwrap();
    let second = pay("second", true).await;
    let refund = async |key: &str| {
        let command = RefundPaymentIntent {
            once: once(key),
            intent: second,
            amount_minor: Some(100),
            reason: None,
        };
        refund_payment_intent(tools, &psp, &who, &command, |r| {
            told(r.map(|r| r.id.to_string()))
        })
        .await
        .unwrap();
    };
    refund("on-b").await;
    assert_eq!(verify_ledger(tools, tenant, 10).await.unwrap(), []);
    let entries = world.count("b", "ledger_entries", tenant).await;
    world.move_to(tenant, "a").await.unwrap();
    assert_eq!(world.count("a", "ledger_entries", tenant).await, entries);
    refund("on-a").await;
    assert_eq!(verify_ledger(tools, tenant, 10).await.unwrap(), []);
    let intents = payment_intents_of_order(tools, tenant, order)
        .await
        .unwrap();
    let statuses: Vec<IntentStatus> = intents.iter().map(|i| i.status).collect();
    assert_eq!(statuses, [IntentStatus::Canceled, IntentStatus::Succeeded]);
    assert_eq!(intents[1].refunded.amount_minor(), 200);
    clean_up(&world.operator, tenant, &shard("b"))
        .await
        .unwrap();
    assert_eq!(world.count("b", "ledger_entries", tenant).await, 0);
}
