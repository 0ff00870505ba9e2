//! Prices, kept between requests.
//!
//! A kept price is as good as one just read: it knows when it begins and ends to hold, and an order is
//! written only when the tenant's catalog still has the revision from which it was priced.

use crate::AppError;
use core::fmt;
use souk_domain::pricing::{PriceSheet, PricingRules, SkuPrice};
use souk_domain::{Currency, OrderRequest, Sku, TenantId, Timestamp};
use souk_postgres::Shards;
use souk_postgres::catalog::{self, LoadedSku};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Skus kept at most, over all tenants; then all are forgotten.
const SKUS_MAX: usize = 50_000;

/// The prices of a tenant in a currency, as far as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    revision: i64,
    rules: Arc<PricingRules>,
    skus: BTreeMap<Sku, LoadedSku>,
}

/// Prices by tenant and currency. Bounded; empty at first.
#[derive(Default)]
pub struct PriceSheets {
    kept: Mutex<HashMap<(TenantId, Currency), Kept>>,
}

impl fmt::Debug for PriceSheets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PriceSheets")
    }
}

/// Prices, and the revision of the catalog that they were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevisedSheet {
    pub(crate) revision: i64,
    pub(crate) sheet: PriceSheet,
}

impl PriceSheets {
    /// Prices at `now` for what `request` asks for: those that are kept, else all of them from the
    /// database, in one round trip.
    pub(crate) async fn at(
        &self,
        db: &Shards,
        tenant: TenantId,
        request: &OrderRequest,
        now: Timestamp,
    ) -> Result<RevisedSheet, AppError> {
        let wanted: Vec<Sku> = request.units_by_sku().into_keys().collect();
        let slot = (tenant, request.currency());
        if let Some(sheet) = self.kept(slot, &wanted, now) {
            return Ok(sheet);
        }
        let loaded =
            catalog::load_prices(&db.home(tenant).await?, tenant, slot.1, &wanted, now).await?;
        let fresh = Kept {
            revision: loaded.revision,
            rules: Arc::new(loaded.rules),
            skus: loaded.skus,
        };
        let sheet = fresh.sheet(slot.1, &wanted, now);
        self.keep(slot, fresh);
        Ok(sheet)
    }

    /// Forgets the prices of a tenant.
    pub(crate) fn forget(&self, tenant: TenantId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _), _| *of != tenant);
    }

    /// Nothing, if one of the wanted has no price that holds now: it may have got one since.
    fn kept(
        &self,
        slot: (TenantId, Currency),
        wanted: &[Sku],
        now: Timestamp,
    ) -> Option<RevisedSheet> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sheet = kept.get(&slot)?.sheet(slot.1, wanted, now);
        (sheet.sheet.skus.len() == wanted.len()).then_some(sheet)
    }

    fn keep(&self, slot: (TenantId, Currency), fresh: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count: usize = kept.values().map(|kept| kept.skus.len()).sum();
        if count.saturating_add(fresh.skus.len()) > SKUS_MAX {
            kept.clear();
        }
        match kept.get_mut(&slot) {
            Some(same) if same.revision == fresh.revision => same.skus.extend(fresh.skus),
            Some(newer) if newer.revision > fresh.revision => {}
            _ => {
                kept.insert(slot, fresh);
            }
        }
    }
}

impl Kept {
    fn sheet(&self, currency: Currency, wanted: &[Sku], now: Timestamp) -> RevisedSheet {
        let at_now = |sku: &Sku| {
            let loaded = self.skus.get(sku)?;
            let price = loaded.prices.iter().find(|price| price.holds_at(now))?;
            let price = SkuPrice {
                unit_price: price.unit_price,
                tax_category: loaded.tax_category.clone(),
            };
            Some((sku.clone(), price))
        };
        RevisedSheet {
            revision: self.revision,
            sheet: PriceSheet {
                at: now,
                currency,
                skus: wanted.iter().filter_map(at_now).collect(),
                rules: Arc::clone(&self.rules),
            },
        }
    }
}
