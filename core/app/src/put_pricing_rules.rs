//! Replaces the rules of discounts, taxes and shipping.

use crate::catalog_refusal::check_version;
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, ExpectedVersion, Once, Tools};
use souk_domain::pricing::PricingRules;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::pricing_rules::{self, VersionedRules};
use souk_postgres::{TenantTx, skus};

/// Replaces all rules at once: what is priced from now on is priced by these.
///
/// # Errors
/// [`AppError::Catalog`] with `OtherVersion`; [`AppError::KeyInFlight`], [`AppError::KeyReused`],
/// [`AppError::Database`].
pub async fn put_pricing_rules(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (rules, expected): (PricingRules, ExpectedVersion),
    respond: impl Fn(Result<&VersionedRules, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now| {
        let version = pricing_rules::replace(tx, &rules, now).await?;
        // Looked at under the row's lock; a refusal undoes the replacement.
        check_version(&expected, Some(version.saturating_sub(1)))?;
        skus::raise_catalog_revision(tx).await?;
        let replaced = VersionedRules { rules, version };
        Ok(Changed {
            resource_id: "pricing-rules".to_owned(),
            response: respond(Ok(&replaced)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}
