//! Division of money that loses nothing: rounding half-even, and shares that sum to the whole.

use super::PricingError;
use core::cmp::Ordering;

/// One million parts: a rate of all of it.
pub(super) const WHOLE_PPM: u32 = 1_000_000;

/// `amount` × `numerator` / `denominator`, rounded to the nearest minor unit, and a half to the even
/// one (IEEE 754, section 4.3.1: roundTiesToEven). None of the three is negative.
///
/// # Errors
/// [`PricingError::TotalTooLarge`] when the result does not fit, or the denominator is zero.
pub(super) fn proportion(
    amount: i64,
    numerator: i64,
    denominator: i64,
) -> Result<i64, PricingError> {
    let denominator = i128::from(denominator);
    // Two factors of 63 bits: the product fits in 127.
    let product = i128::from(amount).checked_mul(i128::from(numerator));
    let divided = product.and_then(|product| {
        let quotient = product.checked_div_euclid(denominator)?;
        let remainder = product.checked_rem_euclid(denominator)?;
        let up = match remainder.checked_mul(2)?.cmp(&denominator) {
            Ordering::Less => 0,
            Ordering::Equal => quotient & 1,
            Ordering::Greater => 1,
        };
        i64::try_from(quotient.checked_add(up)?).ok()
    });
    divided.ok_or(PricingError::TotalTooLarge)
}

/// Splits `amount` in proportion to `weights`, by largest remainder: each share is rounded down, and
/// what is left over goes, a minor unit each, to the shares that lost most; among equals, to those
/// that come first. The shares sum to `amount`, and none exceeds its weight.
///
/// `amount` is between zero and the sum of the weights, none of which is negative.
///
/// # Errors
/// [`PricingError::TotalTooLarge`] when they are not.
pub(super) fn allocate(amount: i64, weights: &[i64]) -> Result<Vec<i64>, PricingError> {
    let total: i128 = weights.iter().copied().map(i128::from).sum();
    if amount < 0 || i128::from(amount) > total {
        return Err(PricingError::TotalTooLarge);
    }
    if total == 0 {
        return Ok(vec![0; weights.len()]);
    }
    let mut shares = Vec::with_capacity(weights.len());
    let mut lost = Vec::with_capacity(weights.len());
    let mut left = i128::from(amount);
    for (index, weight) in weights.iter().enumerate() {
        let product = i128::from(amount).checked_mul(i128::from(*weight));
        let share = product.and_then(|p| p.checked_div(total));
        let remainder = product.and_then(|p| p.checked_rem(total));
        let (share, remainder) = share.zip(remainder).ok_or(PricingError::TotalTooLarge)?;
        left = left.saturating_sub(share);
        shares.push(i64::try_from(share).map_err(|_| PricingError::TotalTooLarge)?);
        lost.push((core::cmp::Reverse(remainder), index));
    }
    lost.sort_unstable();
    // Fewer are left over than shares have lost something.
    let extra = usize::try_from(left).map_err(|_| PricingError::TotalTooLarge)?;
    for (_, index) in lost.into_iter().take(extra) {
        if let Some(share) = shares.get_mut(index) {
            *share = share.saturating_add(1);
        }
    }
    Ok(shares)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    reason = "wider integers hold the exact result"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_half_goes_to_the_even_neighbour() {
        let halves = [(1, 0), (3, 2), (5, 2), (7, 4), (9, 4), (11, 6)];
        for (numerator, rounded) in halves {
            assert_eq!(proportion(1, numerator, 2), Ok(rounded), "{numerator} / 2");
        }
        assert_eq!(proportion(1, 1, 0), Err(PricingError::TotalTooLarge));
        assert_eq!(proportion(i64::MAX, 2, 1), Err(PricingError::TotalTooLarge));
    }

    #[test]
    fn what_is_left_over_goes_to_those_who_lost_most() {
        assert_eq!(allocate(100, &[1, 1, 1]), Err(PricingError::TotalTooLarge));
        assert_eq!(allocate(100, &[100, 100, 100]), Ok(vec![34, 33, 33]));
        assert_eq!(allocate(7, &[10, 0, 20]), Ok(vec![2, 0, 5]));
        assert_eq!(allocate(0, &[0, 0]), Ok(vec![0, 0]));
        assert_eq!(allocate(0, &[]), Ok(vec![]));
    }

    proptest! {
        /// Against the definition, in exact fractions: the error is at most a half, and where it is
        /// a half, the result is even.
        #[test]
        fn rounding_is_to_the_nearest_and_a_half_to_even(
            amount in 0..=i64::MAX, numerator in 0_i64..=1_000_000, extra in 0_i64..=1_000_000,
        ) {
            let denominator = numerator + extra.max(1);
            let rounded = i128::from(proportion(amount, numerator, denominator).unwrap());
            let exact_times_denominator = i128::from(amount) * i128::from(numerator);
            let error = (rounded * i128::from(denominator) - exact_times_denominator).abs();
            prop_assert!(2 * error <= i128::from(denominator));
            if 2 * error == i128::from(denominator) {
                prop_assert_eq!(rounded % 2, 0);
            }
        }

        #[test]
        fn halves_are_hit(amount in 0..=i64::MAX / 2) {
            let odd = amount | 1;
            let rounded = proportion(odd, 1, 2).unwrap();
            prop_assert_eq!(rounded % 2, 0);
            prop_assert!((rounded * 2).abs_diff(odd) == 1);
        }

        /// Shares sum to the whole, none exceeds its weight, each is the exact share rounded down or
        /// up, and none that lost less was preferred.
        #[test]
        fn shares_sum_to_the_whole(
            weights in prop::collection::vec(
                prop_oneof![Just(0_i64), 0_i64..100, 0..=i64::MAX / 64], 1..=64,
            ),
            part in 0_i64..=1_000,
        ) {
            let total: i64 = weights.iter().sum();
            let amount = proportion(total, part, 1_000).unwrap();
            let shares = allocate(amount, &weights).unwrap();
            prop_assert_eq!(shares.iter().map(|s| i128::from(*s)).sum::<i128>(), i128::from(amount));
            let mut least_lost_of_raised = i128::MAX;
            let mut most_lost_of_others = -1;
            for (share, weight) in shares.iter().zip(&weights) {
                prop_assert!(share <= weight && *share >= 0);
                if total > 0 {
                    let product = i128::from(amount) * i128::from(*weight);
                    let (down, lost) = (product / i128::from(total), product % i128::from(total));
                    prop_assert!((0..=1).contains(&(i128::from(*share) - down)));
                    if i128::from(*share) > down {
                        least_lost_of_raised = least_lost_of_raised.min(lost);
                    } else {
                        most_lost_of_others = most_lost_of_others.max(lost);
                    }
                }
            }
            prop_assert!(most_lost_of_others <= least_lost_of_raised);
        }
    }
}
