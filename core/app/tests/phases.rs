//! The state machine of idempotency records, under a model: several clients send one command in
//! phases with one key, and between any two of their steps a process may die, hang while its lease
//! ends, or come back from the dead. Whatever happens: each phase has its effect once, each call to
//! the other system as well, everybody who gets an answer gets the same one, there is an answer in the
//! end, and one that was overtaken changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::{Deserialize, Serialize};
use souk_app::phases::{Attempt, Begin, Opening, begin_attempt, open_attempt};
use souk_app::{Answer, AppError, Caller, Once, StoredResponse, Tools, look_up_key};
use souk_domain::{
    Event, EventData, EventId, IdempotencyKey, OrderCancelledV1, OrderId, RequestFingerprint,
};
use souk_postgres::{TenantTx, outbox};
use souk_testkit::{Probe, TestDatabase, TestTenant};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// Longer than any case takes: leases end only when the schedule says so.
const LEASE: Duration = Duration::from_secs(600);
const CLIENTS: usize = 3;
const POINTS: [&str; 2] = ["prepared", "called"];

/// What a recovery point keeps: the name under which the other system knows the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    operation_id: EventId,
}

/// The other system: has each effect once a key, however often it is called.
#[derive(Debug, Default)]
struct OtherSystem {
    calls: u64,
    effects: BTreeSet<(EventId, u64)>,
}

/// What happens next in a schedule.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// The client does its next step; one that has ended sends its request again.
    Step(usize),
    /// The client's process dies.
    Crash(usize),
    /// Time passes: the lease ends.
    LeaseEnds,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        10 => (0..CLIENTS).prop_map(Happening::Step),
        2 => (0..CLIENTS).prop_map(Happening::Crash),
        2 => Just(Happening::LeaseEnds),
    ];
    prop::collection::vec(one, 0..60)
}

/// Where a client is between two steps.
#[derive(Debug, Default)]
enum Client {
    #[default]
    Idle,
    /// Has the key; no transaction is open.
    Ready(Attempt),
    /// Has written the effect of the phase and not committed.
    Writing(Attempt, TenantTx, Kept),
    /// Has committed a phase, and is to call the other system.
    Calling(Attempt),
}

struct World {
    db: TestDatabase,
    probe: Probe,
    tenant: TestTenant,
    caller: Caller,
    once: Once,
    other: OtherSystem,
    /// The order that effects are written about: one event each, of which phase its sequence tells.
    subject: OrderId,
    tried: u64,
    answers: Vec<Answer>,
}

impl World {
    async fn begin(db: TestDatabase) -> Self {
        let tenant = TestTenant::create(&db, &[]).await;
        let key = Uuid::now_v7().to_string();
        Self {
            caller: tenant.caller(),
            once: Once {
                key: IdempotencyKey::parse(&key).unwrap(),
                operation: "POST /v1/things",
                fingerprint: RequestFingerprint::new("POST", &key, None).unwrap(),
            },
            subject: OrderId::from_uuid(Uuid::now_v7()),
            other: OtherSystem::default(),
            tried: 0,
            answers: Vec::new(),
            tenant,
            probe: Probe::new(&db.url()),
            db,
        }
    }

    fn tools(&self) -> &Tools {
        &self.tenant.tools
    }

    /// A row that tells the phase, and that is never the same twice: a double would be seen.
    async fn write_effect(&mut self, tx: &mut TenantTx, phase: u64) {
        self.tried += 1;
        let now = self.tools().clock.now();
        let event = Event {
            id: EventId::from_uuid(Uuid::now_v7()),
            tenant_id: self.tenant.id,
            subject: self.subject.into(),
            sequence: phase * 1_000_000 + self.tried,
            time: now,
            correlation_id: self.caller.request_id,
            causation_id: None,
            traceparent: None,
            data: EventData::OrderCancelledV1(OrderCancelledV1 {
                order_id: self.subject,
                reason: None,
                cancelled_at: now,
            }),
        };
        let text = event.to_json_text().unwrap();
        outbox::append(tx, &event, &text).await.unwrap();
    }

    async fn step(&mut self, client: Client) -> Client {
        match client {
            Client::Idle => {
                match begin_attempt(self.tools(), &self.caller, &self.once, LEASE).await {
                    Ok(Begin::GoOn(attempt)) => match attempt.recovery_point() {
                        None => Client::Ready(attempt),
                        Some(_) => Client::Calling(attempt),
                    },
                    Ok(Begin::Replay(answer)) => {
                        assert!(answer.replayed);
                        self.answers.push(answer);
                        Client::Idle
                    }
                    Err(AppError::KeyInFlight { retry_after_s }) => {
                        assert!(retry_after_s >= 1);
                        Client::Idle
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            Client::Ready(attempt) => {
                let phase = phase_after(attempt.recovery_point());
                let kept = match attempt.recovery_point() {
                    None => Kept {
                        operation_id: EventId::from_uuid(Uuid::now_v7()),
                    },
                    Some(_) => attempt.state().unwrap(),
                };
                let mut tx = self.tools().db.begin(self.tenant.id).await.unwrap();
                self.write_effect(&mut tx, phase).await;
                Client::Writing(attempt, tx, kept)
            }
            Client::Writing(attempt, tx, kept) => self.commit(attempt, tx, kept).await,
            Client::Calling(attempt) => {
                let kept: Kept = attempt.state().unwrap();
                let phase = phase_after(attempt.recovery_point());
                self.other.calls += 1;
                self.other.effects.insert((kept.operation_id, phase));
                Client::Ready(attempt)
            }
        }
    }

    async fn commit(&mut self, mut attempt: Attempt, tx: TenantTx, kept: Kept) -> Client {
        let phase = phase_after(attempt.recovery_point());
        let resource = self.subject.to_string();
        if let Some(point) = POINTS.get(usize::try_from(phase).unwrap()) {
            return match attempt.reach(tx, point, &kept, Some(&resource)).await {
                Ok(()) => Client::Calling(attempt),
                Err(AppError::KeyInFlight { .. }) => Client::Idle,
                Err(other) => panic!("{other:?}"),
            };
        }
        let response = StoredResponse {
            status: 201,
            headers: BTreeMap::from([("try".to_owned(), attempt.fencing_token().to_string())]),
            body: kept.operation_id.to_string().into_bytes(),
        };
        match attempt
            .finish(self.tools(), tx, Some(&resource), response)
            .await
        {
            Ok(answer) => {
                assert!(!answer.replayed && answer.consistency.is_some());
                self.answers.push(answer);
            }
            Err(AppError::KeyInFlight { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        Client::Idle
    }

    async fn lease_ends(&self) {
        self.db
            .execute(&format!(
                "UPDATE souk.idempotency_keys \
                 SET lease_expires_at = clock_timestamp() - interval '1 second' \
                 WHERE tenant_id = '{}' AND finished_at IS NULL",
                self.tenant.id.as_uuid()
            ))
            .await;
    }

    /// Effects of each phase that were committed.
    async fn effects(&self) -> Vec<i64> {
        let sql = format!(
            "SELECT coalesce(sum(power(1000, sequence / 1000000)), 0)::bigint \
             FROM souk.outbox_events WHERE aggregate_id = '{}'",
            self.subject.as_uuid()
        );
        let counts = self.probe.number(&sql).await;
        vec![counts % 1_000, counts / 1_000 % 1_000, counts / 1_000_000]
    }
}

/// The phase that follows a recovery point.
fn phase_after(point: Option<&str>) -> u64 {
    match point {
        None => 0,
        Some("prepared") => 1,
        Some("called") => 2,
        Some(other) => panic!("{other}"),
    }
}

async fn play(world: &mut World, schedule: &[Happening]) -> Result<(), TestCaseError> {
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::Idle).collect();
    for happening in schedule {
        match *happening {
            Happening::Step(which) => {
                let client = core::mem::take(&mut clients[which]);
                clients[which] = world.step(client).await;
            }
            Happening::Crash(which) => clients[which] = Client::Idle,
            Happening::LeaseEnds => world.lease_ends().await,
        }
        prop_assert!(
            world.effects().await.iter().all(|effects| *effects <= 1),
            "a phase had its effect twice"
        );
    }

    // One more client, who does not give up. The others hang: they are not dead, only slow.
    let mut persistent = Client::Idle;
    for _ in 0..20 {
        if matches!(persistent, Client::Idle) {
            world.lease_ends().await;
        }
        let answers = world.answers.len();
        persistent = world.step(persistent).await;
        if world.answers.len() > answers {
            break;
        }
    }
    prop_assert!(!world.answers.is_empty(), "there is no answer");
    let once_each = vec![1, 1, 1];
    prop_assert_eq!(world.effects().await, once_each.clone());

    // Now those that were overtaken go on to their end.
    for client in clients {
        let mut client = client;
        for _ in 0..10 {
            client = world.step(client).await;
        }
        prop_assert!(matches!(client, Client::Idle));
    }
    prop_assert_eq!(world.effects().await, once_each);
    prop_assert_eq!(world.other.effects.len(), POINTS.len());
    prop_assert!(world.other.calls >= u64::try_from(POINTS.len()).unwrap());
    let first = world.answers[0].response.clone();
    prop_assert!(world.answers.iter().all(|answer| answer.response == first));
    let firsts = world.answers.iter().filter(|answer| !answer.replayed);
    prop_assert!(firsts.count() <= 1);

    let report = look_up_key(world.tools(), &world.caller, &world.once.key).await;
    let report = report.unwrap();
    prop_assert_eq!(report.response_status, Some(201));
    prop_assert_eq!(report.recovery_point.as_str(), "finished");
    prop_assert_eq!(
        report.first_use.resource_id,
        Some(world.subject.to_string())
    );
    Ok(())
}

#[test]
fn whatever_dies_or_hangs_each_phase_has_its_effect_once_and_there_is_an_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    #[allow(
        clippy::disallowed_methods,
        reason = "the long form is asked for in the environment"
    )]
    let full = std::env::var_os("SOUK_TEST_FULL").is_some();
    let mut runner = TestRunner::new(Config {
        cases: if full { 400 } else { 40 },
        failure_persistence: None,
        ..Config::default()
    });
    let server = runtime.block_on(TestDatabase::create());
    let played = runner.run(&happenings(), |schedule| {
        runtime.block_on(async {
            let mut world = World::begin(server.clone()).await;
            play(&mut world, &schedule).await
        })
    });
    if let Err(failure) = played {
        panic!("{failure}");
    }
}

#[tokio::test]
async fn a_try_that_stops_leaves_its_recovery_point_to_the_next() {
    let mut world = World::begin(TestDatabase::create().await).await;
    let mut client = Client::Idle;
    while !matches!(client, Client::Calling(_)) {
        client = world.step(client).await;
    }
    let Client::Calling(first) = client else {
        unreachable!()
    };
    let in_flight = begin_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
    assert!(
        matches!(in_flight, Err(AppError::KeyInFlight { retry_after_s }) if retry_after_s > 60),
        "{in_flight:?}"
    );
    let report = look_up_key(world.tools(), &world.caller, &world.once.key)
        .await
        .unwrap();
    assert_eq!(report.recovery_point, "prepared");
    assert_eq!(report.response_status, None);

    let kept: Kept = first.state().unwrap();
    first.stop(world.tools(), &world.caller).await;
    let Ok(Begin::GoOn(second)) =
        begin_attempt(world.tools(), &world.caller, &world.once, LEASE).await
    else {
        panic!("the lease was not given back")
    };
    assert_eq!(second.fencing_token(), 2);
    assert_eq!(second.recovery_point(), Some("prepared"));
    assert_eq!(second.state::<Kept>().unwrap(), kept);
}

#[tokio::test]
async fn a_running_key_tells_another_request_at_once_that_it_is_taken() {
    let world = World::begin(TestDatabase::create().await).await;
    let running = begin_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
    assert!(matches!(running, Ok(Begin::GoOn(_))));
    let other = Once {
        fingerprint: RequestFingerprint::new("POST", "other", None).unwrap(),
        ..world.once.clone()
    };
    let refused = begin_attempt(world.tools(), &world.caller, &other, LEASE).await;
    assert!(
        matches!(refused, Err(AppError::KeyReused(_))),
        "{refused:?}"
    );
    // Nor does it take over what the first has left behind.
    world.lease_ends().await;
    let refused = begin_attempt(world.tools(), &world.caller, &other, LEASE).await;
    assert!(
        matches!(refused, Err(AppError::KeyReused(_))),
        "{refused:?}"
    );
    let unknown = IdempotencyKey::parse("never-sent").unwrap();
    let unknown = look_up_key(world.tools(), &world.caller, &unknown).await;
    assert!(matches!(unknown, Err(AppError::KeyUnknown)), "{unknown:?}");
}

#[tokio::test]
async fn a_first_phase_in_the_transaction_of_the_claim_is_there_with_it_or_not_at_all() {
    let mut world = World::begin(TestDatabase::create().await).await;
    let kept = Kept {
        operation_id: EventId::from_uuid(Uuid::now_v7()),
    };
    // Dies before the commit: neither key nor effect is left.
    let opened = open_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
    let Ok(Opening::First(attempt, mut tx)) = opened else {
        panic!("{opened:?}")
    };
    world.write_effect(&mut tx, 0).await;
    tx.rollback().await.unwrap();
    drop(attempt);
    let unknown = look_up_key(world.tools(), &world.caller, &world.once.key).await;
    assert!(matches!(unknown, Err(AppError::KeyUnknown)), "{unknown:?}");
    assert_eq!(world.effects().await, [0, 0, 0]);

    // Two at once: the second waits for the first one's transaction, and is then told to wait.
    let opened = open_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
    let Ok(Opening::First(mut attempt, mut tx)) = opened else {
        panic!("{opened:?}")
    };
    assert_eq!(attempt.fencing_token(), 1);
    world.write_effect(&mut tx, 0).await;
    let (tools, caller, once) = (
        world.tools().clone(),
        world.caller.clone(),
        world.once.clone(),
    );
    let second =
        tokio::spawn(async move { open_attempt(&tools, &caller, &once, LEASE).await.map(drop) });
    tokio::task::yield_now().await;
    attempt.reach(tx, "prepared", &kept, None).await.unwrap();
    let second = second.await.unwrap();
    assert!(
        matches!(second, Err(AppError::KeyInFlight { .. })),
        "{second:?}"
    );
    assert_eq!(world.effects().await, [1, 0, 0]);

    // Whoever takes over is not given a first phase again.
    world.lease_ends().await;
    let third = open_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
    let Ok(Opening::GoOn(third)) = third else {
        panic!("{third:?}")
    };
    assert_eq!(third.recovery_point(), Some("prepared"));
    assert_eq!(third.state::<Kept>().unwrap(), kept);
}

/// One whose lease has ended, but who lives, and gets to the record just before the one that takes over:
/// what it does there is not undone.
#[tokio::test]
async fn who_finishes_or_goes_on_while_another_takes_over_is_not_overtaken() {
    for finishes in [true, false] {
        let world = World::begin(TestDatabase::create().await).await;
        let begun = begin_attempt(world.tools(), &world.caller, &world.once, LEASE).await;
        let Ok(Begin::GoOn(mut first)) = begun else {
            panic!("{begun:?}")
        };
        world.lease_ends().await;
        let held = world
            .db
            .hold("SELECT 1 FROM souk.idempotency_keys FOR UPDATE")
            .await;
        let tools = world.tools().clone();
        let tx = tools.db.begin(world.tenant.id).await.unwrap();
        let response = StoredResponse {
            status: 201,
            headers: BTreeMap::new(),
            body: b"the first one's".to_vec(),
        };
        let goes_on = tokio::spawn(async move {
            if finishes {
                let answer = first.finish(&tools, tx, None, response).await.unwrap();
                return Some(answer.response);
            }
            let kept = Kept {
                operation_id: EventId::from_uuid(Uuid::now_v7()),
            };
            first.reach(tx, "prepared", &kept, None).await.unwrap();
            None
        });
        world.db.until_waiting_for_locks(1).await;
        let (tools, caller, once) = (
            world.tools().clone(),
            world.caller.clone(),
            world.once.clone(),
        );
        let takes_over =
            tokio::spawn(async move { open_attempt(&tools, &caller, &once, LEASE).await });
        world.db.until_waiting_for_locks(2).await;
        held.rollback().await;

        let answered = goes_on.await.unwrap();
        match (takes_over.await.unwrap(), answered) {
            (Ok(Opening::Replay(answer)), Some(response)) => assert_eq!(answer.response, response),
            (Err(AppError::KeyInFlight { .. }), None) => {}
            other => panic!("{other:?}"),
        }
        let known = look_up_key(world.tools(), &world.caller, &world.once.key).await;
        let point = if finishes { "finished" } else { "prepared" };
        assert_eq!(known.unwrap().recovery_point, point);
    }
}
