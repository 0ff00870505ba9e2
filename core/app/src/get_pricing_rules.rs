//! Reads the rules of discounts, taxes and shipping.

use crate::{AppError, Caller, Tools};
use souk_postgres::pricing_rules::{self, VersionedRules};

/// The tenant's rules; the default ones, in version 0, where none were put.
pub async fn get_pricing_rules(tools: &Tools, caller: &Caller) -> Result<VersionedRules, AppError> {
    let mut tx = tools
        .db
        .begin_to_read(caller.tenant, caller.consistency.as_ref())
        .await?;
    let rules = pricing_rules::load(&mut tx).await?;
    tx.commit().await?;
    Ok(rules)
}
