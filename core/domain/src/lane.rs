//! Outbox lanes: the unit that one relay leases.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How many lanes there are. A stored constant: changing it would let events of one aggregate that
/// were written before and after pass through two lanes at once.
pub const LANES: u8 = 64;

/// The lane of an aggregate: the first byte of SHA-256 over its 16 UUID bytes, modulo [`LANES`].
/// All events of an aggregate share a lane, which is why one reader per lane keeps their order.
pub fn lane_of(aggregate: Uuid) -> u8 {
    let digest = Sha256::digest(aggregate.as_bytes());
    digest
        .first()
        .copied()
        .unwrap_or(0)
        .checked_rem(LANES)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_stable_and_even() {
        // Stored rows depend on these values: they must never change.
        assert_eq!(lane_of(Uuid::from_u128(0)), 0x37 % LANES);
        assert_eq!(lane_of(Uuid::from_u128(1)), 0x7c % LANES);
        let mut counts = [0_u32; 64];
        for n in 0..64_000_u128 {
            let lane = lane_of(Uuid::from_u128(n));
            counts[usize::from(lane)] += 1;
        }
        assert!(counts.iter().all(|c| (800..1200).contains(c)), "{counts:?}");
    }
}
