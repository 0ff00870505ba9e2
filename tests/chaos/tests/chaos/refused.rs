//! An SQS that refuses two entries of a request of ten, for what is in them: their aggregates wait, and
//! nobody else does.

use crate::queue::{QueueService, client};
use core::time::Duration;
use souk_app::{RelaySettings, relay_outbox};
use souk_domain::OrderId;
use souk_outbox_relay::SqsPublisher;
use souk_postgres::outbox;
use souk_testkit::{OwnServer, TestDatabase, TestTenant};
use std::collections::BTreeSet;
use tokio::time::Instant;
use uuid::Uuid;

const EVENTS_EACH: u64 = 3;
/// Places among the ten entries of the first request.
const REFUSED: [usize; 2] = [3, 7];

/// Writes three events of each of ten orders, so that the first request has the first event of each.
async fn write(tenant: &TestTenant) -> Vec<OrderId> {
    // Of one lane, whose events are read in the order in which they were written.
    let one_lane = |id: &Uuid| souk_domain::lane_of(*id) == 0;
    let ids = core::iter::repeat_with(Uuid::now_v7).filter(one_lane);
    let orders: Vec<OrderId> = ids.take(10).map(OrderId::from_uuid).collect();
    for sequence in 1..=EVENTS_EACH {
        for order in &orders {
            let event = tenant.order_confirmed(*order, sequence);
            let mut tx = tenant.tools.db.begin(tenant.id).await.unwrap();
            let text = event.to_json_text().unwrap();
            outbox::append(&mut tx, &event, &text).await.unwrap();
            tx.commit().await.unwrap();
        }
    }
    orders
}

/// How many messages of which groups the queue has.
async fn groups(endpoint: &str, queue_url: &str) -> (usize, BTreeSet<String>) {
    let sqs = client(endpoint);
    let (mut count, mut groups) = (0, BTreeSet::new());
    loop {
        let received = sqs
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .message_system_attribute_names(aws_sdk_sqs::types::MessageSystemAttributeName::All)
            .send()
            .await
            .unwrap();
        if received.messages().is_empty() {
            return (count, groups);
        }
        for message in received.messages() {
            let attributes = message.attributes().unwrap();
            let group =
                &attributes[&aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId];
            groups.insert(group.clone());
            count += 1;
            let handle = message.receipt_handle().unwrap();
            let delete = sqs.delete_message().queue_url(queue_url);
            delete.receipt_handle(handle).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn entries_3_and_7_of_10_that_sqs_refuses_hold_back_their_own_aggregates_only() {
    let server = OwnServer::start().await;
    let db = TestDatabase::create_on(&server.url()).await;
    let tenant = TestTenant::create(&db, &[]).await;
    let orders = write(&tenant).await;
    let refused = REFUSED.map(|place| orders[place].as_uuid());
    for order in refused {
        // A control character, which JSON text that we write cannot have, and SQS does not take.
        db.execute(&format!(
            "UPDATE souk.outbox_events SET body = body || chr(1) \
             WHERE aggregate_id = '{order}' AND sequence = 1"
        ))
        .await;
    }
    let queue = QueueService::start().await;
    let queue_url = queue.create_queue().await;
    let publisher = SqsPublisher::new(client(&queue.endpoint()), queue_url.clone());
    let settings = RelaySettings {
        holder: "test".to_owned(),
        ..RelaySettings::default()
    };
    let relay_db = db.relay();
    let stop_at = Instant::now() + Duration::from_secs(60);
    let run = relay_outbox(&relay_db, &publisher, &settings, stop_at);
    let report = Box::pin(run).await.unwrap();
    assert_eq!((report.published, report.failed), (8 * EVENTS_EACH, 2));

    let (count, groups) = groups(&queue.endpoint(), &queue_url).await;
    assert_eq!(count, 24, "messages");
    for (place, order) in orders.iter().enumerate() {
        let waits = REFUSED.contains(&place);
        assert_eq!(groups.contains(&order.to_string()), !waits, "order {place}");
    }
    let held = "SELECT count(*) FROM souk.outbox_held";
    assert_eq!(db.number(held).await, 6, "all events of the two");
    let tried = "SELECT count(*) FROM souk.outbox_held WHERE attempts = 1 AND sequence = 1 \
                 AND last_error LIKE '%InvalidMessageContents%'";
    assert_eq!(db.number(tried).await, 2, "only the first ones were tried");
    server.stop().await;
}
