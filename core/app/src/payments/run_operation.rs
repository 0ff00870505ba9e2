//! Sends an operation again whose outcome is not known.

use super::drive::settle;
use super::send::send;
use super::write::souk_itself;
use crate::{AppError, PaymentProvider, Tools};
use core::time::Duration;
use souk_domain::payment::{Payment, PaymentIntent};
use souk_domain::{ProviderOperationId, TenantId};
use souk_postgres::payments;

/// How long an operation belongs to the one who sends it: longer than any call of the PSP takes.
const LEASE: Duration = Duration::from_secs(60);

/// Sends the operation with its own idempotency key, so that it has its effect once however often this
/// is called, and merges what the PSP says. Nothing where it is settled, or is not due yet.
///
/// # Errors
/// [`AppError::PaymentIntentNotFound`] for an operation that the tenant does not have;
/// [`AppError::Database`].
pub async fn run_operation<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    operation: ProviderOperationId,
) -> Result<Option<PaymentIntent>, AppError> {
    let Some(payment) = claim(tools, tenant, operation).await? else {
        return Ok(None);
    };
    send_and_settle(tools, provider, tenant, &payment, (operation, false)).await
}

/// Sends the operation, `first` or again, and merges what the PSP says; no transaction is open
/// meanwhile. Nothing where `payment` shows that it is settled.
pub(super) async fn send_and_settle<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    payment: &Payment,
    (operation, first): (ProviderOperationId, bool),
) -> Result<Option<PaymentIntent>, AppError> {
    let Some(pending) = payment.pending(operation) else {
        return Ok(None);
    };
    let caller = souk_itself(tools, tenant, tools.clock.now());
    let outcome = send(tools, provider, tenant, (payment, pending, first)).await;
    let mut tx = tools.db.begin(tenant).await?;
    match settle(tools, &mut tx, &caller, operation, outcome).await {
        Ok(payment) => {
            tx.commit().await?;
            Ok(Some(payment.intent))
        }
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// Takes the operation, if it is due, and the payment that it is wanted at.
async fn claim(
    tools: &Tools,
    tenant: TenantId,
    operation: ProviderOperationId,
) -> Result<Option<Payment>, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(tenant).await?;
    let claimed = async {
        let intent = payments::find_operation(&mut tx, operation).await?;
        let intent = intent.ok_or(AppError::PaymentIntentNotFound)?;
        if !payments::claim_operation(&mut tx, operation, now, LEASE).await? {
            return Ok(None);
        }
        let payment = payments::load(&mut tx, intent).await?;
        Ok(payment)
    }
    .await;
    match claimed {
        Ok(Some(payment)) => {
            tx.commit().await?;
            Ok(Some(payment))
        }
        other => {
            tx.rollback().await?;
            other
        }
    }
}
