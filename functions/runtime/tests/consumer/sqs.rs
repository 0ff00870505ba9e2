//! What the kit asks of SQS, asked of a server of its API.

use aws_config::{BehaviorVersion, Region};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use core::time::Duration;
use souk_app::{Database, Shards};
use souk_domain::{EventId, Timestamp, kinds};
use souk_runtime::consumer::{
    ATTRIBUTE_CONSUMER, ATTRIBUTE_ERROR, ATTRIBUTE_FIRST_FAILED_AT, ATTRIBUTE_REASON,
    ATTRIBUTE_RECEIVES, ATTRIBUTE_RELEASED, Consumer, ConsumerSettings, DeadLetter,
    DeadLetterReason, QueueKind, ReleasedMessage, SourceQueue, SqsSource,
};
use souk_testkit::QueueServer;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// Longer than any test: what is hidden by it is gone.
const HIDDEN_S: i32 = 3_600;

struct Queues {
    _server: QueueServer,
    client: Client,
    work: String,
    dead: String,
}

impl Queues {
    async fn start() -> Self {
        let server = QueueServer::start();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(server.url())
            .load()
            .await;
        let client = Client::new(&config);
        let work = Self::queue(&client, "work.fifo").await;
        let dead = Self::queue(&client, "dead.fifo").await;
        Self {
            _server: server,
            client,
            work,
            dead,
        }
    }

    async fn queue(client: &Client, name: &str) -> String {
        let made = client
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::VisibilityTimeout, HIDDEN_S.to_string())
            .send()
            .await;
        made.unwrap().queue_url.unwrap()
    }

    fn source(&self) -> SqsSource {
        let (work, dead) = (self.work.clone(), self.dead.clone());
        SqsSource::new(self.client.clone(), Some(work), Some(dead))
    }

    async fn send(&self, group: &str, body: &str) {
        self.client
            .send_message()
            .queue_url(&self.work)
            .message_group_id(group)
            .message_deduplication_id(body)
            .message_body(body)
            .send()
            .await
            .unwrap();
    }

    /// What is there to be received now.
    async fn receive(&self, url: &str) -> Vec<Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(10)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        received.unwrap().messages.unwrap_or_default()
    }
}

fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message
        .message_attributes
        .as_ref()?
        .get(name)?
        .string_value()
}

#[tokio::test]
async fn hidden_messages_come_again_when_they_are_told_to() {
    let queues = Queues::start().await;
    for body in ["one", "two"] {
        queues.send(body, body).await;
    }
    let received = queues.receive(&queues.work).await;
    assert_eq!(received.len(), 2);
    assert!(
        queues.receive(&queues.work).await.is_empty(),
        "they are hidden"
    );
    let receipt = |message: &Message| message.receipt_handle.clone().unwrap();
    let delays = [
        (receipt(&received[0]), Duration::ZERO),
        (receipt(&received[1]), Duration::from_secs(3_000)),
    ];
    queues.source().hide(&delays).await.unwrap();
    let again = queues.receive(&queues.work).await;
    let bodies: Vec<_> = again
        .iter()
        .map(|message| message.body.as_deref().unwrap())
        .collect();
    assert_eq!(bodies, [received[0].body.as_deref().unwrap()]);
    let gone = [("no such receipt".to_owned(), Duration::ZERO)];
    assert!(queues.source().hide(&gone).await.is_err());
}

#[tokio::test]
async fn long_work_changes_its_visibility_while_it_goes_on() {
    let queues = Queues::start().await;
    queues
        .send("g", "not an event, but the handler does not see it")
        .await;
    let received = queues.receive(&queues.work).await;
    // As Lambda hands it over.
    let mut record = SqsMessage::default();
    record.message_id.clone_from(&received[0].message_id);
    record
        .receipt_handle
        .clone_from(&received[0].receipt_handle);
    record.body = Some(confirmed());
    let mut batch = SqsEvent::default();
    batch.records.push(record);

    // The handler ends when the queue was asked; here for no time at all, so that the message shows that it was.
    let beats = Beats {
        source: queues.source(),
        asked: Notify::new(),
    };
    let settings = ConsumerSettings {
        heartbeat: Duration::from_millis(10),
        heartbeat_extends: Duration::ZERO,
        ..ConsumerSettings::default()
    };
    let nowhere = Database::connect_lazily("postgres://nobody@127.0.0.1:1/none", 1).unwrap();
    let consumer = Consumer::new("slow", QueueKind::Fifo, Shards::single(nowhere), &beats)
        .with_settings(settings)
        .on(kinds::ORDER_CONFIRMED_V1, async |_event, _confirmed| {
            beats.asked.notified().await;
            Ok(())
        });
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = consumer.consume(batch, deadline).await;
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(
        queues.receive(&queues.work).await.len(),
        1,
        "the queue was not asked"
    );
}

/// Tells when the queue was asked.
struct Beats {
    source: SqsSource,
    asked: Notify,
}

impl SourceQueue for Beats {
    async fn hide(
        &self,
        delays: &[(String, Duration)],
    ) -> Result<(), souk_runtime::consumer::QueueError> {
        self.source.hide(delays).await?;
        self.asked.notify_one();
        Ok(())
    }

    async fn dead_letter(
        &self,
        letter: &DeadLetter,
    ) -> Result<(), souk_runtime::consumer::QueueError> {
        self.source.dead_letter(letter).await
    }

    async fn send_again(
        &self,
        messages: &[ReleasedMessage],
    ) -> Vec<Result<(), souk_runtime::consumer::QueueError>> {
        self.source.send_again(messages).await
    }
}

fn confirmed() -> String {
    let id = Uuid::from_u128(7).simple();
    format!(
        r#"{{"specversion":"1.0","id":"evt_{id}","source":"/souk/orders","type":"order.confirmed.v1","subject":"ord_{id}","time":"2026-11-21T08:00:00Z","datacontenttype":"application/json","tenant_id":"ten_{id}","sequence":1,"correlation_id":"req_{id}","data":{{"order_id":"ord_{id}","confirmed_at":"2026-11-21T08:00:00Z"}}}}"#
    )
}

#[tokio::test]
async fn a_dead_letter_says_why_and_lies_there_once() {
    let queues = Queues::start().await;
    let letter = DeadLetter {
        message_id: "m1".to_owned(),
        group: "g".to_owned(),
        body: confirmed(),
        consumer: "hooks",
        reason: DeadLetterReason::Failed,
        error: format!("no \u{1}\u{0} shelf\n{}", "é".repeat(5_000)),
        receives: 8,
        first_failed_at: Timestamp::from_unix_ms(1_795_248_000_000).unwrap(),
        released: Some("1".to_owned()),
    };
    let source = queues.source();
    source.dead_letter(&letter).await.unwrap();
    // The function died before its answer, and the message came once more.
    source.dead_letter(&letter).await.unwrap();
    let [received] = queues.receive(&queues.dead).await.try_into().unwrap();
    assert_eq!(received.body.as_deref(), Some(letter.body.as_str()));
    let told = [
        (ATTRIBUTE_REASON, "failed"),
        (ATTRIBUTE_CONSUMER, "hooks"),
        (ATTRIBUTE_RECEIVES, "8"),
        (ATTRIBUTE_RELEASED, "1"),
        (ATTRIBUTE_FIRST_FAILED_AT, "2026-11-21T08:00:00Z"),
        ("type", "order.confirmed.v1"),
    ];
    for (name, value) in told {
        assert_eq!(attribute(&received, name), Some(value), "{name}");
    }
    let error = attribute(&received, ATTRIBUTE_ERROR).unwrap();
    assert!(
        error.starts_with("no    shelf ") && error.len() <= 2_000,
        "{error}"
    );
    let without = SqsSource::new(queues.client.clone(), None, None);
    assert!(without.dead_letter(&letter).await.is_err());
}

#[tokio::test]
async fn what_is_released_comes_in_order_and_each_release_once() {
    let queues = Queues::start().await;
    let message = |n: u128, releases| ReleasedMessage {
        event_id: EventId::from_uuid(Uuid::from_u128(n)),
        event_type: "order.placed.v2".to_owned(),
        group: "g".to_owned(),
        body: format!("body {n}"),
        releases,
    };
    let first: Vec<_> = (1..=12).map(|n| message(n, 0)).collect();
    let source = queues.source();
    for _ in 0..2 {
        assert!(source.send_again(&first).await.iter().all(Result::is_ok));
    }
    assert!(source.send_again(&[message(1, 1)]).await[0].is_ok());
    let mut bodies = Vec::new();
    loop {
        let received = queues.receive(&queues.work).await;
        if received.is_empty() {
            break;
        }
        for message in received {
            assert!(attribute(&message, ATTRIBUTE_RELEASED).is_some());
            bodies.push(message.body.unwrap());
            queues
                .client
                .delete_message()
                .queue_url(&queues.work)
                .receipt_handle(message.receipt_handle.unwrap())
                .send()
                .await
                .unwrap();
        }
    }
    let mut expected: Vec<String> = (1..=12).map(|n| format!("body {n}")).collect();
    expected.push("body 1".to_owned());
    assert_eq!(bodies, expected);
}
