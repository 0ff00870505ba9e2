//! Which stock an order holds.

use super::{OrderError, Sku};
use serde::{Deserialize, Serialize};

/// Units of a sku that are reserved for an order in one place of the stock.
///
/// The order of allocations is that of their fields: the one in which stock is locked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Allocation {
    /// What.
    pub sku: Sku,
    /// Where it lies.
    pub location: String,
    /// In which bucket of the location.
    pub bucket: i16,
    /// How many units, at least one.
    pub units: u64,
}

/// Takes `units` of `sku` out of `held`, and returns what was taken. From the first location and
/// bucket that has any, then from the next, so that the same order and the same fulfilment always
/// take the same units.
///
/// # Errors
/// [`OrderError::ReservationIncomplete`] when `held` has fewer; it is then in no particular state.
pub(super) fn take(
    held: &mut Vec<Allocation>,
    sku: &Sku,
    units: u64,
) -> Result<Vec<Allocation>, OrderError> {
    held.sort();
    let mut missing = units;
    let mut taken = Vec::new();
    for cell in held.iter_mut().filter(|cell| cell.sku == *sku) {
        let from_here = cell.units.min(missing);
        if from_here == 0 {
            break;
        }
        cell.units = cell.units.saturating_sub(from_here);
        missing = missing.saturating_sub(from_here);
        taken.push(Allocation {
            units: from_here,
            ..cell.clone()
        });
    }
    if missing > 0 {
        return Err(OrderError::ReservationIncomplete { sku: sku.clone() });
    }
    held.retain(|cell| cell.units > 0);
    Ok(taken)
}
