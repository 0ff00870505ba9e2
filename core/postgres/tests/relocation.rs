//! A hold ends by itself, and a mover that was replaced can do nothing more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

use core::time::Duration;
use souk_domain::Timestamp;
use souk_postgres::relocation::{
    Arrival, RelocationError, Site, Snapshot, activate, compare, copy_changes, hold, prepare,
    purge, release, retire, seal, take, tenant_tables,
};
use souk_postgres::{Database, DatabaseError};
use souk_testkit::{TestDatabase, TestTenant};

const LONG: Duration = Duration::from_secs(600);
const SERVED: &[&str] = &["active", "held"];

struct World {
    tenant: TestTenant,
    app: Database,
    source: Database,
    target: Database,

    databases: [TestDatabase; 2],
}

impl World {
    async fn new() -> Self {
        let (a, b) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        let tenant = TestTenant::create(&a, &[("TEA", 250, 10)]).await;
        Self {
            tenant,
            app: a.app(),
            source: a.owner().await,
            target: b.owner().await,
            databases: [a, b],
        }
    }

    fn at_source(&self, token: i64) -> Site<'_> {
        Site {
            db: &self.source,
            tenant: self.tenant.id,
            token,
        }
    }

    fn at_target(&self, token: i64) -> Site<'_> {
        Site {
            db: &self.target,
            ..self.at_source(token)
        }
    }

    async fn write(&self) -> Result<(), DatabaseError> {
        self.app.begin(self.tenant.id).await?.commit().await
    }
}

fn replaced<T: core::fmt::Debug>(outcome: Result<T, RelocationError>) {
    assert!(
        matches!(outcome, Err(RelocationError::Replaced)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_hold_refuses_writes_and_lapses_by_itself_unless_it_is_sealed() {
    let world = World::new().await;
    let site = world.at_source(1);
    take(site, SERVED).await.unwrap();
    world.write().await.unwrap();

    hold(site, LONG).await.unwrap();
    assert!(matches!(
        world.write().await,
        Err(DatabaseError::WritesHeld)
    ));
    let reading = world.app.begin_to_read(world.tenant.id).await.unwrap();
    reading.commit().await.unwrap();
    release(site).await.unwrap();
    world.write().await.unwrap();

    hold(site, Duration::from_millis(1)).await.unwrap();
    while world.write().await.is_err() {}
    // Somebody may have written: it is too late to switch.
    assert!(!seal(site).await.unwrap());
    world.write().await.unwrap();

    hold(site, LONG).await.unwrap();
    assert!(seal(site).await.unwrap());
    assert!(matches!(
        world.write().await,
        Err(DatabaseError::WritesHeld)
    ));
    retire(site).await.unwrap();
    assert!(matches!(
        world.write().await,
        Err(DatabaseError::TenantElsewhere)
    ));
}

#[tokio::test]
async fn a_hold_waits_for_those_who_write_and_lets_nobody_in_behind() {
    let world = World::new().await;
    let site = world.at_source(1);
    take(site, SERVED).await.unwrap();
    let writer = world.app.begin(world.tenant.id).await.unwrap();
    let holding = hold(site, LONG);
    let ending = async {
        let [source, _] = &world.databases;
        source.until_waiting_for_locks(1).await;
        writer.commit().await
    };
    let (held, ended) = tokio::join!(holding, ending);
    held.unwrap();
    ended.unwrap();
    assert!(matches!(
        world.write().await,
        Err(DatabaseError::WritesHeld)
    ));
}

#[tokio::test]
async fn a_mover_that_was_replaced_changes_nothing() {
    let world = World::new().await;
    let tables = tenant_tables(&world.source).await.unwrap();
    let (old, new) = (world.at_source(1), world.at_source(2));
    let (old_there, new_there) = (world.at_target(1), world.at_target(2));
    take(old, SERVED).await.unwrap();
    let place = |site| prepare(site, "Tea", Timestamp::UNIX_EPOCH);
    assert_eq!(place(old_there).await.unwrap(), Arrival::First);
    hold(old, LONG).await.unwrap();

    take(new, SERVED).await.unwrap();
    assert_eq!(place(new_there).await.unwrap(), Arrival::Again);
    replaced(take(old, SERVED).await);
    replaced(place(old_there).await);
    replaced(hold(old, LONG).await);
    replaced(release(old).await);
    assert!(!seal(old).await.unwrap());
    let mut snapshot = Snapshot::of(old).await.unwrap();
    replaced(copy_changes(&mut snapshot, old_there, &tables, None, true).await);
    snapshot.end().await.unwrap();
    replaced(purge(old_there, "incoming", &tables).await);
    replaced(activate(old_there).await);

    // The new one is not held up by what the old one began.
    hold(new, LONG).await.unwrap();
    let mut snapshot = Snapshot::of(new).await.unwrap();
    let copied = copy_changes(&mut snapshot, new_there, &tables, None, true).await;
    assert!(copied.unwrap().rows >= 4);
    let sums = compare(&mut snapshot, new_there, &tables).await.unwrap();
    assert!(sums.iter().all(|(ours, theirs)| ours == theirs), "{sums:?}");
    snapshot.end().await.unwrap();
    assert!(seal(new).await.unwrap());
    activate(new_there).await.unwrap();
    retire(new).await.unwrap();
    replaced(activate(old_there).await);
    replaced(retire(old).await);
}
