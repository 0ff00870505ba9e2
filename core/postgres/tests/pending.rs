//! What a database lacks is told, and nothing is applied.

#![allow(clippy::unwrap_used, reason = "tests")]

use souk_testkit::TestDatabase;

#[tokio::test]
async fn a_database_that_has_all_lacks_nothing_and_a_migration_that_is_forgotten_is_lacking() {
    let db = TestDatabase::create().await;
    let owner = db.superuser();
    assert_eq!(owner.pending().await.unwrap(), []);
    db.execute(
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .await;
    let pending = owner.pending().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        owner.pending().await.unwrap(),
        pending,
        "looking applies nothing"
    );
}
