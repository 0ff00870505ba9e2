//! Queues over the SQS API, and something before them that loses, refuses and halts as it is told.
#![allow(dead_code, reason = "each test program uses a part of it")]

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use souk_testkit::QueueServer;
use std::collections::BTreeMap;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::Notify;

const BYTES_MAX: usize = 4 * 1024 * 1024;
const RUN: [(&str, &str); 3] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
];

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is answered.
    Answer,
    /// It has its effect, and the answer is lost.
    LoseAnswer,
    /// It is refused with an error of the client's, which nobody repeats.
    Refuse,
    /// These entries are refused, and the others go on.
    RefuseEntries(Vec<usize>),
    /// Never answered, without effect; the test is told.
    Halt,
    /// Never answered, with its effect; the test is told.
    HaltAfter,
}

/// By the name of the operation and how often it was asked for before.
type Fates = dyn Fn(&str, usize) -> Fate + Send + Sync;

#[derive(Clone)]
struct Way {
    queues: String,
    http: reqwest::Client,
    fates: Arc<Fates>,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    receipts: Arc<Mutex<Vec<String>>>,
    halted: Arc<Notify>,
}

/// A queue with its dead letter queue.
pub(crate) struct Cloud {
    server: QueueServer,
    pub(crate) client: Client,
    pub(crate) source: String,
    pub(crate) letters: String,
}

impl Cloud {
    /// FIFO queues; what is received twice without being deleted is given up.
    pub(crate) async fn fifo() -> Self {
        Self::open(true).await
    }

    pub(crate) async fn standard() -> Self {
        Self::open(false).await
    }

    async fn open(fifo: bool) -> Self {
        let server = QueueServer::start();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(server.url())
            .load()
            .await;
        let client = Client::new(&config);
        let letters = queue(&client, "dead", fifo, None).await;
        let wanted = QueueAttributeName::QueueArn;
        let attributes = client.get_queue_attributes().queue_url(&letters);
        let attributes = attributes.attribute_names(wanted.clone()).send().await;
        let arn = attributes.unwrap().attributes.unwrap()[&wanted].clone();
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": "1" }).to_string();
        Self {
            source: queue(&client, "work", fifo, Some(policy)).await,
            letters,
            client,
            server,
        }
    }

    /// Puts an event into the dead letter queue, as a consumer does that says why.
    pub(crate) async fn give_up(&self, event: &str, event_type: &str, group: Option<&str>) {
        let text = |value: &str| {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value);
            value.build().unwrap()
        };
        let mut send = self
            .client
            .send_message()
            .queue_url(&self.letters)
            .message_body(body(event, event_type))
            .message_attributes("type", text(event_type))
            .message_attributes("souk-reason", text("the shelf is full"));
        if let Some(group) = group {
            send = send.message_group_id(group).message_deduplication_id(event);
        }
        send.send().await.unwrap();
    }

    /// Ids of events in a queue, in its order, each as often as it is there; they stay hidden.
    pub(crate) async fn events_in(&self, queue: &str) -> Vec<String> {
        let messages = self.messages_in(queue).await;
        let bodies = messages.iter().map(|message| message.body().unwrap());
        bodies.map(event_of).collect()
    }

    pub(crate) async fn messages_in(&self, queue: &str) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let receive = self.client.receive_message().queue_url(queue);
            let receive = receive
                .max_number_of_messages(10)
                .message_attribute_names("All");
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
            let batch = receive.send().await.unwrap().messages.unwrap_or_default();
            if batch.is_empty() {
                return all;
            }
            for message in batch {
                // The next of its group comes into view.
                let delete = self.client.delete_message().queue_url(queue);
                let delete = delete.receipt_handle(message.receipt_handle().unwrap());
                delete.send().await.unwrap();
                all.push(message);
            }
        }
    }

    /// Runs `souk dlq` with `arguments` behind its verb and the queue; requests meet their fates on the way.
    pub(crate) async fn souk(
        &self,
        arguments: &[&str],
        fates: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> Told {
        let run = self.start_souk(arguments, fates).await;
        run.end().await
    }

    pub(crate) async fn start_souk(
        &self,
        arguments: &[&str],
        fates: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> Run {
        let (verb, rest) = arguments.split_first().unwrap();
        let all: Vec<&str> = ["dlq", verb, &self.source]
            .into_iter()
            .chain(rest.iter().copied())
            .collect();
        self.start(&all, &[], fates).await
    }

    /// Runs `souk`.
    pub(crate) async fn start(
        &self,
        arguments: &[&str],
        environment: &[(&str, String)],
        fates: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> Run {
        let way = Way {
            queues: self.server.url(),
            http: reqwest::Client::new(),
            fates: Arc::new(fates),
            counts: Arc::default(),
            receipts: Arc::default(),
            halted: Arc::default(),
        };
        let (receipts, halted) = (way.receipts.clone(), way.halted.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(pass).with_state(way);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let child = Command::new(env!("CARGO_BIN_EXE_souk"))
            .args(arguments)
            .envs(
                environment
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .envs(RUN)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Run {
            child,
            receipts,
            halted,
        }
    }

    /// What would happen by itself some minutes after a process was killed: what it had received is in
    /// view again.
    pub(crate) async fn show_again(&self, receipts: &[String]) {
        for receipt in receipts {
            let change = self
                .client
                .change_message_visibility()
                .queue_url(&self.letters);
            // Some are gone already.
            let _ = change
                .receipt_handle(receipt)
                .visibility_timeout(0)
                .send()
                .await;
        }
    }
}

/// `souk` under way.
pub(crate) struct Run {
    pub(crate) child: Child,
    receipts: Arc<Mutex<Vec<String>>>,
    halted: Arc<Notify>,
}

impl Run {
    pub(crate) async fn end(self) -> Told {
        Told::of(self.child.wait_with_output().await.unwrap())
    }

    /// Waits until a request is halted, kills the process, and tells what it had received; or that it
    /// ended without meeting one.
    pub(crate) async fn kill_when_halted(mut self) -> Option<Vec<String>> {
        tokio::select! {
            () = self.halted.notified() => {}
            _ = self.child.wait() => return None,
        }
        self.child.kill().await.unwrap();
        let receipts = self.receipts.lock().unwrap().clone();
        Some(receipts)
    }
}

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Told {
    fn of(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn body(event: &str, event_type: &str) -> String {
    json!({ "id": event, "type": event_type, "time": "2026-11-21T10:00:00Z" }).to_string()
}

fn event_of(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    body["id"].as_str().unwrap().to_owned()
}

async fn queue(client: &Client, name: &str, fifo: bool, policy: Option<String>) -> String {
    let suffix = if fifo { ".fifo" } else { "" };
    let mut create = client.create_queue().queue_name(format!("{name}{suffix}"));
    if fifo {
        create = create.attributes(QueueAttributeName::FifoQueue, "true");
    }
    if let Some(policy) = policy {
        create = create.attributes(QueueAttributeName::RedrivePolicy, policy);
    }
    create.send().await.unwrap().queue_url.unwrap()
}

async fn pass(State(way): State<Way>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.headers["x-amz-target"].to_str().unwrap().to_owned();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let mut body = to_bytes(body, BYTES_MAX).await.unwrap().to_vec();
    let number = {
        let mut counts = way.counts.lock().unwrap();
        let count = counts.entry(operation.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let fate = (way.fates)(&operation, number);
    let mut refused = Vec::new();
    match &fate {
        Fate::Refuse => {
            return answer(400, &json!({ "__type": "InvalidAddress", "message": "no" }));
        }
        Fate::Halt => halt(&way).await,
        Fate::RefuseEntries(places) => (body, refused) = without(&body, places),
        Fate::Answer | Fate::LoseAnswer | Fate::HaltAfter => {}
    }
    let mut told = forward(&way, &target, body).await;
    if operation == "ReceiveMessage" {
        let messages = told.1["Messages"].as_array().cloned().unwrap_or_default();
        let receipts = messages
            .iter()
            .map(|m| m["ReceiptHandle"].as_str().unwrap().to_owned());
        way.receipts.lock().unwrap().extend(receipts);
    }
    if fate == Fate::HaltAfter {
        halt(&way).await;
    }
    if fate == Fate::LoseAnswer {
        return answer(500, &json!({ "__type": "InternalFailure" }));
    }
    if !refused.is_empty() {
        told.1["Failed"] = json!(refused);
    }
    answer(told.0, &told.1)
}

async fn halt(way: &Way) {
    way.halted.notify_one();
    std::future::pending::<()>().await;
}

async fn forward(way: &Way, target: &str, body: Vec<u8>) -> (u16, Value) {
    if body.is_empty() {
        return (200, json!({ "Successful": [], "Failed": [] }));
    }
    let response = way
        .http
        .post(&way.queues)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// The request without the entries at `places`, and what is said of those; no request at all where
/// none is left.
fn without(body: &[u8], places: &[usize]) -> (Vec<u8>, Vec<Value>) {
    let mut request: Value = serde_json::from_slice(body).unwrap();
    let entries = request["Entries"].as_array().cloned().unwrap();
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for (place, entry) in entries.into_iter().enumerate() {
        if places.contains(&place) {
            let code = "InternalError";
            refused.push(json!({ "Id": entry["Id"], "Code": code, "SenderFault": false }));
        } else {
            kept.push(entry);
        }
    }
    if kept.is_empty() {
        return (Vec::new(), refused);
    }
    request["Entries"] = json!(kept);
    (request.to_string().into_bytes(), refused)
}

fn answer(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Body::from(body.to_string()))
        .unwrap()
}
