//! What there is to say of a variant: itself, its prices, and whether it is in stock.

use crate::AppError;
use souk_domain::Timestamp;
use souk_domain::catalog::{CatalogStatus, PriceSchedule, Variant};
use souk_domain::pricing::PriceWindow;
use souk_postgres::{TenantTx, inventory, prices};

/// Who asks about the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anyone: sees what is offered, at the price of the moment.
    Public,
    /// The shop's own people: see what is archived, and past and coming prices.
    Shop,
}

impl Audience {
    /// Whether something in this status is there at all.
    pub(crate) const fn sees(self, status: CatalogStatus) -> bool {
        matches!(
            (self, status),
            (Self::Shop, _) | (Self::Public, CatalogStatus::Active)
        )
    }
}

/// A variant with what changes without it: prices and stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The variant.
    pub variant: Variant,
    /// Its prices, one schedule a currency; what has ended is left out.
    pub schedules: Vec<PriceSchedule>,
    /// Whether at least one unit can be ordered.
    pub in_stock: bool,
}

impl Offer {
    /// What it costs at `now`, a price a currency.
    pub fn prices_at(&self, now: Timestamp) -> impl Iterator<Item = &PriceWindow> {
        self.schedules
            .iter()
            .filter_map(move |schedule| schedule.at(now))
    }

    /// When a price changes next, after `now`.
    pub fn next_price_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.schedules
            .iter()
            .filter_map(|schedule| schedule.next_change(now))
            .min()
    }
}

/// Adds prices and stock to variants. Two round trips, whatever their number.
pub(crate) async fn offers(
    tx: &mut TenantTx,
    variants: Vec<Variant>,
    now: Timestamp,
) -> Result<Vec<Offer>, AppError> {
    if variants.is_empty() {
        return Ok(Vec::new());
    }
    let skus = || variants.iter().map(|variant| &variant.sku);
    let mut schedules = prices::load_all(tx, skus(), now).await?;
    let in_stock = inventory::in_stock(tx, skus()).await?;
    Ok(variants
        .into_iter()
        .map(|variant| Offer {
            schedules: schedules.remove(&variant.sku).unwrap_or_default(),
            in_stock: in_stock.contains(&variant.sku),
            variant,
        })
        .collect())
}

/// Adds prices and stock to a variant.
pub(crate) async fn offer(
    tx: &mut TenantTx,
    variant: Variant,
    now: Timestamp,
) -> Result<Offer, AppError> {
    let schedules = prices::load_all(tx, [&variant.sku], now).await?;
    let in_stock = inventory::in_stock(tx, [&variant.sku]).await?;
    Ok(Offer {
        schedules: schedules.into_values().next().unwrap_or_default(),
        in_stock: !in_stock.is_empty(),
        variant,
    })
}
