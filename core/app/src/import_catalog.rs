//! Writes many flat rows of a catalog at once.

use crate::import_plan::{Checked, RowRejection, restocked, schedules, titles, variants};
use crate::once::{Changed, run_once};
use crate::{Answer, AppError, Caller, Once, Tools};
use souk_domain::Timestamp;
use souk_domain::catalog::ImportFields;
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, catalog_imports, inventory, prices, skus};

/// What has become of the rows of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows that were applied.
    pub applied: usize,
    /// Skus that were not there before.
    pub new_skus: u64,
    /// What is wrong with the rows that were not applied, by row.
    pub rejected: Vec<RowRejection>,
}

/// Applies the rows that can be applied, each as a whole, and says what is wrong with the others. One
/// transaction: a repetition with the same key gets the same report and changes nothing.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`].
pub async fn import_catalog(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    rows: Vec<ImportFields>,
    respond: impl Fn(Result<&ImportReport, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let checked = Checked::new(rows);
    let act = async |tx: &mut TenantTx, now| {
        let report = apply(tx, checked, now).await?;
        Ok(Changed {
            resource_id: "catalog".to_owned(),
            response: respond(Ok(&report)),
        })
    };
    run_once(tools, caller, once, act, |e| respond(Err(e))).await
}

/// Locks the catalog before products before skus before stock, each in order, as all who change the catalog do.
async fn apply(
    tx: &mut TenantTx,
    checked: Checked,
    now: Timestamp,
) -> Result<ImportReport, AppError> {
    skus::lock_catalog(tx).await?;
    let products = catalog_imports::lock_products(tx, checked.product_codes()).await?;
    catalog_imports::lock_skus(tx, checked.skus()).await?;
    let cells = inventory::lock(tx, &checked.places()).await?;
    let Checked { rows, rejected } = checked.against(&products, &cells);
    let mut new_skus = 0;
    if !rows.is_empty() {
        catalog_imports::put_products(tx, &titles(&rows), now).await?;
        new_skus = catalog_imports::put_skus(tx, &variants(&rows), now).await?;
        let schedules = schedules(&rows);
        let schedules: Vec<_> = schedules.iter().map(|((sku, _), s)| (*sku, s)).collect();
        prices::replace_all(tx, &schedules).await?;
        inventory::write(tx, &restocked(&rows, &cells)).await?;
        skus::raise_catalog_revision(tx).await?;
    }
    Ok(ImportReport {
        applied: rows.len(),
        new_skus,
        rejected,
    })
}
