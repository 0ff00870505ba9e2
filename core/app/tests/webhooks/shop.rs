//! A tenant with endpoints, and a sender that answers as it is told.

use core::future::pending;
use souk_app::webhooks::{
    DeliveryReport, DeliverySettings, EndpointCommand, Entered, NewSecret, OutgoingWebhook,
    SealingKeys, SendEnd, WebhookSender, WebhookTools, create_endpoint, deliver_due,
    deliver_due_of, enter_deliveries,
};
use souk_app::{AppError, Database, ExpectedVersion, Once, StoredResponse};
use souk_domain::webhook::{EndpointSettings, WebhookEndpoint, WebhookSecret};
use souk_domain::{Event, EventId, OrderId, RequestFingerprint, WebhookEndpointId};
use souk_testkit::{TestDatabase, TestTenant};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// What the sender does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers with this status.
    Answer(u16),
    /// Takes it and never comes back.
    Hang,
}

/// What was sent: where, which event, and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) event: EventId,
    pub(crate) signatures: String,
    pub(crate) at_s: i64,
    pub(crate) body: String,
}

type Script = dyn Fn(&Sent, usize) -> Does + Send + Sync;

/// Keeps what it is given, and answers by a script of message and how often that one came before.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Arc<Script>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    pub(crate) taken: Arc<Notify>,
}

impl core::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn events_sent(&self) -> Vec<EventId> {
        self.sent().iter().map(|sent| sent.event).collect()
    }

    pub(crate) fn does(&self, script: impl Fn(&Sent, usize) -> Does + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }
}

impl WebhookSender for Scripted {
    async fn send(&self, webhook: OutgoingWebhook<'_>) -> SendEnd {
        let sent = Sent {
            url: webhook.url.to_string(),
            event: webhook.id,
            signatures: webhook.signatures.to_owned(),
            at_s: webhook.at.unix_s(),
            body: webhook.body.to_owned(),
        };
        let does = {
            let mut all = self.sent.lock().unwrap();
            let same = |one: &&Sent| one.event == sent.event && one.url == sent.url;
            let before = all.iter().filter(same).count();
            let does = self.script.lock().unwrap()(&sent, before);
            all.push(sent);
            does
        };
        self.taken.notify_one();
        match does {
            Does::Answer(status) => SendEnd {
                answer: Ok((status, "told".to_owned())),
                latency_ms: 7,
            },
            Does::Hang => pending().await,
        }
    }
}

pub(crate) struct Shop {
    pub(crate) db: TestDatabase,
    pub(crate) tenant: TestTenant,
    pub(crate) sweeper: Database,
    pub(crate) sender: Scripted,
    pub(crate) webhooks: Arc<WebhookTools<Scripted>>,
    keys: Arc<SealingKeys>,
}

pub(crate) fn once() -> Once {
    Once {
        key: Uuid::now_v7().to_string().parse_key(),
        operation: "test",
        fingerprint: RequestFingerprint::new("POST", "/", None).unwrap(),
    }
}

trait ParseKey {
    fn parse_key(&self) -> souk_domain::IdempotencyKey;
}

impl ParseKey for String {
    fn parse_key(&self) -> souk_domain::IdempotencyKey {
        souk_domain::IdempotencyKey::parse(self).unwrap()
    }
}

/// An answer that nobody looks at; what a use case gives is taken out by `seen`.
pub(crate) fn seen<T: Clone>(
    into: &Mutex<Option<T>>,
    outcome: Result<&T, &AppError>,
) -> StoredResponse {
    if let Ok(done) = outcome {
        *into.lock().unwrap() = Some(done.clone());
    }
    StoredResponse {
        status: if outcome.is_ok() { 200 } else { 422 },
        headers: BTreeMap::new(),
        body: outcome
            .err()
            .map(ToString::to_string)
            .unwrap_or_default()
            .into(),
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_in(&TestDatabase::create().await).await
    }

    pub(crate) async fn open_in(db: &TestDatabase) -> Self {
        let tenant = TestTenant::create(db, &[]).await;
        let sender = Scripted {
            script: Arc::new(Mutex::new(Arc::new(|_: &Sent, _: usize| Does::Answer(204)))),
            sent: Arc::default(),
            taken: Arc::default(),
        };
        let keys = BTreeMap::from([("k1".to_owned(), [7; 32])]);
        let keys = Arc::new(SealingKeys::new("k1".to_owned(), &keys).unwrap());
        let webhooks = WebhookTools {
            tools: tenant.tools.clone(),
            keys: Arc::clone(&keys),
            sender: sender.clone(),
            settings: DeliverySettings {
                jitter: false,
                ..DeliverySettings::default()
            },
        };
        Self {
            db: db.clone(),
            sweeper: db.by_role("souk_sweeper", 4),
            tenant,
            sender,
            webhooks: Arc::new(webhooks),
            keys,
        }
    }

    pub(crate) fn settings(url: &str, patterns: &[&str], ordered: bool) -> EndpointSettings {
        let patterns = patterns.iter().map(|one| one.parse().unwrap()).collect();
        EndpointSettings {
            url: url.parse().unwrap(),
            description: "".parse().unwrap(),
            filter: souk_domain::webhook::EventFilter::new(patterns).unwrap(),
            ordered,
        }
    }

    /// Enters an endpoint; returns it with its secret.
    pub(crate) async fn endpoint(
        &self,
        settings: EndpointSettings,
    ) -> (WebhookEndpointId, WebhookSecret) {
        let made: Mutex<Option<(WebhookEndpoint, NewSecret)>> = Mutex::default();
        let answer = create_endpoint(
            &self.tenant.tools,
            &self.keys,
            &self.tenant.caller(),
            (&once(), settings),
            |outcome| seen(&made, outcome),
        )
        .await
        .unwrap();
        assert_eq!(answer.response.status, 200);
        let (endpoint, new) = made.into_inner().unwrap().unwrap();
        (endpoint.id, new.secret)
    }

    pub(crate) fn keys(&self) -> &SealingKeys {
        &self.keys
    }

    pub(crate) fn command(endpoint: WebhookEndpointId) -> EndpointCommand {
        EndpointCommand {
            once: once(),
            endpoint,
            expected: ExpectedVersion::Any,
        }
    }

    /// The `sequence`th event of an order, now.
    pub(crate) fn event(&self, order: OrderId, sequence: u64) -> Event {
        self.tenant.order_confirmed(order, sequence)
    }

    pub(crate) fn order() -> OrderId {
        OrderId::from_uuid(Uuid::now_v7())
    }

    pub(crate) async fn enter(&self, event: &Event) -> Entered {
        enter_deliveries(&self.tenant.tools, event).await.unwrap()
    }

    /// Enters a new event of a new order.
    pub(crate) async fn happens(&self) -> EventId {
        let event = self.event(Self::order(), 1);
        self.enter(&event).await;
        event.id
    }

    pub(crate) async fn deliver(&self) -> DeliveryReport {
        let stop_at = Instant::now() + Duration::from_secs(60);
        deliver_due_of(&self.webhooks, [self.tenant.id], stop_at).await
    }

    pub(crate) async fn deliver_by_schedule(&self) -> DeliveryReport {
        let stop_at = Instant::now() + Duration::from_secs(60);
        deliver_due(&self.webhooks, &self.sweeper, stop_at)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.db.number(sql).await
    }
}
