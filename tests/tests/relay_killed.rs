//! The relay, as built and deployed, is killed with SIGKILL again and again between handing events to
//! the queue and marking them. Nothing is lost, nothing overtakes, and the read model is exact.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionResponseType, Runtime};
use aws_sdk_sqs::types::QueueAttributeName;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::Value;
use souk_app::{Once, OrderCommand, cancel_order, place_order};
use souk_domain::{Event, IdempotencyKey, OrderId, RequestFingerprint, Subject};
use souk_e2e::variable;
use souk_testkit::{TestDatabase, TestTenant, UNPUBLISHED, order_request, respond};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::eventually;

/// Orders to write and kills to survive: `script/test --full` runs the larger size.
#[derive(Debug, Clone, Copy)]
struct Size {
    orders: usize,
    kills: usize,
}

impl Size {
    #[allow(
        clippy::disallowed_methods,
        reason = "script/test --full tells it by the environment"
    )]
    fn from_environment() -> Self {
        if std::env::var_os("SOUK_TEST_FULL").is_some() {
            return Self {
                orders: 10_000,
                kills: 250,
            };
        }
        Self {
            orders: 2_000,
            kills: 50,
        }
    }
}

const ACCOUNT_ROLE: &str = "arn:aws:iam::000000000000:role/souk-test";

/// What the proxy before the queue does with the relay's next request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Hand it on, and the answer back.
    Pass,
    /// Kill the relay before the queue sees the request.
    KillBeforeSend,
    /// Kill the relay when the queue has taken the events and before the relay knows.
    KillBetweenSendAndMark,
    /// Give the answer back and kill the relay a moment later: around the mark.
    KillAround(Duration),
}

/// Stands between the relay and the queue, sees every event that the queue takes, and kills.
struct Proxy {
    upstream: String,
    http: reqwest::Client,
    /// Found in the environment of the relay's process and of no other.
    marker: String,
    state: Mutex<ProxyState>,
}

struct ProxyState {
    random: fastrand::Rng,
    kills_left: usize,
    kills_between_send_and_mark: usize,
    /// Events in the order in which each queue took them, doubles included.
    taken: BTreeMap<String, Vec<Event>>,
}

impl Proxy {
    fn fate(&self, is_send: bool) -> Fate {
        let mut state = self.state.lock().unwrap();
        if !is_send || state.kills_left == 0 || state.random.u8(..4) != 0 {
            return Fate::Pass;
        }
        match state.random.u8(..10) {
            0 => Fate::KillBeforeSend,
            1 | 2 => Fate::KillAround(Duration::from_micros(state.random.u64(..6_000))),
            _ => Fate::KillBetweenSendAndMark,
        }
    }

    async fn forward(self: Arc<Self>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 2 * 1024 * 1024).await.unwrap();
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|v| v.to_str().ok());
        let is_send = target == Some("AmazonSQS.SendMessageBatch");
        let fate = self.fate(is_send);
        if matches!(fate, Fate::KillBeforeSend) {
            self.kill(fate);
        }
        let mut headers = parts.headers.clone();
        headers.remove(http::header::HOST);
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let answer = self
            .http
            .request(parts.method, format!("{}{path}", self.upstream))
            .headers(headers)
            .body(body.clone())
            .send()
            .await
            .expect("the queue service answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let answer = answer
            .bytes()
            .await
            .expect("the queue service's answer ends");
        if is_send {
            self.note(&body, &answer);
        }
        match fate {
            Fate::KillBetweenSendAndMark => self.kill(fate),
            Fate::KillAround(delay) => {
                let proxy = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    proxy.kill(fate);
                });
            }
            Fate::Pass | Fate::KillBeforeSend => {}
        }
        let mut response = Response::new(Body::from(answer));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
            .headers_mut()
            .remove(http::header::TRANSFER_ENCODING);
        response
    }

    fn note(&self, request: &Bytes, answer: &Bytes) {
        let request: Value = serde_json::from_slice(request).unwrap();
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let taken: BTreeSet<&str> = answer["Successful"]
            .as_array()
            .map(|list| {
                list.iter()
                    .filter_map(|entry| entry["Id"].as_str())
                    .collect()
            })
            .unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        let queue = request["QueueUrl"].as_str().unwrap().to_owned();
        let of_queue = state.taken.entry(queue).or_default();
        for entry in request["Entries"].as_array().unwrap() {
            if taken.contains(entry["Id"].as_str().unwrap()) {
                let event = Event::from_json_text(entry["MessageBody"].as_str().unwrap()).unwrap();
                assert_eq!(entry["MessageGroupId"], event.subject.to_string());
                assert_eq!(entry["MessageDeduplicationId"], event.id.to_string());
                of_queue.push(event);
            }
        }
    }

    /// Kills the relay. Counts only when there was one: another of its requests may have met the
    /// same fate just before.
    fn kill(&self, fate: Fate) {
        if kill_processes(&self.marker) == 0 {
            return;
        }
        let mut state = self.state.lock().unwrap();
        state.kills_left = state.kills_left.saturating_sub(1);
        if matches!(fate, Fate::KillBetweenSendAndMark) {
            state.kills_between_send_and_mark += 1;
        }
    }
}

/// Sends SIGKILL to every live process with `marker` in its environment; returns how many there were.
fn kill_processes(marker: &str) -> usize {
    let mut killed = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A dead process that nobody has reaped has an empty one.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .windows(marker.len())
            .any(|window| window == marker.as_bytes())
        {
            let status = std::process::Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
            killed += usize::from(status.is_ok_and(|s| s.success()));
        }
    }
    killed
}

async fn start_proxy(proxy: Arc<Proxy>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new()
        .fallback(
            |State(proxy): State<Arc<Proxy>>, request: Request| async move {
                proxy.forward(request).await
            },
        )
        .with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn once(key: &str) -> Once {
    Once {
        key: IdempotencyKey::parse(key).unwrap(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", key, None).unwrap(),
    }
}

/// Places the orders, cancels every second one, and returns how many events that makes.
async fn write_orders(tenant: &TestTenant, orders: usize) -> usize {
    let caller = tenant.caller();
    futures::stream::iter(0..orders)
        .map(|n| {
            let caller = caller.clone();
            async move {
                let request = order_request(&[("TEA", 1)]);
                let placed = place_order(
                    &tenant.tools,
                    &caller,
                    &once(&format!("p{n}")),
                    request,
                    respond,
                )
                .await
                .unwrap();
                let id: OrderId = core::str::from_utf8(&placed.response.body)
                    .unwrap()
                    .parse()
                    .unwrap();
                if n % 2 == 0 {
                    return 1;
                }
                let command = OrderCommand::on(id, once(&format!("c{n}")));
                cancel_order(&tenant.tools, &caller, &command, None, respond)
                    .await
                    .unwrap();
                2
            }
        })
        .buffer_unordered(16)
        .fold(0, |sum, events| async move { sum + events })
        .await
}

struct Cloud {
    lambda: aws_sdk_lambda::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Cloud {
    async fn connect(endpoint: &str) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(aws_sdk_lambda::config::Credentials::new(
                "test", "test", None, None, "test",
            ))
            .load()
            .await;
        Self {
            lambda: aws_sdk_lambda::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        }
    }

    async fn create_queue(&self, name: &str) -> (String, String) {
        let created = self
            .sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::FifoQueue, "true")
            .attributes(QueueAttributeName::VisibilityTimeout, "180")
            .send()
            .await
            .unwrap();
        let url = created.queue_url().unwrap().to_owned();
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .unwrap();
        let arn = attributes.attributes().unwrap()[&QueueAttributeName::QueueArn].clone();
        (url, arn)
    }

    async fn create_function(&self, name: &str, zip: &str, variables: &[(&str, String)]) {
        let artefacts = variable("SOUK_TEST_ARTEFACTS");
        let code = std::fs::read(format!("{artefacts}/{zip}.zip")).unwrap();
        let mut environment = Environment::builder();
        for (key, value) in variables {
            environment = environment.variables(*key, value);
        }
        self.lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(ACCOUNT_ROLE)
            .timeout(30)
            .code(FunctionCode::builder().zip_file(Blob::new(code)).build())
            .environment(environment.build())
            .send()
            .await
            .unwrap();
    }

    /// Runs the relay once. A relay that was killed is an error of the function, not of the call.
    async fn invoke(&self, name: &str) {
        let _killed_or_not = self
            .lambda
            .invoke()
            .function_name(name)
            .payload(Blob::new(r#"{"source":"souk.sweep"}"#))
            .send()
            .await;
    }
}

/// The relay and a consumer of one run, deployed from the built zips, with queues of their own.
struct Deployment {
    cloud: Cloud,
    relay: String,
    consumer: String,
    queue_urls: Vec<String>,
}

impl Deployment {
    async fn create(cloud: Cloud, db: &TestDatabase, run: &str, proxy_url: &str) -> Self {
        let (relay, consumer) = (format!("souk-relay-{run}"), format!("souk-consumer-{run}"));
        let (queue_url, queue_arn) = cloud.create_queue(&format!("souk-{run}.fifo")).await;
        // Nobody takes anything out of the others.
        let (process_url, _) = cloud.create_queue(&format!("souk-p-{run}.fifo")).await;
        let (hooks_url, _) = cloud.create_queue(&format!("souk-w-{run}.fifo")).await;
        let queues = serde_json::json!({
            "read_models": queue_url, "order_process": process_url, "webhooks": hooks_url,
        });
        let relay_variables = [
            ("SOUK_DATABASE_URL", db.url_by_role("souk_relay")),
            ("SOUK_EVENT_QUEUES", queues.to_string()),
            ("AWS_ENDPOINT_URL_SQS", proxy_url.to_owned()),
            ("SOUK_TEST_RUN", run.to_owned()),
        ];
        cloud
            .create_function(&relay, "souk-outbox-relay", &relay_variables)
            .await;
        let consumer_variables = [("SOUK_DATABASE_URL", db.url_by_role("souk_app"))];
        cloud
            .create_function(&consumer, "souk-read-models", &consumer_variables)
            .await;
        cloud
            .lambda
            .create_event_source_mapping()
            .event_source_arn(&queue_arn)
            .function_name(&consumer)
            .batch_size(10)
            .function_response_types(FunctionResponseType::ReportBatchItemFailures)
            .send()
            .await
            .unwrap();
        Self {
            cloud,
            relay,
            consumer,
            queue_urls: vec![queue_url, process_url, hooks_url],
        }
    }

    async fn delete(self) {
        let lambda = &self.cloud.lambda;
        let mappings = lambda
            .list_event_source_mappings()
            .function_name(&self.consumer)
            .send()
            .await
            .unwrap();
        for mapping in mappings.event_source_mappings() {
            let uuid = mapping.uuid().unwrap_or_default();
            lambda
                .delete_event_source_mapping()
                .uuid(uuid)
                .send()
                .await
                .unwrap();
        }
        for function in [&self.relay, &self.consumer] {
            lambda
                .delete_function()
                .function_name(function)
                .send()
                .await
                .unwrap();
        }
        for url in &self.queue_urls {
            let deleted = self.cloud.sqs.delete_queue().queue_url(url).send().await;
            deleted.unwrap();
        }
    }
}

/// Every event was taken by a queue, and the first time in its aggregate's order.
fn assert_all_in_order(taken: &[Event], events: usize, seed: u64) {
    let mut first_deliveries: BTreeMap<Subject, Vec<u64>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in taken {
        if ids.insert(event.id) {
            first_deliveries
                .entry(event.subject)
                .or_default()
                .push(event.sequence);
        }
    }
    assert_eq!(ids.len(), events, "seed {seed}: an event was lost");
    for (order, sequences) in &first_deliveries {
        assert!(
            sequences == &[1] || sequences == &[1, 2],
            "seed {seed}: {order}: {sequences:?}"
        );
    }
}

async fn assert_read_model_exact(db: &TestDatabase, events: usize, seed: u64) {
    let applied = "SELECT coalesce(sum(events_applied), 0)::bigint FROM souk.order_summaries";
    eventually("every event in the read model", async || {
        usize::try_from(db.number(applied).await).unwrap() >= events
    })
    .await;
    assert_eq!(
        usize::try_from(db.number(applied).await).unwrap(),
        events,
        "seed {seed}"
    );
    let different = "SELECT count(*) FROM souk.orders o FULL JOIN souk.order_summaries s \
         USING (tenant_id, order_id) WHERE o.status IS DISTINCT FROM s.status \
         OR o.total_minor IS DISTINCT FROM s.total_minor OR o.version IS DISTINCT FROM s.last_sequence \
         OR o.version IS DISTINCT FROM s.events_applied";
    assert_eq!(
        db.number(different).await,
        0,
        "seed {seed}: the read model differs from the orders"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_send_and_mark_the_relay_loses_and_reorders_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let endpoint = variable("SOUK_TEST_AWS_ENDPOINT");
    let run = uuid::Uuid::now_v7().simple().to_string();
    let db = TestDatabase::create().await;
    let tenant = TestTenant::create(&db, &[("TEA", 250, 1_000_000)]).await;
    let Size { orders, kills } = Size::from_environment();
    let events = write_orders(&tenant, orders).await;
    assert_eq!(events, orders + orders / 2);

    let proxy = Arc::new(Proxy {
        upstream: endpoint.clone(),
        http: reqwest::Client::new(),
        marker: format!("SOUK_TEST_RUN={run}"),
        state: Mutex::new(ProxyState {
            random: fastrand::Rng::with_seed(seed),
            kills_left: kills,
            kills_between_send_and_mark: 0,
            taken: BTreeMap::new(),
        }),
    });
    let proxy_url = start_proxy(proxy.clone()).await;
    let cloud = Cloud::connect(&endpoint).await;
    let deployment = Deployment::create(cloud, &db, &run, &proxy_url).await;

    let mut runs = 0;
    while db.number(UNPUBLISHED).await > 0 {
        deployment.cloud.invoke(&deployment.relay).await;
        // A dead relay's leases run out, and what waits for its queue has waited enough.
        db.execute(
            "UPDATE souk.outbox_lanes SET lease_expires_at = '-infinity', next_try_at = '-infinity'; \
             UPDATE souk.outbox_held SET next_try_at = '-infinity' WHERE next_try_at IS NOT NULL",
        )
        .await;
        runs += 1;
        assert!(runs < 4 * kills, "seed {seed}: the outbox does not empty");
    }

    let (taken, kills_left, kills_between) = {
        let state = proxy.state.lock().unwrap();
        (
            state.taken.clone(),
            state.kills_left,
            state.kills_between_send_and_mark,
        )
    };
    let sent_again: usize = taken.values().map(|taken| taken.len() - events).sum();
    println!(
        "{runs} runs, {kills} kills, {kills_between} of them between send and mark, \
         {sent_again} events sent again"
    );
    assert!(
        sent_again > 0,
        "seed {seed}: nothing was sent twice: no kill hit the window"
    );
    assert_eq!(taken.len(), 3, "seed {seed}: not every queue was sent to");
    assert_eq!(
        kills_left, 0,
        "seed {seed}: the relay was not killed often enough"
    );
    assert!(kills_between >= kills / 3, "seed {seed}");
    for taken in taken.values() {
        assert_all_in_order(taken, events, seed);
    }
    assert_read_model_exact(&db, events, seed).await;
    deployment.delete().await;
}
