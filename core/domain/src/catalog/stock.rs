//! Stock of a variant at a location, in buckets.

use super::{Violation, Violations};
use serde::Deserialize;

/// Buckets of a variant at a location at most.
pub const STOCK_BUCKETS_MAX: u8 = 64;
/// Units on hand of a variant at a location at most.
pub const ON_HAND_MAX: u64 = 1_000_000_000;

/// Stock as a request has it: nothing is checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedStock {
    /// Units that lie there, those that orders hold included.
    pub on_hand: i64,
    /// How many rows they are spread over; as many as there are where absent, 1 at first.
    pub buckets: Option<i64>,
}

/// What lies at a location, as somebody has counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockSetting {
    on_hand: u64,
    buckets: Option<u8>,
}

impl RequestedStock {
    /// Checks both fields.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<StockSetting, Vec<Violation>> {
        let mut found = Violations::default();
        let setting = check_setting(&mut found, self);
        found.or(setting)
    }
}

/// As [`RequestedStock::check`], among other fields.
pub(super) fn check_setting(
    found: &mut Violations,
    requested: RequestedStock,
) -> Option<StockSetting> {
    let on_hand = u64::try_from(requested.on_hand)
        .ok()
        .filter(|units| *units <= ON_HAND_MAX)
        .ok_or(format!("0 to {ON_HAND_MAX} units can lie at a location"));
    let on_hand = found.take("/on_hand", on_hand);
    let buckets = match requested.buckets {
        None => Some(None),
        Some(count) => {
            let count = u8::try_from(count)
                .ok()
                .filter(|count| (1..=STOCK_BUCKETS_MAX).contains(count))
                .ok_or(format!("stock has 1 to {STOCK_BUCKETS_MAX} buckets"));
            found.take("/buckets", count).map(Some)
        }
    };
    on_hand
        .zip(buckets)
        .map(|(on_hand, buckets)| StockSetting { on_hand, buckets })
}

/// The units of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockCell {
    /// Its number, from 0.
    pub bucket: u8,
    /// Can be ordered.
    pub available: u64,
    /// Held by orders that are not fulfilled yet.
    pub reserved: u64,
    /// Gone to customers.
    pub sold: u64,
}

/// What a count makes of the buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restocked {
    /// As they are to be, by number: new ones among them.
    pub cells: Vec<StockCell>,
    /// Buckets that are no more.
    pub dropped: Vec<u8>,
}

/// Orders hold more than is said to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("orders hold {reserved} units: there cannot be fewer on hand")]
pub struct BelowReserved {
    /// What orders hold.
    pub reserved: u64,
}

impl StockSetting {
    /// What `cells`, the buckets of the location, become: what orders hold stays where it is, since
    /// they know the bucket; the rest is spread evenly. A bucket beyond the wanted number stays as
    /// long as orders hold some of it, with nothing to be ordered. What was sold stays on record.
    ///
    /// # Errors
    /// [`BelowReserved`].
    pub fn apply(&self, cells: &[StockCell]) -> Result<Restocked, BelowReserved> {
        let sum = |of: fn(&StockCell) -> u64| cells.iter().map(of).fold(0, u64::saturating_add);
        let reserved = sum(|cell| cell.reserved);
        let free = self
            .on_hand
            .checked_sub(reserved)
            .ok_or(BelowReserved { reserved })?;
        let present = u8::try_from(cells.len()).unwrap_or(STOCK_BUCKETS_MAX);
        let wanted = self.buckets.unwrap_or(present.clamp(1, STOCK_BUCKETS_MAX));
        let (outer, inner): (Vec<StockCell>, Vec<StockCell>) =
            cells.iter().partition(|cell| cell.bucket >= wanted);
        let (held, empty): (Vec<StockCell>, Vec<StockCell>) =
            outer.into_iter().partition(|cell| cell.reserved > 0);
        let share = free.checked_div(u64::from(wanted)).unwrap_or(free);
        let rest = free.checked_rem(u64::from(wanted)).unwrap_or(0);
        let sold_before = empty
            .iter()
            .map(|cell| cell.sold)
            .fold(0, u64::saturating_add);
        let spread = (0..wanted).map(|bucket| {
            let before = inner.iter().find(|cell| cell.bucket == bucket);
            let moved = if bucket == 0 { sold_before } else { 0 };
            StockCell {
                bucket,
                available: share.saturating_add(u64::from(u64::from(bucket) < rest)),
                reserved: before.map_or(0, |cell| cell.reserved),
                sold: before.map_or(0, |cell| cell.sold).saturating_add(moved),
            }
        });
        let kept = held.iter().map(|cell| StockCell {
            available: 0,
            ..*cell
        });
        Ok(Restocked {
            cells: spread.chain(kept).collect(),
            dropped: empty.iter().map(|cell| cell.bucket).collect(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn setting(on_hand: i64, buckets: Option<i64>) -> StockSetting {
        RequestedStock { on_hand, buckets }.check().unwrap()
    }

    #[test]
    fn bounds() {
        for (on_hand, buckets, wrong) in [
            (-1, None, vec!["/on_hand"]),
            (1_000_000_001, Some(0), vec!["/on_hand", "/buckets"]),
            (0, Some(65), vec!["/buckets"]),
            (0, Some(-1), vec!["/buckets"]),
        ] {
            let violations = RequestedStock { on_hand, buckets }.check().unwrap_err();
            let pointers: Vec<_> = violations.iter().map(|v| v.pointer.as_str()).collect();
            assert_eq!(pointers, wrong, "{on_hand} {buckets:?}");
        }
    }

    #[test]
    fn fewer_than_orders_hold_is_refused() {
        let cells = [StockCell {
            bucket: 0,
            available: 5,
            reserved: 3,
            sold: 1,
        }];
        assert_eq!(
            setting(2, None).apply(&cells),
            Err(BelowReserved { reserved: 3 })
        );
        let restocked = setting(3, None).apply(&cells).unwrap();
        assert_eq!(
            restocked.cells,
            [StockCell {
                bucket: 0,
                available: 0,
                reserved: 3,
                sold: 1
            }]
        );
    }

    #[test]
    fn without_a_number_there_are_as_many_buckets_as_before() {
        let first = setting(10, Some(4)).apply(&[]).unwrap();
        assert_eq!(first.cells.len(), 4);
        assert_eq!(setting(7, None).apply(&first.cells).unwrap().cells.len(), 4);
        assert_eq!(setting(7, None).apply(&[]).unwrap().cells.len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_is_made_or_lost(
            cells in proptest::collection::btree_map(0_u8..64, (0_u64..50, 0_u64..5, 0_u64..50), 0..64),
            on_hand in 0_i64..400,
            buckets in proptest::option::of(1_i64..=64),
        ) {
            let cells: Vec<StockCell> = cells.into_iter().map(|(bucket, (available, reserved, sold))| {
                StockCell { bucket, available, reserved, sold }
            }).collect();
            let reserved: u64 = cells.iter().map(|c| c.reserved).sum();
            let on_hand_units = u64::try_from(on_hand).unwrap();
            let after = match setting(on_hand, buckets).apply(&cells) {
                Err(refused) => {
                    prop_assert_eq!(refused.reserved, reserved);
                    prop_assert!(on_hand_units < reserved);
                    return Ok(());
                }
                Ok(after) => after,
            };
            prop_assert!(on_hand_units >= reserved);
            let by_bucket: BTreeMap<u8, StockCell> = after.cells.iter().map(|c| (c.bucket, *c)).collect();
            prop_assert_eq!(by_bucket.len(), after.cells.len());
            // What orders hold is where they believe it to be.
            for cell in cells.iter().filter(|c| c.reserved > 0) {
                prop_assert_eq!(by_bucket[&cell.bucket].reserved, cell.reserved);
            }
            prop_assert_eq!(after.cells.iter().map(|c| c.reserved).sum::<u64>(), reserved);
            prop_assert_eq!(after.cells.iter().map(|c| c.available).sum::<u64>() + reserved, on_hand_units);
            prop_assert_eq!(
                after.cells.iter().map(|c| c.sold).sum::<u64>(),
                cells.iter().map(|c| c.sold).sum::<u64>()
            );
            // Every bucket from before is either there or dropped.
            for cell in &cells {
                prop_assert!(by_bucket.contains_key(&cell.bucket) != after.dropped.contains(&cell.bucket));
            }
            if let Some(wanted) = buckets {
                let wanted = u8::try_from(wanted).unwrap();
                let spread: Vec<u64> = (0..wanted).map(|b| by_bucket[&b].available).collect();
                prop_assert!(spread.iter().max().unwrap() - spread.iter().min().unwrap() <= 1);
                prop_assert!(after.cells.iter().filter(|c| c.bucket >= wanted).all(|c| c.available == 0 && c.reserved > 0));
            }
        }
    }
}
