//! Merges what the PSP says of a dispute.

use super::drive::load_locked;
use super::write::{book, souk_itself, tell, write};
use crate::{AppError, Caller, Tools};
use souk_domain::payment::{Dispute, ProviderDispute};
use souk_domain::{DisputeId, Money, Subject, TenantId};
use souk_postgres::{TenantTx, payments};

/// Merges a dispute that was fetched from the PSP: books what the bank has taken or given back, and
/// keeps what is disputed from being refunded. Nothing where the payment is not known. Safe to repeat.
///
/// # Errors
/// [`AppError::Database`], [`AppError::Event`].
pub async fn apply_provider_dispute(
    tools: &Tools,
    tenant: TenantId,
    said: &ProviderDispute,
) -> Result<Option<Dispute>, AppError> {
    let caller = souk_itself(tools, tenant, tools.clock.now());
    let mut tx = tools.db.begin(tenant).await?;
    match merge_dispute(tools, &mut tx, &caller, said).await {
        Ok(dispute) => {
            tx.commit().await?;
            Ok(dispute)
        }
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// The same, in a transaction that is open.
pub(super) async fn merge_dispute(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    said: &ProviderDispute,
) -> Result<Option<Dispute>, AppError> {
    let Some(intent) = payments::by_provider_payment(tx, &said.payment).await? else {
        return Ok(None);
    };
    let now = tools.clock.now();
    let before = load_locked(tx, intent).await?;
    let disputes = payments::disputes_of(tx, intent).await?;
    let (known, others): (Vec<Dispute>, Vec<Dispute>) = disputes
        .into_iter()
        .partition(|dispute| dispute.provider_dispute == said.id);
    let held = others
        .iter()
        .map(Dispute::holds)
        .fold(0, i64::saturating_add);
    let held = Money::new(held, before.intent.amount.currency());
    let id = DisputeId::from_uuid(tools.ids.uuid_v7(now));
    let known = known.into_iter().next();
    let version = known.as_ref().map_or(0, |dispute| dispute.version);
    if said.amount.currency() != before.intent.amount.currency() {
        tracing::warn!(payment_intent.id = %intent, "a dispute in another currency is left to people");
        return Ok(known);
    }
    let seen = before.clone().observe_dispute(known, said, held, (now, id));
    write(tools, tx, caller, Some(&before), (seen.payment, now)).await?;
    payments::save_dispute(tx, &seen.dispute).await?;
    book(tools, tx, &seen.transfers, now).await?;
    let subject = Subject::from(seen.dispute.id);
    tell(tools, tx, caller, (subject, version, now), seen.events).await?;
    Ok(Some(seen.dispute))
}
