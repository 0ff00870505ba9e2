//! The queue service of the test's own: fauxqs, which keeps queues, messages and sequence numbers in a
//! file, so that it can be killed and started again. What it does not keep is which deduplication ids it
//! has seen: after a restart repetitions get through, as they do in SQS after five minutes.

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How long a message stays with a consumer that says nothing of it: one that was killed.
const VISIBILITY_S: &str = "3";
const LISTENING: &str = "listening on ";

pub(crate) struct QueueService {
    folder: TempDir,
    port: u16,
    child: Mutex<Child>,
}

impl QueueService {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::with_prefix("souk-chaos-queue-").unwrap();
        let (child, port) = spawn(folder.path(), 0).await;
        Self {
            folder,
            port,
            child: Mutex::new(child),
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the FIFO queue of the test; its URL.
    pub(crate) async fn create_queue(&self) -> String {
        let created = client(&self.endpoint())
            .create_queue()
            .queue_name("chaos.fifo")
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_S)
            .send()
            .await
            .expect("the queue can be made");
        created.queue_url().unwrap().to_owned()
    }

    /// SIGKILL: requests under way are cut off.
    pub(crate) async fn kill(&self) {
        self.child.lock().await.kill().await.unwrap();
    }

    /// Starts it on what it has kept.
    pub(crate) async fn start_again(&self) {
        let (child, _) = spawn(self.folder.path(), self.port).await;
        *self.child.lock().await = child;
    }
}

/// A client with short patience.
pub(crate) fn client(endpoint: &str) -> aws_sdk_sqs::Client {
    let timeouts = aws_sdk_sqs::config::timeout::TimeoutConfig::builder()
        .connect_timeout(core::time::Duration::from_millis(500))
        .operation_attempt_timeout(core::time::Duration::from_millis(2_500))
        .build();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .timeout_config(timeouts)
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

async fn spawn(folder: &Path, port: u16) -> (Child, u16) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let node = std::env::var("SOUK_TEST_NODE").expect("SOUK_TEST_NODE is not set: run script/test");
    let mut child = Command::new(node)
        .arg("--disable-warning=ExperimentalWarning")
        .arg("--import")
        .arg(here.join("without_fsync.mjs"))
        .arg(here.join("../../local/queue/server.mjs"))
        .args(["--port", &port.to_string(), "--data"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the queue service starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap();
        let line = line.expect("the queue service listens before it ends");
        if let Some(address) = line.strip_prefix(LISTENING) {
            break address.to_owned();
        }
    };
    let (_, port) = address.rsplit_once(':').unwrap();
    (child, port.parse().unwrap())
}
