//! Deploys into MiniStack through the AWS API, as Terraform does into an account: queues, functions,
//! HTTP API, event source mappings, schedule.

use super::cloud::{Cloud, arn};
use super::databases::{Databases, Role, Servers};
use super::edge::REGION;
use super::feeds::{FIFO_SUFFIX, Feed, Feeds};
use super::secrets::{DEMO_SCOPES, DemoTenant, Secrets};
use crate::package::Artefacts;
use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_apigatewayv2::types::{IntegrationType, ProtocolType};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Environment, FunctionCode, FunctionResponseType, Runtime, ScalingConfig, State,
};
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use core::time::Duration;
use serde_json::json;
use sha2::{Digest, Sha256};
use souk_names::Names;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::Mutex;
use tokio::time::{sleep, timeout};

const CATALOG: &str = "catalog";
const ORDERS: &str = "orders";
const PAYMENTS: &str = "payments";
const MIGRATE: &str = "migrate";
const SWEEPER: &str = "sweeper";
const RECONCILE: &str = "reconcile";

/// Where a function finds the directory, and the shards.
pub(super) const DIRECTORY: &str = "SOUK_DIRECTORY_DATABASE_URL";
const SHARDS: &str = "SOUK_SHARDS";
/// `souk_sk_` and what an operator may see of a key besides.
const SHOWN_PREFIX_CHARS: usize = 14;
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// MiniStack does not look at it.
const ROLE: &str = "arn:aws:iam::000000000000:role/souk-local";

/// Makes the HTTP API before the functions that it calls, which may come later. Returns the base URL
/// of its `$default` stage.
pub(crate) async fn http_api(cloud: &Cloud, names: &Names) -> Result<String> {
    let api = cloud
        .api_gateway
        .create_api()
        .name("souk")
        .protocol_type(ProtocolType::Http)
        .send()
        .await
        .context("cannot make the HTTP API")?;
    let id = api.api_id().context("an HTTP API has an id")?;
    for (function, settings) in &names.functions {
        if !settings.http {
            continue;
        }
        let target = integration(cloud, id, &names.full_name(function)).await?;
        for key in names.routes_of(function) {
            route(cloud, id, key, &target).await?;
        }
    }
    cloud
        .api_gateway
        .create_stage()
        .api_id(id)
        .stage_name("$default")
        .auto_deploy(true)
        .send()
        .await
        .context("cannot make the stage of the HTTP API")?;
    // By path: the host name that a real one has would have to resolve to this machine.
    Ok(format!("{}/_aws/execute-api/{id}/$default", cloud.endpoint))
}

/// Lets an HTTP API call a function; returns the target of its routes.
async fn integration(cloud: &Cloud, api: &str, function: &str) -> Result<String> {
    let made = cloud
        .api_gateway
        .create_integration()
        .api_id(api)
        .integration_type(IntegrationType::AwsProxy)
        .integration_uri(arn("lambda", &format!("function:{function}")))
        .payload_format_version("2.0")
        .send()
        .await
        .with_context(|| format!("cannot let the HTTP API call {function}"))?;
    let id = made.integration_id().context("an integration has an id")?;
    Ok(format!("integrations/{id}"))
}

async fn route(cloud: &Cloud, api: &str, key: &str, target: &str) -> Result<()> {
    cloud
        .api_gateway
        .create_route()
        .api_id(api)
        .route_key(key)
        .target(target)
        .send()
        .await
        .with_context(|| format!("cannot make the route {key} of the HTTP API"))?;
    Ok(())
}

/// What is deployed, and where.
#[derive(Debug)]
pub(crate) struct Deployment<'a> {
    pub(crate) cloud: &'a Cloud,
    pub(crate) artefacts: &'a Artefacts,
    pub(crate) databases: &'a Databases,
    pub(crate) secrets: &'a Secrets,
    /// The payment service provider.
    pub(crate) psp_url: &'a str,
    pub(crate) names: &'a Names,
    pub(crate) feeds: Feeds,
    /// Functions and schedules that were made, by their short names.
    pub(crate) made: Mutex<BTreeSet<String>>,
}

/// The URLs of a queue and of the one for what fails too often.
#[derive(Debug)]
struct Urls {
    queue: String,
    dlq: String,
}

impl Urls {
    /// Where a consumer finds both.
    fn of_consumer(&self) -> [(&'static str, String); 2] {
        [
            ("SOUK_CONSUMER_QUEUE_URL", self.queue.clone()),
            ("SOUK_CONSUMER_DLQ_URL", self.dlq.clone()),
        ]
    }
}

/// What events and their bell go through.
#[derive(Debug)]
pub(crate) struct Queues {
    doorbell: Urls,
    read_models: Urls,
    order_process: Urls,
    webhooks: Urls,
}

impl Queues {
    /// Where the relay finds the queue of each consumer.
    fn of_events(&self) -> (&'static str, String) {
        let urls = json!({
            "read_models": self.read_models.queue,
            "order_process": self.order_process.queue,
            "webhooks": self.webhooks.queue,
        });
        ("SOUK_EVENT_QUEUES", urls.to_string())
    }

    fn doorbell(&self) -> (&'static str, String) {
        ("SOUK_DOORBELL_QUEUE_URL", self.doorbell.queue.clone())
    }
}

impl Deployment<'_> {
    /// Queues, and the schema with the demo tenants.
    pub(crate) async fn prepare(&self) -> Result<Queues> {
        let (queues, ()) = tokio::try_join!(self.queues(), self.migrate())?;
        Ok(queues)
    }

    /// What uses both. Returns the environment of an operator's commands.
    pub(crate) async fn run(&self, queues: &Queues) -> Result<Vec<(&'static str, String)>> {
        tokio::try_join!(
            self.orders(queues),
            self.catalog(),
            self.payments(queues),
            self.webhooks(queues),
            self.outbox_relay(queues),
            self.read_models(queues),
            self.sweeper(queues),
            self.order_process(queues),
            self.reconcile(),
        )?;
        self.nothing_is_missing()?;
        self.operator(queues)
    }

    /// All that `infra/souk.json` has was made, but for what it says the local cloud does without.
    fn nothing_is_missing(&self) -> Result<()> {
        let made = self
            .made
            .lock()
            .map_err(|_| anyhow!("a part has panicked"))?;
        let functions = self.names.functions.iter();
        let here = functions.filter(|(_, settings)| settings.cloud_only.is_none());
        let here: BTreeSet<&String> = here.map(|(short, _)| short).collect();
        let schedules = self.names.schedules.iter();
        let schedules = schedules.filter(|(_, schedule)| here.contains(&schedule.function));
        let wanted = here
            .iter()
            .copied()
            .chain(schedules.map(|(short, _)| short));
        let missing: Vec<_> = wanted.filter(|short| !made.contains(*short)).collect();
        if !missing.is_empty() {
            bail!("the local cloud does not make what infra/souk.json has: {missing:?}");
        }
        Ok(())
    }

    fn note_made(&self, short: &str) {
        if let Ok(mut made) = self.made.lock() {
            made.insert(short.to_owned());
        }
    }

    /// What the operator's command line needs to reach all of this.
    fn operator(&self, queues: &Queues) -> Result<Vec<(&'static str, String)>> {
        let shards = |role| self.databases.shards(role, Servers::Primary);
        let directory = self.databases.directory(Role::Owner)?;
        let mut variables = vec![
            (DIRECTORY, directory.to_string()),
            ("SOUK_SHARDS_ADMIN", shards(Role::Owner)?),
            ("SOUK_RELAY_SHARDS", shards(Role::Relay)?),
            ("SOUK_SWEEPER_SHARDS", shards(Role::Sweeper)?),
            queues.of_events(),
        ];
        variables.extend(self.psp());
        variables.extend(self.cloud.environment());
        Ok(variables)
    }

    async fn queues(&self) -> Result<Queues> {
        let (doorbell, read_models, order_process, webhooks) = tokio::try_join!(
            self.queue(&self.feeds.doorbell),
            self.queue(&self.feeds.read_models),
            self.queue(&self.feeds.order_process),
            self.queue(&self.feeds.webhooks),
        )?;
        Ok(Queues {
            doorbell,
            read_models,
            order_process,
            webhooks,
        })
    }

    /// Makes a queue, with another one for what fails too often. A queue that is there from an
    /// earlier run keeps its messages and gets today's settings.
    async fn queue(&self, feed: &Feed) -> Result<Urls> {
        let name = feed.queue.as_str();
        let dlq = self.bare_queue(&feed.dlq).await?;
        let queue = self.bare_queue(name).await?;
        let redrive = json!({
            "deadLetterTargetArn": arn("sqs", &feed.dlq),
            "maxReceiveCount": feed.receives_max,
        });
        self.cloud
            .sqs
            .set_queue_attributes()
            .queue_url(&queue)
            .attributes(
                QueueAttributeName::VisibilityTimeout,
                feed.visibility_timeout_s.to_string(),
            )
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .send()
            .await
            .with_context(|| format!("cannot set up the queue {name}"))?;
        Ok(Urls { queue, dlq })
    }

    async fn bare_queue(&self, name: &str) -> Result<String> {
        let found = self.cloud.sqs.get_queue_url().queue_name(name).send().await;
        if let Some(url) = found.ok().and_then(|found| found.queue_url) {
            return Ok(url);
        }
        let mut request = self.cloud.sqs.create_queue().queue_name(name);
        if name.strip_suffix(FIFO_SUFFIX).is_some() {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let made = request
            .send()
            .await
            .with_context(|| format!("cannot make the queue {name}"))?;
        made.queue_url
            .with_context(|| format!("the queue {name} has no URL"))
    }

    /// Runs the migrations of all databases and enters the demo tenants.
    async fn migrate(&self) -> Result<()> {
        let (databases, secrets) = (self.databases, self.secrets);
        let variables = vec![
            (DIRECTORY, databases.directory(Role::Owner)?.to_string()),
            (SHARDS, databases.shards(Role::Owner, Servers::Primary)?),
            ("SOUK_APP_ROLE_PASSWORD", secrets.app_password.clone()),
            ("SOUK_RELAY_ROLE_PASSWORD", secrets.relay_password.clone()),
            (
                "SOUK_SWEEPER_ROLE_PASSWORD",
                secrets.sweeper_password.clone(),
            ),
            (
                "SOUK_DIRECTORY_READER_ROLE_PASSWORD",
                secrets.directory_reader_password.clone(),
            ),
        ];
        self.function(MIGRATE, variables).await?;
        let demo_tenants: Vec<_> = secrets.tenants().iter().map(demo_tenant).collect();
        let request = json!({ "seed_demo": demo_tenants });
        let answer = self
            .cloud
            .lambda
            .invoke()
            .function_name(self.names.full_name(MIGRATE))
            .payload(Blob::new(request.to_string()))
            .send()
            .await
            .context("cannot invoke the migration")?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let text = String::from_utf8_lossy(&payload);
        if let Some(kind) = answer.function_error {
            bail!("the migration failed ({kind}): {text}");
        }
        let report: serde_json::Value = serde_json::from_slice(&payload)
            .with_context(|| format!("the migration answered {text:?}"))?;
        if report.get("seeded") != Some(&json!(demo_tenants.len())) {
            bail!("the migration did not enter all demo tenants: {text}");
        }
        Ok(())
    }

    /// What a function needs to find the tenants' rows.
    fn tenant_databases(&self, servers: Servers) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            (
                DIRECTORY,
                self.databases.directory(Role::DirectoryReader)?.into(),
            ),
            (SHARDS, self.databases.shards(Role::App, servers)?),
        ])
    }

    fn edge_keys(&self) -> (&'static str, String) {
        let secrets = self.secrets;
        let keys = json!({ (secrets.signing_key_id.as_str()): secrets.signing_key });
        ("SOUK_EDGE_KEYS", keys.to_string())
    }

    /// Where the payment service provider is, and what opens it: one account for all tenants.
    fn psp(&self) -> [(&'static str, String); 2] {
        let accounts = json!({ "default": {
            "secret_key": "sk_test_local",
            "webhook_secrets": [self.secrets.psp_webhook_secret],
        } });
        [
            ("SOUK_STRIPE_API_URL", self.psp_url.to_owned()),
            ("SOUK_STRIPE_ACCOUNTS", accounts.to_string()),
        ]
    }

    async fn orders(&self, queues: &Queues) -> Result<()> {
        let secrets = self.secrets;
        let quote_keys = json!({ (secrets.quote_key_id.as_str()): secrets.quote_key });
        let mut variables = self.tenant_databases(Servers::All)?;
        variables.extend([
            self.edge_keys(),
            ("SOUK_QUOTE_KEYS", quote_keys.to_string()),
            ("SOUK_QUOTE_KEY_ID", secrets.quote_key_id.clone()),
            queues.doorbell(),
        ]);
        self.function(ORDERS, variables).await
    }

    async fn catalog(&self) -> Result<()> {
        let mut variables = self.tenant_databases(Servers::All)?;
        variables.push(self.edge_keys());
        self.function(CATALOG, variables).await
    }

    async fn payments(&self, queues: &Queues) -> Result<()> {
        let mut variables = self.tenant_databases(Servers::All)?;
        variables.extend([self.edge_keys(), queues.doorbell()]);
        variables.extend(self.psp());
        self.function(PAYMENTS, variables).await
    }

    /// It may send to what runs on this machine, which nothing but the local cloud is allowed.
    async fn webhooks(&self, queues: &Queues) -> Result<()> {
        let secrets = self.secrets;
        let keys = json!({ (secrets.webhook_key_id.as_str()): secrets.webhook_key });
        let due = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend([
            self.edge_keys(),
            ("SOUK_SWEEPER_SHARDS", due),
            ("SOUK_WEBHOOK_KEYS", keys.to_string()),
            ("SOUK_WEBHOOK_KEY_ID", secrets.webhook_key_id.clone()),
            ("SOUK_WEBHOOK_PLAIN_HTTP", "true".to_owned()),
            ("SOUK_WEBHOOK_ADDRESSES", "127.0.0.1,::1".to_owned()),
        ]);
        variables.extend(queues.webhooks.of_consumer());
        self.fed_function(&self.feeds.webhooks, variables).await?;
        self.scheduled("webhooks-due").await
    }

    async fn outbox_relay(&self, queues: &Queues) -> Result<()> {
        let shards = self.databases.shards(Role::Relay, Servers::Primary)?;
        let variables = vec![(SHARDS, shards), queues.of_events()];
        self.fed_function(&self.feeds.doorbell, variables).await?;
        self.scheduled("outbox-sweep").await
    }

    async fn read_models(&self, queues: &Queues) -> Result<()> {
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend(queues.read_models.of_consumer());
        self.fed_function(&self.feeds.read_models, variables).await
    }

    async fn sweeper(&self, queues: &Queues) -> Result<()> {
        let due = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend([("SOUK_SWEEPER_SHARDS", due), queues.doorbell()]);
        variables.extend(self.psp());
        self.function(SWEEPER, variables).await?;
        self.scheduled("reservation-sweep").await
    }

    async fn order_process(&self, queues: &Queues) -> Result<()> {
        let due = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend([("SOUK_SWEEPER_SHARDS", due), queues.doorbell()]);
        variables.extend(self.psp());
        variables.extend(queues.order_process.of_consumer());
        self.fed_function(&self.feeds.order_process, variables)
            .await?;
        self.scheduled("order-deadlines").await
    }

    async fn reconcile(&self) -> Result<()> {
        let served = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.push(("SOUK_SWEEPER_SHARDS", served));
        variables.extend(self.psp());
        self.function(RECONCILE, variables).await?;
        self.scheduled("reconciliation").await
    }

    /// Makes a function that a queue feeds.
    async fn fed_function(
        &self,
        feed: &Feed,
        variables: Vec<(&'static str, String)>,
    ) -> Result<()> {
        self.function(feed.function, variables).await?;
        self.event_source(feed).await
    }

    /// Makes a function, by its short name, and waits until it takes invocations.
    async fn function(&self, short: &str, variables: Vec<(&'static str, String)>) -> Result<()> {
        let settings = self.names.functions.get(short);
        let settings = settings.with_context(|| format!("infra/souk.json has no {short}"))?;
        let name = &self.names.full_name(short);
        let mut environment = HashMap::from([
            ("SOUK_LOG".to_owned(), "info".to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), self.cloud.endpoint.clone()),
        ]);
        for (variable, value) in variables {
            environment.insert(variable.to_owned(), value);
        }
        let zip = fs::read(self.artefacts.zip(name))?;
        self.cloud
            .lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(ROLE)
            .timeout(settings.timeout_s.try_into()?)
            .memory_size(settings.memory_mib.try_into()?)
            .environment(
                Environment::builder()
                    .set_variables(Some(environment))
                    .build(),
            )
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .send()
            .await
            .with_context(|| format!("cannot make the function {name}"))?;
        self.note_made(short);
        self.wait_active(name).await
    }

    async fn wait_active(&self, name: &str) -> Result<()> {
        let became_active = async {
            while !self.is_active(name).await? {
                sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        timeout(ACTIVE_TIMEOUT, became_active)
            .await
            .unwrap_or_else(|_| {
                Err(anyhow!(
                    "the function {name} is not active after {ACTIVE_TIMEOUT:?}"
                ))
            })
    }

    async fn is_active(&self, name: &str) -> Result<bool> {
        let found = self
            .cloud
            .lambda
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .with_context(|| format!("cannot read the function {name}"))?;
        if found.state == Some(State::Failed) {
            let reason = found.state_reason.unwrap_or_default();
            bail!("the function {name} failed to start: {reason}");
        }
        Ok(found.state == Some(State::Active))
    }

    /// Lets a queue feed a function, which reports the messages that failed.
    async fn event_source(&self, feed: &Feed) -> Result<()> {
        let (queue, function) = (&feed.queue, self.names.full_name(feed.function));
        let mut request = self
            .cloud
            .lambda
            .create_event_source_mapping()
            .event_source_arn(arn("sqs", queue))
            .function_name(&function)
            .batch_size(feed.batch_size)
            .function_response_types(FunctionResponseType::ReportBatchItemFailures);
        if let Some(max) = feed.functions_max {
            request =
                request.scaling_config(ScalingConfig::builder().maximum_concurrency(max).build());
        }
        request
            .send()
            .await
            .with_context(|| format!("cannot let {queue} feed {function}"))?;
        Ok(())
    }

    /// Lets a function run when the schedule of that short name says so, whatever else wakes it.
    async fn scheduled(&self, short: &str) -> Result<()> {
        let settings = self.names.schedules.get(short);
        let settings = settings.with_context(|| format!("infra/souk.json has no {short}"))?;
        let schedule = &self.names.full_name(short);
        let function = self.names.full_name(&settings.function);
        let target = Target::builder()
            .arn(arn("lambda", &format!("function:{function}")))
            .role_arn(ROLE)
            .input(json!({"source": "souk.sweep"}).to_string())
            .build()?;
        let at_once = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build()?;
        self.cloud
            .scheduler
            .create_schedule()
            .name(schedule)
            .schedule_expression(&settings.rate)
            .flexible_time_window(at_once)
            .target(target)
            .send()
            .await
            .with_context(|| format!("cannot make the schedule {schedule}"))?;
        self.note_made(short);
        Ok(())
    }
}

fn demo_tenant(tenant: &DemoTenant<'_>) -> serde_json::Value {
    json!({
        "tenant_id": tenant.id,
        "name": tenant.name,
        "host": tenant.host,
        "shard": tenant.shard,
        "region": REGION,
        "api_key": {
            "id": tenant.api_key_id,
            "sha256": hex::encode(Sha256::digest(tenant.api_key)),
            "shown_prefix": tenant.api_key.chars().take(SHOWN_PREFIX_CHARS).collect::<String>(),
            "scopes": DEMO_SCOPES,
        },
    })
}
