//! Takes what the PSP tells by webhook.

use super::apply_provider_dispute::merge_dispute;
use super::apply_provider_payment::merge;
use super::write::souk_itself;
use crate::{AppError, PaymentProvider, ProviderError, Tools};
use souk_domain::TenantId;
use souk_domain::payment::{ProviderDispute, ProviderPayment, ProviderPaymentId};
use souk_postgres::payments;

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderEventObject {
    /// A payment, or a refund of it.
    Payment(ProviderPaymentId),
    /// A dispute, by the PSP's id of it.
    Dispute(String),
    /// Nothing that Souk knows of.
    Other,
}

/// An event of the PSP, whose signature was verified. Of its content nothing is believed: what it is
/// about is fetched as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The PSP's id of it, 1 to 255 bytes: its effect is had once.
    pub id: String,
    /// The PSP's word for what happened.
    pub kind: String,
    /// What it is about.
    pub object: ProviderEventObject,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// What it is about was merged.
    Applied,
    /// It had its effect before.
    Duplicate,
    /// It is about nothing of this tenant's.
    Ignored,
}

/// What was fetched.
enum Fetched {
    Payment(Box<ProviderPayment>),
    Dispute(Box<ProviderDispute>, Option<Box<ProviderPayment>>),
    Nothing,
}

/// Fetches what the event is about, while no transaction is open, and merges it with the note that the
/// event was received, in one transaction: whoever answers the PSP after this may forget the event.
///
/// # Errors
/// [`AppError::Provider`] when the PSP cannot be asked: the event is to be sent again.
/// [`AppError::Database`].
pub async fn receive_provider_event<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    event: &ProviderEvent,
) -> Result<Received, AppError> {
    let mut tx = tools.db.begin(tenant).await?;
    let known = payments::is_accepted(&mut tx, &event.id).await;
    tx.rollback().await?;
    if known? {
        return Ok(Received::Duplicate);
    }
    let fetched = fetch(provider, tenant, &event.object).await?;
    let now = tools.clock.now();
    let caller = souk_itself(tools, tenant, now);
    let mut tx = tools.db.begin(tenant).await?;
    let received = async {
        if !payments::accept(&mut tx, &event.id, &event.kind, now).await? {
            return Ok(Received::Duplicate);
        }
        let applied = match &fetched {
            Fetched::Payment(said) => merge(tools, &mut tx, &caller, said).await?.is_some(),
            Fetched::Dispute(said, payment) => {
                if let Some(payment) = payment {
                    merge(tools, &mut tx, &caller, payment).await?;
                }
                merge_dispute(tools, &mut tx, &caller, said)
                    .await?
                    .is_some()
            }
            Fetched::Nothing => false,
        };
        Ok(if applied {
            Received::Applied
        } else {
            Received::Ignored
        })
    }
    .await;
    match received {
        Ok(Received::Duplicate) | Err(_) => tx.rollback().await?,
        Ok(Received::Applied | Received::Ignored) => tx.commit().await?,
    }
    received
}

async fn fetch<P: PaymentProvider>(
    provider: &P,
    tenant: TenantId,
    object: &ProviderEventObject,
) -> Result<Fetched, ProviderError> {
    match object {
        ProviderEventObject::Payment(id) => match provider.retrieve(tenant, id).await {
            Ok(said) => Ok(Fetched::Payment(Box::new(said))),
            Err(ProviderError::NotFound) => Ok(Fetched::Nothing),
            Err(error) => Err(error),
        },
        ProviderEventObject::Dispute(id) => match provider.dispute(tenant, id).await {
            Ok(said) => {
                // A dispute of a payment that is not known by its id yet.
                let payment = match provider.retrieve(tenant, &said.payment).await {
                    Ok(payment) => Some(Box::new(payment)),
                    Err(ProviderError::NotFound) => None,
                    Err(error) => return Err(error),
                };
                Ok(Fetched::Dispute(Box::new(said), payment))
            }
            Err(ProviderError::NotFound) => Ok(Fetched::Nothing),
            Err(error) => Err(error),
        },
        ProviderEventObject::Other => Ok(Fetched::Nothing),
    }
}
