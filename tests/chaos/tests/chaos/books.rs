//! What the database knows: who wrote for whom, and what came of the events.

use crate::consumer::Delivery;
use crate::plan::Scale;
use souk_testkit::TestDatabase;
use std::collections::BTreeMap;

/// Notes each change of a lane with who has made it, and each lease that was taken from somebody who had
/// not given it back. A relay's own writes are those of the lane's holder, and nobody else's.
const BOOKS: &str = "
    CREATE SCHEMA chaos;
    GRANT USAGE ON SCHEMA chaos TO PUBLIC;
    CREATE TABLE chaos.takeovers (lane smallint, loser text, winner text);
    CREATE TABLE chaos.trespasses (lane smallint, writer text, holder text, change text);
    GRANT INSERT ON chaos.takeovers, chaos.trespasses TO PUBLIC;

    CREATE FUNCTION chaos.note_lane() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE writer text := current_setting('souk.test_worker', true);
    BEGIN
        IF NEW.fencing_token < OLD.fencing_token
            OR (NEW.fencing_token = OLD.fencing_token AND OLD.holder NOT IN ('', writer)) THEN
            INSERT INTO chaos.trespasses VALUES (OLD.lane, writer, OLD.holder, NEW::text);
        ELSIF NEW.fencing_token > OLD.fencing_token AND OLD.holder NOT IN ('', NEW.holder) THEN
            INSERT INTO chaos.takeovers VALUES (OLD.lane, OLD.holder, NEW.holder);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_lane AFTER UPDATE ON souk.outbox_lanes
        FOR EACH ROW EXECUTE FUNCTION chaos.note_lane();
";

pub(crate) struct Books {
    db: TestDatabase,
}

impl Books {
    pub(crate) async fn open(db: &TestDatabase) -> Self {
        db.execute(BOOKS).await;
        Self { db: db.clone() }
    }

    /// Whether somebody has taken a lane from the worker of that name.
    pub(crate) async fn has_lost_a_lane(&self, name: &str) -> bool {
        let lost = format!("SELECT count(*) FROM chaos.takeovers WHERE loser = '{name}'");
        self.db.try_number(&lost).await.is_some_and(|lost| lost > 0)
    }

    pub(crate) async fn takeovers(&self) -> i64 {
        self.db.number("SELECT count(*) FROM chaos.takeovers").await
    }

    /// Waits until the consumers have applied the last event of every aggregate.
    pub(crate) async fn until_applied(&self, scale: Scale) {
        let applied = "SELECT coalesce(sum(last_sequence), 0)::bigint FROM souk.order_summaries";
        let all = i64::try_from(scale.events()).unwrap();
        crate::until(async || self.db.try_number(applied).await == Some(all)).await;
    }

    pub(crate) async fn assert_effects_exactly_once(&self, scale: Scale) {
        let (orders, each) = (scale.aggregates, scale.events_each);
        let exact = format!(
            "SELECT count(*) FROM souk.order_summaries \
             WHERE events_applied = {each} AND last_sequence = {each}"
        );
        let exact = self.db.try_number(&exact).await;
        assert_eq!(
            exact,
            i64::try_from(orders).ok(),
            "orders with {each} effects"
        );
        let inbox = self
            .db
            .number("SELECT count(*) FROM souk.inbox_messages")
            .await;
        assert_eq!(inbox, i64::try_from(scale.events()).unwrap());
    }

    /// A relay that has lost a lane has changed nothing of it afterwards.
    pub(crate) async fn assert_nobody_wrote_for_another(&self) {
        let trespasses = self
            .db
            .number("SELECT count(*) FROM chaos.trespasses")
            .await;
        assert_eq!(
            trespasses, 0,
            "changes of lanes by those who did not hold them"
        );
    }
}

/// In the order in which the queue has first taken them, each aggregate's events are 1, 2, 3 and so on.
pub(crate) fn assert_first_deliveries_in_order(deliveries: &[Delivery], scale: Scale) {
    let mut first: BTreeMap<&str, BTreeMap<u64, u128>> = BTreeMap::new();
    for delivery in deliveries {
        let of_aggregate = first.entry(&delivery.aggregate).or_default();
        let taken = of_aggregate
            .entry(delivery.sequence)
            .or_insert(delivery.queue_sequence);
        *taken = delivery.queue_sequence.min(*taken);
    }
    assert_eq!(first.len(), scale.aggregates, "an aggregate is missing");
    for (aggregate, events) in first {
        let sequences: Vec<u64> = events.keys().copied().collect();
        let all: Vec<u64> = (1..=u64::try_from(scale.events_each).unwrap()).collect();
        assert_eq!(sequences, all, "{aggregate}: events are missing");
        let taken: Vec<u128> = events.values().copied().collect();
        assert!(
            taken.is_sorted(),
            "{aggregate}: an event overtook another: {taken:?}"
        );
    }
}
