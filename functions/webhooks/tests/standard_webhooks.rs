//! Real deliveries, verified by the official library of Standard Webhooks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "tests"
)]

use serde_json::{Value, json};
use souk_app::webhooks::{
    DeliverySettings, EndpointCommand, NewSecret, Rotation, SealingKeys, WebhookTools,
    create_endpoint, deliver_due_of, enter_deliveries, rotate_secret,
};
use souk_app::{AppError, ExpectedVersion, Once, StoredResponse, Tools};
use souk_domain::webhook::{
    Description, EndpointSettings, EventFilter, TargetRules, WebhookEndpoint,
};
use souk_domain::{IdempotencyKey, OrderId, RequestFingerprint};
use souk_runtime::adapters::SystemClock;
use souk_runtime::webhook_sender::HttpWebhookSender;
use souk_testkit::{TestDatabase, TestTenant, order_confirmed};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/standard_webhooks/receiver.py"
);

/// The receiver, which ends with this.
struct Receiver {
    process: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Receiver {
    fn start(secrets: &[(&str, String)]) -> Self {
        let python = std::env::var("SOUK_TEST_PYTHON").expect("run script/test, which sets it");
        let secrets = secrets
            .iter()
            .map(|(name, secret)| format!("{name}={secret}"));
        let mut process = Command::new(python)
            .arg(SCRIPT)
            .args(secrets)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut receiver = Self {
            process,
            lines,
            port: 0,
        };
        receiver.port = receiver
            .line()
            .parse()
            .expect("the receiver tells its port");
        receiver
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn received(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn once() -> Once {
    Once {
        key: IdempotencyKey::parse(&Uuid::now_v7().to_string()).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", "/", None).unwrap(),
    }
}

type Made = Mutex<Option<(WebhookEndpoint, NewSecret)>>;

fn taken(made: &Made, outcome: Result<&(WebhookEndpoint, NewSecret), &AppError>) -> StoredResponse {
    *made.lock().unwrap() = outcome.ok().cloned();
    StoredResponse {
        status: 200,
        headers: BTreeMap::new(),
        body: Vec::new(),
    }
}

fn settings(port: u16) -> EndpointSettings {
    EndpointSettings {
        url: format!("http://127.0.0.1:{port}/hooks").parse().unwrap(),
        description: Description::default(),
        filter: EventFilter::default(),
        ordered: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_library_accepts_what_is_sent_and_nothing_that_was_altered() {
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[]).await;
    // The library compares with the machine's clock.
    let tools = Tools {
        clock: Arc::new(SystemClock),
        ..tenant.tools.clone()
    };
    let keys = BTreeMap::from([("k1".to_owned(), [7; 32])]);
    let keys = Arc::new(SealingKeys::new("k1".to_owned(), &keys).unwrap());
    let caller = tenant.caller();

    // Its URL is known once the receiver runs, which has to know the secrets: a first one stands in.
    let made = Made::default();
    let wish = (&once(), settings(9));
    create_endpoint(&tools, &keys, &caller, wish, |o| taken(&made, o))
        .await
        .unwrap();
    let (endpoint, first) = made.into_inner().unwrap().unwrap();
    let command = || EndpointCommand {
        once: once(),
        endpoint: endpoint.id,
        expected: ExpectedVersion::Any,
    };
    let made = Made::default();
    let rotation = Rotation { overlap_hours: 1 };
    rotate_secret(&tools, &keys, &caller, (&command(), rotation), |o| {
        taken(&made, o)
    })
    .await
    .unwrap();
    let (_, second) = made.into_inner().unwrap().unwrap();
    let stranger = souk_app::webhooks::fresh_secret().unwrap();
    let mut receiver = Receiver::start(&[
        ("first", first.secret.reveal()),
        ("second", second.secret.reveal()),
        ("stranger", stranger.reveal()),
    ]);
    let (command_to_put, url) = (command(), settings(receiver.port));
    souk_app::webhooks::put_endpoint(&tools, &caller, &command_to_put, url, |_| StoredResponse {
        status: 200,
        headers: BTreeMap::new(),
        body: Vec::new(),
    })
    .await
    .unwrap();

    let webhooks = WebhookTools {
        tools: tools.clone(),
        keys: Arc::clone(&keys),
        sender: HttpWebhookSender::new(TargetRules {
            plain_http: true,
            addresses: [[127, 0, 0, 1].into()].into(),
        })
        .unwrap(),
        settings: DeliverySettings::default(),
    };
    let deliver = async || {
        let order = OrderId::from_uuid(Uuid::now_v7());
        let event = order_confirmed(tenant.id, tools.clock.now(), order, 1);
        enter_deliveries(&tools, &event).await.unwrap();
        let stop_at = tokio::time::Instant::now() + Duration::from_secs(60);
        let report = deliver_due_of(&webhooks, [tenant.id], stop_at).await;
        assert_eq!((report.delivered, report.failed), (1, 0));
        event
    };

    // While both sign, who knows either accepts it; nobody else does, and nothing altered is accepted.
    let event = deliver().await;
    let told = receiver.received();
    assert_eq!(told["id"], event.id.to_string());
    assert_eq!(told["verified_by"], json!(["first", "second"]));
    for altered in ["altered", "older", "other_id"] {
        assert_eq!(told[altered], json!([]), "{altered}");
    }
    let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    let members: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(members.len(), 3);
    assert_eq!(body["type"], "order.confirmed.v1");
    assert_eq!(body["timestamp"], event.time.to_string());
    assert_eq!(body["data"]["order_id"], event.subject.to_string());

    // A rotation without overlap ends the newest; the first one's overlap goes on.
    let made = Made::default();
    let rotation = Rotation { overlap_hours: 0 };
    rotate_secret(&tools, &keys, &caller, (&command(), rotation), |o| {
        taken(&made, o)
    })
    .await
    .unwrap();
    deliver().await;
    assert_eq!(receiver.received()["verified_by"], json!(["first"]));
}
