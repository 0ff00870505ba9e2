//! Prices, kept between requests.
//!
//! A kept price is as good as one just read: it knows when it begins and ends to hold, and an order is
//! written only when the tenant's catalog still has the revision from which it was priced. What cannot
//! be checked that way, a quote or a refusal, is not had from prices that are kept for long.

use crate::AppError;
use core::fmt;
use souk_domain::pricing::{PriceSheet, PricingRules, SkuPrice, Totals, price};
use souk_domain::{Currency, OrderError, OrderRequest, Sku, TenantId, Timestamp};
use souk_postgres::Shards;
use souk_postgres::catalog::{self, LoadedPrices, LoadedSku};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Skus kept at most, over all tenants; then all are forgotten.
const SKUS_MAX: usize = 50_000;
/// Sheets kept at most, each with its tenant's rules; then all are forgotten.
const SHEETS_MAX: usize = 256;

/// The prices of a tenant in a currency, as far as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    revision: i64,
    /// When the catalog last had this revision, for all we know.
    seen_at: Timestamp,
    rules: Arc<PricingRules>,
    skus: BTreeMap<Sku, LoadedSku>,
}

/// What a sheet is of.
type Slot = (TenantId, Currency);

/// Prices by tenant and currency. Bounded; empty at first.
#[derive(Default)]
pub struct PriceSheets {
    kept: Mutex<HashMap<Slot, Kept>>,
}

impl fmt::Debug for PriceSheets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PriceSheets")
    }
}

/// How old kept prices may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Any age: the database compares the revision before anything comes of it.
    Checked,
    /// At most so many seconds.
    AtMostS(i64),
}

/// Totals, and the revision of the catalog that they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) revision: i64,
    pub(crate) totals: Totals,
}

impl PriceSheets {
    /// Prices `request` at `now`: from what is kept, else from the database, in one round trip. It is
    /// never refused for what is kept: the reason may have gone since.
    ///
    /// # Errors
    /// [`OrderError::Pricing`] in [`AppError::Order`], [`AppError::Database`].
    pub(crate) async fn price(
        &self,
        db: &Shards,
        tenant: TenantId,
        request: &OrderRequest,
        (now, age): (Timestamp, Age),
    ) -> Result<Priced, AppError> {
        let wanted: Vec<Sku> = request.units_by_sku().into_keys().collect();
        let slot = (tenant, request.currency());
        if let Some((revision, sheet)) = self.kept(slot, &wanted, now, age)
            && let Ok(totals) = price(request, &sheet)
        {
            return Ok(Priced { revision, totals });
        }
        let skus = wanted.as_slice();
        let load =
            |home| async move { catalog::load_prices(&home, tenant, slot.1, skus, now).await };
        let fresh = Kept::new(db.at_home(tenant, load).await?, now);
        let (revision, sheet) = fresh.sheet(slot.1, &wanted, now);
        self.keep(slot, fresh);
        let totals = price(request, &sheet).map_err(OrderError::from)?;
        Ok(Priced { revision, totals })
    }

    /// Forgets the prices of a tenant.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.lock().retain(|(of, _), _| *of != tenant);
    }

    fn kept(
        &self,
        slot: Slot,
        wanted: &[Sku],
        now: Timestamp,
        age: Age,
    ) -> Option<(i64, PriceSheet)> {
        let kept = self.lock();
        let kept = kept.get(&slot)?;
        kept.is_within(age, now)
            .then(|| kept.sheet(slot.1, wanted, now))
    }

    fn keep(&self, slot: Slot, fresh: Kept) {
        let mut kept = self.lock();
        let skus: usize = kept.values().map(|kept| kept.skus.len()).sum();
        if skus.saturating_add(fresh.skus.len()) > SKUS_MAX || kept.len() >= SHEETS_MAX {
            kept.clear();
        }
        match kept.get_mut(&slot) {
            Some(same) if same.revision == fresh.revision => {
                same.skus.extend(fresh.skus);
                same.seen_at = same.seen_at.max(fresh.seen_at);
            }
            Some(newer) if newer.revision > fresh.revision => {}
            _ => {
                kept.insert(slot, fresh);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Slot, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn new(loaded: LoadedPrices, now: Timestamp) -> Self {
        Self {
            revision: loaded.revision,
            seen_at: now,
            rules: Arc::new(loaded.rules),
            skus: loaded.skus,
        }
    }

    fn is_within(&self, age: Age, now: Timestamp) -> bool {
        match age {
            Age::Checked => true,
            Age::AtMostS(seconds) => {
                let end = self.seen_at.plus(time::Duration::seconds(seconds));
                end.is_ok_and(|end| now <= end)
            }
        }
    }

    /// Without the skus that have no price at `now`.
    fn sheet(&self, currency: Currency, wanted: &[Sku], now: Timestamp) -> (i64, PriceSheet) {
        let at_now = |sku: &Sku| {
            let loaded = self.skus.get(sku)?;
            let price = loaded.prices.iter().find(|price| price.holds_at(now))?;
            let price = SkuPrice {
                unit_price: price.unit_price,
                tax_category: loaded.tax_category.clone(),
            };
            Some((sku.clone(), price))
        };
        let sheet = PriceSheet {
            at: now,
            currency,
            skus: wanted.iter().filter_map(at_now).collect(),
            rules: Arc::clone(&self.rules),
        };
        (self.revision, sheet)
    }
}
