//! A tenant's rules of discounts, taxes and shipping.

use crate::{DatabaseError, TenantTx};
use souk_domain::Timestamp;
use souk_domain::pricing::PricingRules;
use sqlx::types::Json;

/// Rules and their version: 1 for the first ones that were put, 0 where none were.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionedRules {
    /// The rules.
    pub rules: PricingRules,
    /// Raised by one each time.
    pub version: u64,
}

/// The tenant's rules.
pub async fn load(tx: &mut TenantTx) -> Result<VersionedRules, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query!(
        r#"SELECT rules AS "rules: Json<PricingRules>", version FROM souk.pricing_rules
           WHERE tenant_id = $1"#,
        tenant,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else {
        return Ok(VersionedRules::default());
    };
    Ok(VersionedRules {
        rules: row.rules.0,
        version: version(row.version)?,
    })
}

/// Replaces the tenant's rules, and returns their version. Who replaces them at the same time waits
/// until this transaction ends.
pub async fn replace(
    tx: &mut TenantTx,
    rules: &PricingRules,
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let document =
        serde_json::to_value(rules).map_err(|e| DatabaseError::corrupt("pricing rules", e))?;
    let raised = sqlx::query_scalar!(
        "INSERT INTO souk.pricing_rules AS p (tenant_id, rules, version, updated_at) \
         VALUES ($1, $2, 1, $3) \
         ON CONFLICT ON CONSTRAINT pricing_rules_pkey DO UPDATE \
         SET rules = excluded.rules, version = p.version + 1, updated_at = excluded.updated_at \
         RETURNING version",
        tenant,
        document,
        now.as_offset_date_time(),
    )
    .fetch_one(tx.connection())
    .await?;
    version(raised)
}

fn version(column: i64) -> Result<u64, DatabaseError> {
    u64::try_from(column).map_err(|e| DatabaseError::corrupt("version", e))
}
