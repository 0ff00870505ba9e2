//! Queues over the SQS API, in a process of their own.

use crate::child::ChildServer;
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry};
use core::cell::Cell;
use core::time::Duration;
use souk_app::OutgoingEvent;
use souk_runtime::adapters::{AwsBounds, aws_config};
use std::path::Path;
use tokio::process::Command;

const REGION: &str = "us-east-1";
const KEY: &str = "bench";

/// How long calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqsBounds {
    /// As the relay has it.
    OfRelay,
}

impl SqsBounds {
    const fn bounds(self) -> AwsBounds {
        match self {
            Self::OfRelay => AwsBounds {
                attempt_timeout: Duration::from_secs(3),
                operation_timeout: Duration::from_secs(7),
                attempts_max: 3,
            },
        }
    }
}

/// The server of `local/queue`, which ends with this.
#[derive(Debug)]
pub(crate) struct Queues {
    server: ChildServer,
    pub(crate) client: Client,
    made: Cell<u32>,
}

impl Queues {
    /// Starts it by `node`. `bench` is the benchmarks' folder in the repository.
    pub(crate) async fn start(node: &Path, bench: &Path) -> Result<Self> {
        let mut command = Command::new(node);
        command
            .arg("--no-warnings")
            .arg(bench.join("../local/queue/server.mjs"))
            .env("NODE_ENV", "production");
        let server = ChildServer::start(command)
            .await
            .context("is the queue installed? script/bootstrap does that")?;
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(KEY, KEY, None, None, "bench"))
            .endpoint_url(format!("http://{}", server.address))
            .build();
        Ok(Self {
            server,
            client: Client::from_conf(config),
            made: Cell::new(0),
        })
    }

    /// What a program needs in its environment to find them.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            (
                "AWS_ENDPOINT_URL",
                format!("http://{}", self.server.address),
            ),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }

    /// A client of a program that has that environment.
    pub(crate) async fn client_from_environment(bounds: SqsBounds) -> Client {
        Client::new(&aws_config(bounds.bounds()).await)
    }

    /// Makes an empty queue; returns its URL.
    pub(crate) async fn make(&self, fifo: bool) -> Result<String> {
        let number = self.made.replace(self.made.get() + 1);
        let suffix = if fifo { ".fifo" } else { "" };
        let mut create = self.client.create_queue();
        create = create.queue_name(format!("bench-{number}{suffix}"));
        if fifo {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        create.send().await?.queue_url.context("a queue has a URL")
    }

    /// How many messages are in a queue that nobody receives from.
    pub(crate) async fn count(&self, url: &str) -> Result<u64> {
        let wanted = QueueAttributeName::ApproximateNumberOfMessages;
        let attributes = self.client.get_queue_attributes().queue_url(url);
        let attributes = attributes.attribute_names(wanted.clone()).send().await?;
        let count = attributes.attributes().and_then(|all| all.get(&wanted));
        Ok(count.context("a queue has a count")?.parse()?)
    }

    /// Throws a queue away.
    pub(crate) async fn remove(&self, url: &str) -> Result<()> {
        self.client.delete_queue().queue_url(url).send().await?;
        Ok(())
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

/// One `SendMessageBatch`, with what the relay sends of each event. All must be taken.
pub(crate) async fn send_batch(client: &Client, url: &str, batch: &[OutgoingEvent]) -> Result<()> {
    let entries = batch.iter().enumerate().map(|(index, event)| {
        let event_type = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(&event.event_type)
            .build()?;
        let entry = SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_group_id(&event.group)
            .message_deduplication_id(event.event_id.to_string())
            .message_attributes("type", event_type)
            .message_body(&event.body);
        anyhow::Ok(entry.build()?)
    });
    let request = client.send_message_batch().queue_url(url);
    let sent = request
        .set_entries(Some(entries.collect::<Result<_>>()?))
        .send()
        .await?;
    ensure!(
        sent.failed().is_empty(),
        "the queue refuses {:?}",
        sent.failed()
    );
    Ok(())
}
