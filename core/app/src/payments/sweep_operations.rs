//! Looks after payments that nobody has finished.

use super::apply_provider_payment::apply_provider_payment;
use super::drive::load_locked;
use super::run_operation::{run_operation, send_and_settle};
use super::write::{souk_itself, write};
use crate::sweep::do_until;
use crate::{AppError, PaymentProvider, Tools};
use core::future::Future;
use souk_domain::payment::{IntentStatus, Payment, Reason};
use souk_domain::{PaymentIntentId, ProviderOperationId, TenantId};
use souk_postgres::Database;
use souk_postgres::payments::{self, DueOperation, DuePayment};
use tokio::time::Instant;

/// Bounds of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentSweepSettings {
    /// Rows read at a time.
    pub batch_size_max: u16,
    /// Payments looked after at the same time, each with a call of the PSP.
    pub concurrency_max: u8,
}

impl Default for PaymentSweepSettings {
    fn default() -> Self {
        Self {
            batch_size_max: 200,
            concurrency_max: 4,
        }
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaymentSweepReport {
    /// Operations that were sent again.
    pub operations: u64,
    /// Payments that were looked at.
    pub payments: u64,
    /// What somebody else was faster with.
    pub settled_by_others: u64,
    /// What could not be done now; the next sweep tries again.
    pub failed: u64,
    /// Whether time ran out before the end.
    pub out_of_time: bool,
}

/// How long a payment is left alone that could not be looked at.
const PUT_OFF: time::Duration = time::Duration::minutes(5);

/// Sends operations again whose outcome is not known, looks at payments that nothing was heard of for
/// too long, and lets go authorizations that have run out: of all tenants in the database `due_in`,
/// what is due longest first. `due_in` is read by the role `souk_sweeper`; everything else happens for
/// its tenant through `tools`. Ends at `stop_at`, or when nothing more is due.
///
/// Safe to run twice at a time: each operation is taken by one, and has its effect once anyway.
///
/// # Errors
/// When `due_in` cannot be read. What fails for one payment does not hold up the others.
pub async fn sweep_operations<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    due_in: &Database,
    settings: PaymentSweepSettings,
    stop_at: Instant,
) -> Result<PaymentSweepReport, AppError> {
    let mut report = PaymentSweepReport::default();
    let mut after: Option<DueOperation> = None;
    loop {
        let now = tools.clock.now();
        let due = payments::due_operations(due_in, now, after, settings.batch_size_max).await?;
        let Some(last) = due.last() else { break };
        after = Some(*last);
        let work = due.into_iter().map(|due| async move {
            let done = run_operation(tools, provider, due.tenant, due.operation).await?;
            Ok(done.is_some())
        });
        let done = all(work, settings, stop_at, &mut report).await;
        report.operations = report.operations.saturating_add(done);
        if report.out_of_time {
            return Ok(report);
        }
    }
    let mut after: Option<DuePayment> = None;
    loop {
        let now = tools.clock.now();
        let due = payments::due_payments(due_in, now, after, settings.batch_size_max).await?;
        let Some(last) = due.last() else { break };
        after = Some(*last);
        let work = due.into_iter().map(|due| look_after(tools, provider, due));
        let done = all(work, settings, stop_at, &mut report).await;
        report.payments = report.payments.saturating_add(done);
        if report.out_of_time {
            return Ok(report);
        }
    }
    Ok(report)
}

/// Does the work, some at a time; returns how much of it was done.
async fn all<W: Future<Output = Result<bool, AppError>>>(
    work: impl Iterator<Item = W>,
    settings: PaymentSweepSettings,
    stop_at: Instant,
    report: &mut PaymentSweepReport,
) -> u64 {
    let outcomes = do_until(stop_at, settings.concurrency_max, work).await;
    let mut done = 0_u64;
    for outcome in outcomes {
        match outcome {
            None => report.out_of_time = true,
            Some(Ok(true)) => done = done.saturating_add(1),
            Some(Ok(false)) => {
                report.settled_by_others = report.settled_by_others.saturating_add(1);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a payment could not be looked after");
                report.failed = report.failed.saturating_add(1);
            }
        }
    }
    done
}

/// Lets go an authorization that has run out, or asks the PSP how the payment stands.
async fn look_after<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    due: DuePayment,
) -> Result<bool, AppError> {
    match expire(tools, due.tenant, due.intent).await? {
        Expiry::Gone => return Ok(false),
        Expiry::Voiding(operation) => {
            return send_now(tools, provider, due.tenant, operation).await;
        }
        Expiry::Canceled => return Ok(true),
        Expiry::Not(payment) => {
            let id = payment.intent.provider_payment.as_ref();
            let said = match id {
                Some(id) => provider.retrieve(due.tenant, id).await,
                None => Err(crate::ProviderError::NotFound),
            };
            match said {
                Ok(said) => apply_provider_payment(tools, due.tenant, &said).await?,
                Err(error) => {
                    put_off(tools, due).await?;
                    return Err(error.into());
                }
            }
        }
    };
    Ok(true)
}

enum Expiry {
    /// It is not due any more.
    Gone,
    /// Its authorization has run out: this lets it go at the PSP.
    Voiding(ProviderOperationId),
    /// It has run out, and the PSP never knew of it.
    Canceled,
    /// It has not.
    Not(Box<Payment>),
}

async fn expire(
    tools: &Tools,
    tenant: TenantId,
    intent: PaymentIntentId,
) -> Result<Expiry, AppError> {
    let now = tools.clock.now();
    let caller = souk_itself(tools, tenant, now);
    let mut tx = tools.db.begin(tenant).await?;
    let expired = async {
        let before = load_locked(&mut tx, intent).await?;
        if before.intent.due_at.is_none_or(|due| due > now) {
            return Ok(Expiry::Gone);
        }
        let run_out = before.intent.status == IntentStatus::RequiresCapture
            && before.intent.captured.amount_minor() == 0
            && before
                .intent
                .authorization_expires_at
                .is_some_and(|at| at <= now)
            && before.pending_operation().is_none();
        if !run_out {
            return Ok(Expiry::Not(Box::new(before)));
        }
        let fresh = &mut || tools.ids.uuid_v7(now);
        let reason = Some(Reason::authorization_expired());
        let transition = before.clone().cancel(reason, now, fresh)?;
        let payment = write(tools, &mut tx, &caller, Some(&before), (transition, now)).await?;
        let voiding = payment.pending_operation().map(|operation| operation.id);
        Ok(voiding.map_or(Expiry::Canceled, Expiry::Voiding))
    }
    .await;
    match &expired {
        Ok(Expiry::Voiding(_) | Expiry::Canceled) => tx.commit().await?,
        Ok(Expiry::Gone | Expiry::Not(_)) | Err(_) => tx.rollback().await?,
    }
    expired
}

/// Sends an operation that was just decided.
async fn send_now<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    operation: ProviderOperationId,
) -> Result<bool, AppError> {
    let mut tx = tools.db.begin(tenant).await?;
    let payment = async {
        let intent = payments::find_operation(&mut tx, operation).await?;
        let intent = intent.ok_or(AppError::PaymentIntentNotFound)?;
        let payment = payments::load(&mut tx, intent).await?;
        payment.ok_or(AppError::PaymentIntentNotFound)
    }
    .await;
    tx.rollback().await?;
    let sent = send_and_settle(tools, provider, tenant, &payment?, (operation, true)).await?;
    Ok(sent.is_some())
}

async fn put_off(tools: &Tools, due: DuePayment) -> Result<(), AppError> {
    let until = tools.clock.now().plus(PUT_OFF)?;
    let mut tx = tools.db.begin(due.tenant).await?;
    payments::put_off(&mut tx, due.intent, until).await?;
    tx.commit().await?;
    Ok(())
}
