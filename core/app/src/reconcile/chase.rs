//! Looks after refunds and payments that have been under way for too long.

use super::report::{ReconcileReport, Resolution};
use super::second_look::Looker;
use crate::payments::run_operation;
use crate::{AppError, PaymentProvider, ProviderError};
use souk_domain::payment::{IntentStatus, OperationKind, Payment, RefundStatus};
use souk_domain::reconcile::{Difference, DifferenceKind};
use souk_postgres::books::{self, Lingering};
use souk_postgres::payments;
use time::Duration;

/// A refund or a payment that has been under way since then is looked after here.
const LINGERS_SINCE: Duration = Duration::hours(-24);
/// Refunds and payments looked after in one run at most, of each.
const LINGERING_MAX: u16 = 500;

/// Asks the PSP for each of them, merges what it shows, sends again what never got there, and reports those
/// that are under way still, or were until now.
pub(super) async fn chase<P: PaymentProvider>(
    looker: &Looker<'_, P>,
    report: &mut ReconcileReport,
) -> Result<(), AppError> {
    let before = looker.tools.clock.now().plus(LINGERS_SINCE)?;
    let mut tx = looker.tools.db.begin(looker.tenant).await?;
    let lingering = books::lingering(&mut tx, before, LINGERING_MAX).await?;
    tx.commit().await?;
    for one in lingering {
        if let Err(error) = ask(looker, &one).await? {
            let what = format!("payment intent {}: {error}", one.intent);
            report.incomplete.push(what);
            continue;
        }
        let Some(asked) = load(looker, &one).await? else {
            continue;
        };
        if is_under_way(&asked, &one) {
            let operations = asked
                .operations
                .iter()
                .filter(|operation| operation.is_pending());
            for operation in operations.filter(|operation| is_of(&operation.kind, &one)) {
                run_operation(looker.tools, looker.provider, looker.tenant, operation.id).await?;
            }
        }
        let Some(now) = load(looker, &one).await? else {
            continue;
        };
        let resolution = if is_under_way(&now, &one) {
            Resolution::Open
        } else {
            looker.standing(one.intent).await?
        };
        report.found(difference(&now, &one), resolution);
    }
    Ok(())
}

/// The inner error is the PSP's.
async fn ask<P: PaymentProvider>(
    looker: &Looker<'_, P>,
    one: &Lingering,
) -> Result<Result<(), ProviderError>, AppError> {
    let (provider, tenant) = (looker.provider, looker.tenant);
    let said = if let Some(payment) = &one.payment {
        provider.retrieve(tenant, payment).await.map(Some)
    } else {
        provider.find(tenant, one.intent, one.created_at).await
    };
    match said {
        Ok(said) => {
            looker.merge(said.as_ref(), &[]).await?;
            Ok(Ok(()))
        }
        Err(ProviderError::NotFound) => Ok(Ok(())),
        Err(error) => Ok(Err(error)),
    }
}

async fn load<P: PaymentProvider>(
    looker: &Looker<'_, P>,
    one: &Lingering,
) -> Result<Option<Payment>, AppError> {
    let mut tx = looker.tools.db.begin(looker.tenant).await?;
    let payment = payments::load(&mut tx, one.intent).await?;
    tx.commit().await?;
    Ok(payment)
}

fn is_under_way(payment: &Payment, one: &Lingering) -> bool {
    match one.refund {
        None => payment.intent.status == IntentStatus::Processing,
        Some(id) => payment
            .refunds
            .iter()
            .any(|refund| refund.id == id && refund.status == RefundStatus::Pending),
    }
}

fn is_of(kind: &OperationKind, one: &Lingering) -> bool {
    match kind {
        OperationKind::Refund { refund, .. } => one.refund == Some(*refund),
        OperationKind::Authorize { .. } => one.refund.is_none(),
        OperationKind::Capture { .. } | OperationKind::Void => false,
    }
}

fn difference(payment: &Payment, one: &Lingering) -> Difference {
    let refund = payment
        .refunds
        .iter()
        .find(|refund| Some(refund.id) == one.refund);
    let (kind, source, amount) = match refund {
        Some(refund) => (
            DifferenceKind::RefundLate,
            refund.id.to_string(),
            refund.amount,
        ),
        None => (
            DifferenceKind::PaymentStuck,
            String::new(),
            payment.intent.amount,
        ),
    };
    Difference {
        kind,
        payment: payment.intent.provider_payment.clone(),
        intent: Some(one.intent),
        source,
        ours_minor: amount.amount_minor(),
        theirs_minor: 0,
        currency: amount.currency(),
    }
}
