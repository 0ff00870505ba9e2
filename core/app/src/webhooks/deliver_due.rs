//! Attempts what is due.

use super::record_attempt::{Recorded, record_attempt};
use super::{OutgoingWebhook, SealingKeys, WebhookRefusal, WebhookSender};
use crate::{AppError, Tools};
use core::time::Duration;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use souk_domain::webhook::{AttemptOutcome, Jitter, WebhookSecret, signatures};
use souk_domain::{TenantId, Timestamp};
use souk_postgres::webhooks::{self, ClaimedDelivery};
use souk_postgres::{Database, TenantTx};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// Tenants that are asked for at a time.
const TENANTS_PER_PAGE: u16 = 200;
/// Deliveries of disabled endpoints that are skipped at a time.
const SKIPPED_PER_CLAIM_MAX: u16 = 500;

/// What deliveries are attempted with.
#[derive(Debug)]
pub struct WebhookTools<S> {
    /// For the use cases.
    pub tools: Tools,
    /// Opens the secrets.
    pub keys: Arc<SealingKeys>,
    /// Sends.
    pub sender: S,
    /// Bounds.
    pub settings: DeliverySettings,
}

/// Bounds of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverySettings {
    /// For how long an attempt's delivery is nobody else's. Longer than the sender takes, by far.
    pub lease: Duration,
    /// Attempts at the same time.
    pub concurrency_max: u8,
    /// Of them to one endpoint, by all runs: a slow endpoint does not hold up all others.
    pub per_endpoint_max: u8,
    /// Whether waits are spread.
    pub jitter: bool,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            concurrency_max: 8,
            per_endpoint_max: 4,
            jitter: true,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// Attempts that delivered.
    pub delivered: u64,
    /// Attempts that did not.
    pub failed: u64,
    /// Attempts whose delivery somebody else had taken over before they ended.
    pub overtaken: u64,
    /// Endpoints that were disabled.
    pub disabled: u64,
    /// Deliveries that were skipped.
    pub skipped: u64,
    /// What could not be read or written for a tenant; its deliveries come up again.
    pub errors: u64,
    /// Whether time ran out before the end.
    pub out_of_time: bool,
}

impl DeliveryReport {
    fn count(&mut self, recorded: Recorded) {
        let one = match recorded.outcome {
            AttemptOutcome::Delivered => &mut self.delivered,
            AttemptOutcome::Started
            | AttemptOutcome::Failed
            | AttemptOutcome::Gone
            | AttemptOutcome::Lost => &mut self.failed,
        };
        *one = one.saturating_add(1);
        self.overtaken = self.overtaken.saturating_add(u64::from(!recorded.in_time));
        self.disabled = self
            .disabled
            .saturating_add(u64::from(recorded.disabled.is_some()));
    }

    /// What both did.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            delivered: self.delivered.saturating_add(other.delivered),
            failed: self.failed.saturating_add(other.failed),
            overtaken: self.overtaken.saturating_add(other.overtaken),
            disabled: self.disabled.saturating_add(other.disabled),
            skipped: self.skipped.saturating_add(other.skipped),
            errors: self.errors.saturating_add(other.errors),
            out_of_time: self.out_of_time || other.out_of_time,
        }
    }
}

/// Attempts what is due of all tenants in the database `due_in`, which is by the role `souk_sweeper`, until
/// nothing is, or until `stop_at`, after which no attempt begins.
///
/// Safe to run several times at once: a delivery is attempted by whoever has taken it.
///
/// # Errors
/// When `due_in` cannot be read. What fails for one tenant does not hold up the others.
pub async fn deliver_due<S: WebhookSender>(
    webhook_tools: &WebhookTools<S>,
    due_in: &Database,
    stop_at: Instant,
) -> Result<DeliveryReport, AppError> {
    let mut report = DeliveryReport::default();
    let mut after = None;
    loop {
        let now = webhook_tools.tools.clock.now();
        let tenants = webhooks::tenants_with_due(due_in, now, after, TENANTS_PER_PAGE).await?;
        let Some(last) = tenants.last() else {
            return Ok(report);
        };
        after = Some(*last);
        report = report.and(deliver_due_of(webhook_tools, tenants, stop_at).await);
        if report.out_of_time {
            return Ok(report);
        }
    }
}

/// The same for these tenants.
pub async fn deliver_due_of<S: WebhookSender>(
    webhook_tools: &WebhookTools<S>,
    tenants: impl IntoIterator<Item = TenantId>,
    stop_at: Instant,
) -> DeliveryReport {
    let run = Run {
        tools: webhook_tools,
        report: DeliveryReport::default(),
        stop_at,
    };
    run.until_done(tenants.into_iter().collect()).await
}

/// A delivery that was taken, with the secrets that sign it.
struct Taken {
    tenant: TenantId,
    claimed: ClaimedDelivery,
    secrets: Vec<WebhookSecret>,
    at: Timestamp,
}

struct Run<'a, S> {
    tools: &'a WebhookTools<S>,
    report: DeliveryReport,
    stop_at: Instant,
}

impl<S: WebhookSender> Run<'_, S> {
    /// Takes one delivery of a tenant after the other's, as many at the same time as may be, as long as
    /// something is due of any of them.
    async fn until_done(mut self, mut tenants: VecDeque<TenantId>) -> DeliveryReport {
        let mut under_way = FuturesUnordered::new();
        let concurrency_max = usize::from(self.tools.settings.concurrency_max.max(1));
        loop {
            while under_way.len() < concurrency_max {
                let Some(tenant) = tenants.pop_front() else {
                    break;
                };
                if Instant::now() >= self.stop_at {
                    self.report.out_of_time = true;
                    tenants.clear();
                    break;
                }
                match self.take(tenant).await {
                    // Nothing is due, or others attempt it.
                    Ok(None) => {}
                    Ok(Some(taken)) => {
                        tenants.push_back(tenant);
                        under_way.push(attempt(self.tools, taken));
                    }
                    Err(error) => self.held_up(tenant, &error),
                }
            }
            let Some((tenant, ended)) = under_way.next().await else {
                return self.report;
            };
            match ended {
                Ok(recorded) => {
                    self.report.count(recorded);
                    // Its end may be what another one of this tenant's has waited for.
                    if !tenants.contains(&tenant) {
                        tenants.push_back(tenant);
                    }
                }
                Err(error) => self.held_up(tenant, &error),
            }
        }
    }

    /// Takes a delivery, and skips those that have come due of disabled endpoints.
    async fn take(&mut self, tenant: TenantId) -> Result<Option<Taken>, AppError> {
        let (tools, settings) = (&self.tools.tools, self.tools.settings);
        let now = tools.clock.now();
        let mut tx = tools.db.begin(tenant).await?;
        let skipped = webhooks::skip_due_of_disabled(&mut tx, now, SKIPPED_PER_CLAIM_MAX).await?;
        let claimed =
            webhooks::claim(&mut tx, now, settings.lease, settings.per_endpoint_max).await?;
        let secrets = match &claimed {
            Some(claimed) => open_secrets(self.tools, &mut tx, claimed, now).await?,
            None => Vec::new(),
        };
        tx.commit().await?;
        self.report.skipped = self.report.skipped.saturating_add(skipped);
        Ok(claimed.map(|claimed| Taken {
            tenant,
            claimed,
            secrets,
            at: now,
        }))
    }

    fn held_up(&mut self, tenant: TenantId, error: &AppError) {
        tracing::warn!(tenant.id = %tenant, %error, "webhooks of a tenant are held up");
        self.report.errors = self.report.errors.saturating_add(1);
    }
}

/// Sends what was taken, and writes down what came of it. No transaction is open while it is sent.
async fn attempt<S: WebhookSender>(
    webhook_tools: &WebhookTools<S>,
    taken: Taken,
) -> (TenantId, Result<Recorded, AppError>) {
    let Taken {
        tenant,
        claimed,
        secrets,
        at,
    } = taken;
    let signatures = signatures(&secrets, claimed.event, at, &claimed.body);
    let webhook = OutgoingWebhook {
        url: &claimed.url,
        id: claimed.event,
        at,
        signatures: &signatures,
        body: &claimed.body,
    };
    let end = webhook_tools.sender.send(webhook).await;
    let jitter = if webhook_tools.settings.jitter {
        let failures = claimed.failures.saturating_add(1);
        Jitter::of(claimed.endpoint, claimed.event, failures)
    } else {
        Jitter::NONE
    };
    let recorded = record_attempt(&webhook_tools.tools, tenant, &claimed, end, jitter).await;
    (tenant, recorded)
}

async fn open_secrets<S>(
    webhook_tools: &WebhookTools<S>,
    tx: &mut TenantTx,
    claimed: &ClaimedDelivery,
    now: Timestamp,
) -> Result<Vec<WebhookSecret>, AppError> {
    let tenant = tx.tenant();
    let sealed = webhooks::all_secrets(tx, claimed.endpoint, now).await?;
    let opened = sealed
        .iter()
        .map(|secret| webhook_tools.keys.open(secret, tenant, claimed.endpoint))
        .collect::<Result<_, _>>();
    Ok(opened.map_err(WebhookRefusal::from)?)
}
