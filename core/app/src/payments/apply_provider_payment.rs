//! Merges what the PSP says of a payment, whichever door it came through.

use super::drive::load_locked;
use super::write::{souk_itself, write};
use crate::{AppError, Caller, Tools};
use souk_domain::payment::{PaymentIntent, ProviderPayment};
use souk_domain::{PaymentIntentId, TenantId};
use souk_postgres::{TenantTx, payments};

/// Merges a snapshot that was fetched from the PSP. Nothing where it is not of a payment of this tenant.
/// Safe to repeat, and in any order: an older snapshot changes nothing.
///
/// # Errors
/// [`AppError::Database`], [`AppError::Event`].
pub async fn apply_provider_payment(
    tools: &Tools,
    tenant: TenantId,
    said: &ProviderPayment,
) -> Result<Option<PaymentIntent>, AppError> {
    let caller = souk_itself(tools, tenant, tools.clock.now());
    let mut tx = tools.db.begin(tenant).await?;
    match merge(tools, &mut tx, &caller, said).await {
        Ok(intent) => {
            tx.commit().await?;
            Ok(intent)
        }
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// The same, in a transaction that is open.
pub(super) async fn merge(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    said: &ProviderPayment,
) -> Result<Option<PaymentIntent>, AppError> {
    let Some(intent) = find(tx, said).await? else {
        return Ok(None);
    };
    let now = tools.clock.now();
    let before = load_locked(tx, intent).await?;
    let fresh = &mut || tools.ids.uuid_v7(now);
    let transition = before.clone().observe(said, None, now, fresh);
    let payment = write(tools, tx, caller, Some(&before), (transition, now)).await?;
    Ok(Some(payment.intent))
}

/// The intent that the PSP's payment pays: by the PSP's id, or, where the PSP was faster than its own
/// answer, by the name that it was given.
pub(super) async fn find(
    tx: &mut TenantTx,
    said: &ProviderPayment,
) -> Result<Option<PaymentIntentId>, AppError> {
    if let Some(intent) = payments::by_provider_payment(tx, &said.id).await? {
        return Ok(Some(intent));
    }
    let Some(named) = said.intent else {
        return Ok(None);
    };
    let intent = payments::load_intent(tx, named).await?;
    Ok(intent.map(|intent| intent.id))
}
