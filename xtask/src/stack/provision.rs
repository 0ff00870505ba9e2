//! Deploys into MiniStack through the AWS API, as Terraform does into an account: queues, functions,
//! HTTP API, event source mappings, schedule.

use super::cloud::{Cloud, arn};
use super::databases::{Databases, Role, Servers};
use super::edge::REGION;
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
use std::collections::HashMap;
use std::fs;
use tokio::time::{sleep, timeout};

const DOORBELL_QUEUE: &str = "souk-doorbell";
const DOORBELL_DLQ: &str = "souk-doorbell-dlq";
const READ_MODELS_QUEUE: &str = "souk-read-models.fifo";
const READ_MODELS_DLQ: &str = "souk-read-models-dlq.fifo";
const ORDER_PROCESS_QUEUE: &str = "souk-order-process.fifo";
const ORDER_PROCESS_DLQ: &str = "souk-order-process-dlq.fifo";
const WEBHOOKS_QUEUE: &str = "souk-webhooks.fifo";
const WEBHOOKS_DLQ: &str = "souk-webhooks-dlq.fifo";
/// SQS wants it in the name of a FIFO queue.
const FIFO_SUFFIX: &str = ".fifo";
const RECEIVES_MAX: u32 = 5;

const CATALOG: &str = "souk-catalog";
const ORDERS: &str = "souk-orders";
const OUTBOX_RELAY: &str = "souk-outbox-relay";
const PAYMENTS: &str = "souk-payments";
const READ_MODELS: &str = "souk-read-models";
const MIGRATE: &str = "souk-migrate";
const SWEEPER: &str = "souk-sweeper";
const ORDER_PROCESS: &str = "souk-order-process";
const RECONCILE: &str = "souk-reconcile";
const WEBHOOKS: &str = "souk-webhooks";
/// What the catalog function answers, as route keys of an HTTP API; the orders function has what no
/// other has.
const CATALOG_ROUTES: [&str; 8] = [
    "ANY /v1/catalog-imports",
    "ANY /v1/catalog-imports/{proxy+}",
    "ANY /v1/pricing-rules",
    "ANY /v1/pricing-rules/{proxy+}",
    "ANY /v1/products",
    "ANY /v1/products/{proxy+}",
    "ANY /v1/skus",
    "ANY /v1/skus/{proxy+}",
];
/// The same of the payments function.
const PAYMENTS_ROUTES: [&str; 7] = [
    "ANY /v1/payment-intents",
    "ANY /v1/payment-intents/{proxy+}",
    "ANY /v1/refunds",
    "ANY /v1/refunds/{proxy+}",
    "ANY /v1/disputes",
    "ANY /v1/disputes/{proxy+}",
    "ANY /v1/psp/{proxy+}",
];
/// The same of the webhooks function.
const WEBHOOKS_ROUTES: [&str; 2] = [
    "ANY /v1/webhook-endpoints",
    "ANY /v1/webhook-endpoints/{proxy+}",
];
/// Some attempts one after the other; each takes up to 15 s.
const WEBHOOKS_TIMEOUT_S: i32 = 60;
/// As long as the edge waits.
const PAYMENTS_TIMEOUT_S: i32 = 10;
const CATALOG_TIMEOUT_S: i32 = 10;
const ORDERS_TIMEOUT_S: i32 = 10;
const SWEEPER_TIMEOUT_S: i32 = 30;
const ORDER_PROCESS_TIMEOUT_S: i32 = 30;
const RECONCILE_TIMEOUT_S: i32 = 900;
const OUTBOX_RELAY_TIMEOUT_S: i32 = 30;
const READ_MODELS_TIMEOUT_S: i32 = 30;
const MIGRATE_TIMEOUT_S: i32 = 300;
/// AWS's advice: a message stays hidden six times as long as its function may run.
const VISIBILITY_TIMEOUT_S: i32 = 180;

/// Where a function finds the directory, and the shards.
const DIRECTORY: &str = "SOUK_DIRECTORY_DATABASE_URL";
const SHARDS: &str = "SOUK_SHARDS";
/// `souk_sk_` and what an operator may see of a key besides.
const SHOWN_PREFIX_CHARS: usize = 14;
const BATCH_SIZE: i32 = 10;
const EACH_MINUTE: &str = "rate(1 minute)";
const EACH_DAY: &str = "rate(1 day)";
/// Two relays share the lanes; more would only wait for each other.
const RELAYS_MAX: i32 = 2;
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// MiniStack does not look at it.
const ROLE: &str = "arn:aws:iam::000000000000:role/souk-local";

/// Makes the HTTP API before the functions that it calls, which may come later. Returns the base URL
/// of its `$default` stage.
pub(crate) async fn http_api(cloud: &Cloud) -> Result<String> {
    let api = cloud
        .api_gateway
        .create_api()
        .name("souk")
        .protocol_type(ProtocolType::Http)
        .send()
        .await
        .context("cannot make the HTTP API")?;
    let id = api.api_id().context("an HTTP API has an id")?;
    let (orders, catalog, payments, webhooks) = tokio::try_join!(
        integration(cloud, id, ORDERS),
        integration(cloud, id, CATALOG),
        integration(cloud, id, PAYMENTS),
        integration(cloud, id, WEBHOOKS),
    )?;
    route(cloud, id, "$default", &orders).await?;
    for key in CATALOG_ROUTES {
        route(cloud, id, key, &catalog).await?;
    }
    for key in PAYMENTS_ROUTES {
        route(cloud, id, key, &payments).await?;
    }
    for key in WEBHOOKS_ROUTES {
        route(cloud, id, key, &webhooks).await?;
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
}

/// Queue URLs.
struct Queues {
    doorbell: String,
    read_models: String,
    order_process: String,
    webhooks: String,
}

impl Queues {
    /// Where the relay finds the queue of each consumer.
    fn of_events(&self) -> (&'static str, String) {
        let urls = json!({
            "read_models": self.read_models,
            "order_process": self.order_process,
            "webhooks": self.webhooks,
        });
        ("SOUK_EVENT_QUEUES", urls.to_string())
    }
}

impl Deployment<'_> {
    /// Queues, then the schema, then what uses both.
    pub(crate) async fn run(&self) -> Result<()> {
        let (queues, ()) = tokio::try_join!(self.queues(), self.migrate())?;
        tokio::try_join!(
            self.orders(&queues),
            self.catalog(),
            self.payments(&queues),
            self.webhooks(),
            self.outbox_relay(&queues),
            self.read_models(),
            self.sweeper(&queues),
            self.order_process(&queues),
            self.reconcile(),
        )?;
        Ok(())
    }

    async fn queues(&self) -> Result<Queues> {
        let (doorbell, read_models, order_process, webhooks) = tokio::try_join!(
            self.queue(DOORBELL_QUEUE, DOORBELL_DLQ),
            self.queue(READ_MODELS_QUEUE, READ_MODELS_DLQ),
            self.queue(ORDER_PROCESS_QUEUE, ORDER_PROCESS_DLQ),
            self.queue(WEBHOOKS_QUEUE, WEBHOOKS_DLQ),
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
    async fn queue(&self, name: &str, dlq_name: &str) -> Result<String> {
        self.bare_queue(dlq_name).await?;
        let url = self.bare_queue(name).await?;
        let redrive = json!({
            "deadLetterTargetArn": arn("sqs", dlq_name),
            "maxReceiveCount": RECEIVES_MAX,
        });
        self.cloud
            .sqs
            .set_queue_attributes()
            .queue_url(&url)
            .attributes(
                QueueAttributeName::VisibilityTimeout,
                VISIBILITY_TIMEOUT_S.to_string(),
            )
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
            .send()
            .await
            .with_context(|| format!("cannot set up the queue {name}"))?;
        Ok(url)
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
        self.function(MIGRATE, MIGRATE_TIMEOUT_S, variables).await?;
        let demo_tenants: Vec<_> = secrets.tenants().iter().map(demo_tenant).collect();
        let request = json!({ "seed_demo": demo_tenants });
        let answer = self
            .cloud
            .lambda
            .invoke()
            .function_name(MIGRATE)
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
            ("SOUK_DOORBELL_QUEUE_URL", queues.doorbell.clone()),
        ]);
        self.function(ORDERS, ORDERS_TIMEOUT_S, variables).await
    }

    async fn catalog(&self) -> Result<()> {
        let mut variables = self.tenant_databases(Servers::All)?;
        variables.push(self.edge_keys());
        self.function(CATALOG, CATALOG_TIMEOUT_S, variables).await
    }

    async fn payments(&self, queues: &Queues) -> Result<()> {
        let mut variables = self.tenant_databases(Servers::All)?;
        variables.extend([
            self.edge_keys(),
            ("SOUK_DOORBELL_QUEUE_URL", queues.doorbell.clone()),
        ]);
        variables.extend(self.psp());
        self.function(PAYMENTS, PAYMENTS_TIMEOUT_S, variables).await
    }

    /// It may send to what runs on this machine, which nothing but the local cloud is allowed.
    async fn webhooks(&self) -> Result<()> {
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
        self.function(WEBHOOKS, WEBHOOKS_TIMEOUT_S, variables)
            .await?;
        self.event_source(WEBHOOKS_QUEUE, WEBHOOKS, None).await?;
        self.each_minute("souk-webhooks-due", WEBHOOKS).await
    }

    async fn outbox_relay(&self, queues: &Queues) -> Result<()> {
        let shards = self.databases.shards(Role::Relay, Servers::Primary)?;
        let variables = vec![(SHARDS, shards), queues.of_events()];
        self.function(OUTBOX_RELAY, OUTBOX_RELAY_TIMEOUT_S, variables)
            .await?;
        self.event_source(DOORBELL_QUEUE, OUTBOX_RELAY, Some(RELAYS_MAX))
            .await?;
        self.each_minute("souk-outbox-sweep", OUTBOX_RELAY).await
    }

    async fn read_models(&self) -> Result<()> {
        let variables = self.tenant_databases(Servers::Primary)?;
        self.function(READ_MODELS, READ_MODELS_TIMEOUT_S, variables)
            .await?;
        self.event_source(READ_MODELS_QUEUE, READ_MODELS, None)
            .await
    }

    async fn sweeper(&self, queues: &Queues) -> Result<()> {
        let due = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend([
            ("SOUK_SWEEPER_SHARDS", due),
            ("SOUK_DOORBELL_QUEUE_URL", queues.doorbell.clone()),
        ]);
        variables.extend(self.psp());
        self.function(SWEEPER, SWEEPER_TIMEOUT_S, variables).await?;
        self.each_minute("souk-reservation-sweep", SWEEPER).await
    }

    async fn order_process(&self, queues: &Queues) -> Result<()> {
        let due = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.extend([
            ("SOUK_SWEEPER_SHARDS", due),
            ("SOUK_DOORBELL_QUEUE_URL", queues.doorbell.clone()),
        ]);
        variables.extend(self.psp());
        self.function(ORDER_PROCESS, ORDER_PROCESS_TIMEOUT_S, variables)
            .await?;
        self.event_source(ORDER_PROCESS_QUEUE, ORDER_PROCESS, None)
            .await?;
        self.each_minute("souk-order-deadlines", ORDER_PROCESS)
            .await
    }

    async fn reconcile(&self) -> Result<()> {
        let served = self.databases.shards(Role::Sweeper, Servers::Primary)?;
        let mut variables = self.tenant_databases(Servers::Primary)?;
        variables.push(("SOUK_SWEEPER_SHARDS", served));
        variables.extend(self.psp());
        self.function(RECONCILE, RECONCILE_TIMEOUT_S, variables)
            .await?;
        self.scheduled("souk-reconciliation", EACH_DAY, RECONCILE)
            .await
    }

    /// Makes a function and waits until it takes invocations.
    async fn function(
        &self,
        name: &str,
        timeout_s: i32,
        variables: Vec<(&'static str, String)>,
    ) -> Result<()> {
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
            .timeout(timeout_s)
            .memory_size(256)
            .environment(
                Environment::builder()
                    .set_variables(Some(environment))
                    .build(),
            )
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .send()
            .await
            .with_context(|| format!("cannot make the function {name}"))?;
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
    async fn event_source(&self, queue: &str, function: &str, max: Option<i32>) -> Result<()> {
        let mut request = self
            .cloud
            .lambda
            .create_event_source_mapping()
            .event_source_arn(arn("sqs", queue))
            .function_name(function)
            .batch_size(BATCH_SIZE)
            .function_response_types(FunctionResponseType::ReportBatchItemFailures);
        if let Some(max) = max {
            request =
                request.scaling_config(ScalingConfig::builder().maximum_concurrency(max).build());
        }
        request
            .send()
            .await
            .with_context(|| format!("cannot let {queue} feed {function}"))?;
        Ok(())
    }

    /// Lets a function run each minute, whatever else wakes it.
    async fn each_minute(&self, schedule: &str, function: &str) -> Result<()> {
        self.scheduled(schedule, EACH_MINUTE, function).await
    }

    async fn scheduled(&self, schedule: &str, rate: &str, function: &str) -> Result<()> {
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
            .schedule_expression(rate)
            .flexible_time_window(at_once)
            .target(target)
            .send()
            .await
            .with_context(|| format!("cannot make the schedule {schedule}"))?;
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
