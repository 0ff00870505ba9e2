//! Deploys into MiniStack through the AWS API, as Terraform does into an account: queues, functions,
//! HTTP API, event source mappings, schedule.

use super::Databases;
use super::cloud::{Cloud, arn};
use super::secrets::Secrets;
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
use std::collections::HashMap;
use std::fs;
use tokio::time::{sleep, timeout};
use url::Url;

const DOORBELL_QUEUE: &str = "souk-doorbell";
const DOORBELL_DLQ: &str = "souk-doorbell-dlq";
const READ_MODELS_QUEUE: &str = "souk-read-models.fifo";
const READ_MODELS_DLQ: &str = "souk-read-models-dlq.fifo";
/// SQS wants it in the name of a FIFO queue.
const FIFO_SUFFIX: &str = ".fifo";
const RECEIVES_MAX: u32 = 5;

const ORDERS: &str = "souk-orders";
const OUTBOX_RELAY: &str = "souk-outbox-relay";
const READ_MODELS: &str = "souk-read-models";
const MIGRATE: &str = "souk-migrate";
const ORDERS_TIMEOUT_S: i32 = 10;
const OUTBOX_RELAY_TIMEOUT_S: i32 = 30;
const READ_MODELS_TIMEOUT_S: i32 = 30;
const MIGRATE_TIMEOUT_S: i32 = 300;
/// AWS's advice: a message stays hidden six times as long as its function may run.
const VISIBILITY_TIMEOUT_S: i32 = 180;

const BATCH_SIZE: i32 = 10;
/// Two relays share the lanes; more would only wait for each other.
const RELAYS_MAX: i32 = 2;
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// MiniStack does not look at it.
const ROLE: &str = "arn:aws:iam::000000000000:role/souk-local";

/// Makes the HTTP API, all of whose requests go to the orders function, which may come later.
/// Returns the base URL of its `$default` stage.
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
    let integration = cloud
        .api_gateway
        .create_integration()
        .api_id(id)
        .integration_type(IntegrationType::AwsProxy)
        .integration_uri(arn("lambda", &format!("function:{ORDERS}")))
        .payload_format_version("2.0")
        .send()
        .await
        .context("cannot make the integration of the HTTP API")?;
    let integration_id = integration
        .integration_id()
        .context("an integration has an id")?;
    cloud
        .api_gateway
        .create_route()
        .api_id(id)
        .route_key("$default")
        .target(format!("integrations/{integration_id}"))
        .send()
        .await
        .context("cannot make the route of the HTTP API")?;
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

/// Queues, then the schema, then what uses both.
pub(crate) async fn deploy(
    cloud: &Cloud,
    artefacts: &Artefacts,
    databases: &Databases,
    secrets: &Secrets,
) -> Result<()> {
    let deployment = Deployment {
        cloud,
        artefacts,
        databases,
        secrets,
    };
    let (queues, ()) = tokio::try_join!(deployment.queues(), deployment.migrate())?;
    tokio::try_join!(
        deployment.orders(&queues),
        deployment.outbox_relay(&queues),
        deployment.read_models(),
    )?;
    Ok(())
}

struct Deployment<'a> {
    cloud: &'a Cloud,
    artefacts: &'a Artefacts,
    databases: &'a Databases,
    secrets: &'a Secrets,
}

/// Queue URLs.
struct Queues {
    doorbell: String,
    read_models: String,
}

impl Deployment<'_> {
    async fn queues(&self) -> Result<Queues> {
        let (doorbell, read_models) = tokio::try_join!(
            self.queue(DOORBELL_QUEUE, DOORBELL_DLQ),
            self.queue(READ_MODELS_QUEUE, READ_MODELS_DLQ),
        )?;
        Ok(Queues {
            doorbell,
            read_models,
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

    /// Runs the migrations and enters the demo tenant.
    async fn migrate(&self) -> Result<()> {
        let variables = [
            ("SOUK_APP_ROLE_PASSWORD", self.secrets.app_password.clone()),
            (
                "SOUK_RELAY_ROLE_PASSWORD",
                self.secrets.relay_password.clone(),
            ),
        ];
        self.function(
            MIGRATE,
            MIGRATE_TIMEOUT_S,
            &self.databases.owner,
            &variables,
        )
        .await?;
        let request = json!({"seed_demo": {"tenant_id": self.secrets.tenant_id}});
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
        if report.get("seeded") != Some(&json!(true)) {
            bail!("the migration made no demo tenant: {text}");
        }
        Ok(())
    }

    async fn orders(&self, queues: &Queues) -> Result<()> {
        let keys = json!({ (self.secrets.signing_key_id.as_str()): self.secrets.signing_key });
        let variables = [
            ("SOUK_EDGE_KEYS", keys.to_string()),
            ("SOUK_DOORBELL_QUEUE_URL", queues.doorbell.clone()),
        ];
        self.function(ORDERS, ORDERS_TIMEOUT_S, &self.databases.app, &variables)
            .await
    }

    async fn outbox_relay(&self, queues: &Queues) -> Result<()> {
        let variables = [("SOUK_READ_MODELS_QUEUE_URL", queues.read_models.clone())];
        self.function(
            OUTBOX_RELAY,
            OUTBOX_RELAY_TIMEOUT_S,
            &self.databases.relay,
            &variables,
        )
        .await?;
        self.event_source(DOORBELL_QUEUE, OUTBOX_RELAY, Some(RELAYS_MAX))
            .await?;
        self.sweep().await
    }

    async fn read_models(&self) -> Result<()> {
        self.function(READ_MODELS, READ_MODELS_TIMEOUT_S, &self.databases.app, &[])
            .await?;
        self.event_source(READ_MODELS_QUEUE, READ_MODELS, None)
            .await
    }

    /// Makes a function and waits until it takes invocations.
    async fn function(
        &self,
        name: &str,
        timeout_s: i32,
        database: &Url,
        variables: &[(&str, String)],
    ) -> Result<()> {
        let mut environment = HashMap::from([
            ("SOUK_DATABASE_URL".to_owned(), database.to_string()),
            ("SOUK_LOG".to_owned(), "info".to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), self.cloud.endpoint.clone()),
        ]);
        for (variable, value) in variables {
            environment.insert((*variable).to_owned(), value.clone());
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

    /// The relay runs each minute, whether or not a doorbell was heard.
    async fn sweep(&self) -> Result<()> {
        let target = Target::builder()
            .arn(arn("lambda", &format!("function:{OUTBOX_RELAY}")))
            .role_arn(ROLE)
            .input(json!({"source": "souk.sweep"}).to_string())
            .build()?;
        let at_once = FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Off)
            .build()?;
        self.cloud
            .scheduler
            .create_schedule()
            .name("souk-outbox-sweep")
            .schedule_expression("rate(1 minute)")
            .flexible_time_window(at_once)
            .target(target)
            .send()
            .await
            .context("cannot make the schedule of the sweep")?;
        Ok(())
    }
}
