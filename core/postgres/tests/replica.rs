//! Who reads where: a replica never shows less than what a token stands for, and is never waited for
//! in vain.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use souk_domain::{Currency, Money, Sku, TenantId, Timestamp};
use souk_postgres::{ConsistencyToken, Database, DatabaseError, Shard, TenantTx, admin};
use souk_testkit::{TestDatabase, TestReplica};
use uuid::Uuid;

struct Scene {
    db: TestDatabase,
    replica: TestReplica,
    shard: Shard,
    tenant: TenantId,
}

impl Scene {
    /// A tenant that both servers know.
    async fn set() -> Self {
        let db = TestDatabase::create().await;
        let mut replica = TestReplica::of(&db).await;
        let tenant = TenantId::from_uuid(Uuid::now_v7());
        let mut tx = db.superuser().begin_unplaced(tenant).await.unwrap();
        admin::create_tenant(&mut tx, "Test", Timestamp::UNIX_EPOCH)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        replica.until_caught_up().await;
        let shard =
            Shard::new("a".parse().unwrap(), db.app()).with_replica(replica.by_role("souk_app"));
        Self {
            db,
            replica,
            shard,
            tenant,
        }
    }

    /// Writes a sku and returns the token of that, uncommitted writers being of no concern.
    async fn write(&self, sku: &str) -> ConsistencyToken {
        self.begin_to_write(sku)
            .await
            .commit_for_token()
            .await
            .unwrap()
    }

    async fn begin_to_write(&self, sku: &str) -> TenantTx {
        let owner = self.db.superuser().of_shard("a".parse().unwrap());
        let mut tx = owner.begin(self.tenant).await.unwrap();
        let euro: Currency = "EUR".parse().unwrap();
        let sku: Sku = sku.parse().unwrap();
        admin::create_sku(&mut tx, &sku, "A sku", Money::new(1, euro), 1)
            .await
            .unwrap();
        tx
    }

    /// Begins to read, and says where: `replica` or `primary`.
    async fn served_by(&self, newer_than: Option<&ConsistencyToken>) -> &'static str {
        let tx = self.shard.begin_to_read(self.tenant, newer_than).await;
        let mut tx = tx.unwrap();
        let on_replica = tx.is_on_replica().await.unwrap();
        tx.commit().await.unwrap();
        if on_replica { "replica" } else { "primary" }
    }
}

#[tokio::test]
async fn a_read_goes_to_the_replica_unless_it_has_to_see_what_is_not_there_yet() {
    let mut scene = Scene::set().await;
    assert_eq!(scene.served_by(None).await, "replica");
    let first = scene.write("ONE").await;
    assert_eq!(first.shard().as_str(), "a");
    scene.replica.until_caught_up().await;
    assert_eq!(scene.served_by(Some(&first)).await, "replica");

    scene.replica.pause().await;
    let second = scene.write("TWO").await;
    assert_eq!(scene.served_by(Some(&second)).await, "primary");
    // Again, while nobody waits for it.
    assert_eq!(scene.served_by(Some(&second)).await, "primary");
    assert_eq!(scene.served_by(Some(&first)).await, "replica");
    assert_eq!(scene.served_by(None).await, "replica");

    scene.replica.resume().await;
    scene.replica.until_caught_up().await;
    assert_eq!(scene.served_by(Some(&second)).await, "replica");
}

/// The position of a token lies before its commit: a replica that has come that far need not have it.
#[tokio::test]
async fn a_position_that_is_reached_does_not_stand_for_a_commit_that_is_not() {
    let mut scene = Scene::set().await;
    let mut open = scene.begin_to_write("OPEN").await;
    let token = open.token_so_far().await.unwrap();
    // Carries the log, with all of the open transaction so far, to the replica.
    scene.write("ANOTHER").await;
    scene.replica.until_caught_up().await;
    assert_eq!(scene.served_by(Some(&token)).await, "primary");
    open.commit().await.unwrap();
    scene.replica.until_caught_up().await;
    assert_eq!(scene.served_by(Some(&token)).await, "replica");
}

#[tokio::test]
async fn a_token_of_another_shard_means_the_primary() {
    let scene = Scene::set().await;
    let elsewhere: ConsistencyToken = "b:0/0:0".parse().unwrap();
    assert_eq!(scene.served_by(Some(&elsewhere)).await, "primary");
    let here: ConsistencyToken = "a:0/0:0".parse().unwrap();
    assert_eq!(scene.served_by(Some(&here)).await, "replica");
}

#[tokio::test]
async fn a_transaction_that_nobody_has_begun_is_not_waited_out() {
    let scene = Scene::set().await;
    let invented: ConsistencyToken = "a:0/0:99999999999".parse().unwrap();
    assert_eq!(scene.served_by(Some(&invented)).await, "primary");
}

#[tokio::test]
async fn a_tenant_that_the_replica_does_not_know_yet_is_served_by_the_primary() {
    let mut scene = Scene::set().await;
    scene.replica.pause().await;
    let newcomer = TenantId::from_uuid(Uuid::now_v7());
    let mut tx = scene.db.superuser().begin_unplaced(newcomer).await.unwrap();
    admin::create_tenant(&mut tx, "New", Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut read = scene.shard.begin_to_read(newcomer, None).await.unwrap();
    assert!(!read.is_on_replica().await.unwrap());
    scene.replica.resume().await;

    // The primary's word is final.
    let nobody = TenantId::from_uuid(Uuid::now_v7());
    let refused = scene.shard.begin_to_read(nobody, None).await.unwrap_err();
    assert!(
        matches!(refused, DatabaseError::TenantElsewhere),
        "{refused}"
    );
}

#[tokio::test]
async fn without_its_replica_a_shard_reads_from_its_primary() {
    let scene = Scene::set().await;
    // Nothing listens there.
    let nowhere = Database::connect_lazily("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    let primary_as_replica = scene.db.app();
    for broken in [nowhere, primary_as_replica] {
        let shard = Shard::new("a".parse().unwrap(), scene.db.app()).with_replica(broken);
        for token in [None, Some("a:0/0:0".parse().unwrap())] {
            let mut tx = shard
                .begin_to_read(scene.tenant, token.as_ref())
                .await
                .unwrap();
            assert!(!tx.is_on_replica().await.unwrap());
            tx.commit().await.unwrap();
        }
    }
}
