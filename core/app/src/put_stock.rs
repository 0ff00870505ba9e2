//! Sets what lies of a variant at a location.

use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, CatalogRefusal, Once, Tools};
use souk_domain::Sku;
use souk_domain::catalog::{Location, StockCell, StockSetting};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::inventory::{self, LocationStock};
use souk_postgres::{TenantTx, skus};
use std::collections::{BTreeMap, BTreeSet};

/// Writes a count of the stock: what orders hold stays held, the rest can be ordered, spread evenly
/// over the buckets. `respond` gets the location as it is now.
///
/// # Errors
/// [`AppError::Catalog`] with `SkuNotFound` or `StockBelowReserved`; [`AppError::KeyInFlight`],
/// [`AppError::KeyReused`], [`AppError::Database`].
pub async fn put_stock(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    (sku, location, setting): (Sku, Location, StockSetting),
    respond: impl Fn(Result<&LocationStock, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, _now| {
        skus::load_for_update(tx, &sku)
            .await?
            .ok_or(CatalogRefusal::SkuNotFound)?;
        let place = (sku, location);
        let before = inventory::lock(tx, &BTreeSet::from([place.clone()])).await?;
        let cells = before.get(&place).map_or(&[][..], Vec::as_slice);
        let restocked = setting.apply(cells).map_err(CatalogRefusal::from)?;
        let stock = summed(&place.1, &restocked.cells);
        let resource_id = format!("{}/{}", place.0, place.1);
        inventory::write(tx, &BTreeMap::from([(place, restocked)])).await?;
        Ok(Changed {
            resource_id,
            response: respond(Ok(&stock)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}

fn summed(location: &Location, cells: &[StockCell]) -> LocationStock {
    let sum = |of: fn(&StockCell) -> u64| cells.iter().map(of).fold(0, u64::saturating_add);
    LocationStock {
        location: location.clone(),
        available: sum(|cell| cell.available),
        reserved: sum(|cell| cell.reserved),
        sold: sum(|cell| cell.sold),
        buckets: sum(|_| 1),
    }
}
