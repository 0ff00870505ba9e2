//! What an attempt's end means, and whether there is another.

use core::time::Duration;

/// What is known after an attempt that brought no answer to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Certainly none.
    None,
    /// Perhaps.
    Unknown,
}

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Its body says what was done.
    Done,
    /// Its body says why it was not done, and never will be.
    Refused,
    /// It says nothing to rely on.
    Failed {
        /// What is known.
        effect: Effect,
        /// Whether the same call again may help. It is safe: it carries the same key.
        again: bool,
        /// Whether Stripe is at fault, rather than we.
        counts: bool,
    },
}

const fn failed(effect: Effect, again: bool, counts: bool) -> Judgement {
    Judgement::Failed {
        effect,
        again,
        counts,
    }
}

/// Judges by the status and by `Stripe-Should-Retry`, which knows better than the status where it is there.
pub(super) fn judge(status: u16, should_retry: Option<bool>) -> Judgement {
    let again = |usually: bool| should_retry.unwrap_or(usually);
    match status {
        200 => Judgement::Done,
        // Our key is not good: nothing was looked at, and later it may be.
        401 | 403 => failed(Effect::None, false, false),
        // The same call is still under way.
        409 => failed(Effect::Unknown, again(true), false),
        // Turned away before it was looked at.
        429 => failed(Effect::None, again(true), false),
        400..=499 => Judgement::Refused,
        500..=599 => failed(Effect::Unknown, again(true), true),
        _ => failed(Effect::Unknown, again(false), true),
    }
}

/// The wait before attempt `attempt + 1`: full jitter (any time up to the exponential one), and not less
/// than the server wants.
pub(super) fn wait(attempt: u32, wanted: Option<Duration>, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(10);
    let most = BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    wanted.unwrap_or_default().max(most.mul_f64(random))
}

const BACKOFF: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_stripe_itself_refuses_is_final() {
        for status in 0..1_000_u16 {
            for should_retry in [None, Some(true), Some(false)] {
                let judgement = judge(status, should_retry);
                match status {
                    200 => assert_eq!(judgement, Judgement::Done),
                    401 | 403 | 429 => assert!(
                        matches!(
                            judgement,
                            Judgement::Failed {
                                effect: Effect::None,
                                ..
                            }
                        ),
                        "{status}"
                    ),
                    409 => assert!(matches!(
                        judgement,
                        Judgement::Failed {
                            effect: Effect::Unknown,
                            ..
                        }
                    )),
                    400..=499 => assert_eq!(judgement, Judgement::Refused),
                    _ => assert!(
                        matches!(
                            judgement,
                            Judgement::Failed {
                                effect: Effect::Unknown,
                                ..
                            }
                        ),
                        "{status}"
                    ),
                }
                if let (Judgement::Failed { again, .. }, Some(wish)) = (judgement, should_retry)
                    && !matches!(status, 401 | 403)
                {
                    assert_eq!(again, wish, "{status}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_never_less_than_wanted(
            attempt in 1_u32..100, wanted_ms in 0_u64..10_000, random in 0.0_f64..1.0,
        ) {
            let wanted = Duration::from_millis(wanted_ms);
            let waits = wait(attempt, Some(wanted), random);
            prop_assert!(waits >= wanted && waits <= wanted.max(BACKOFF_MAX));
        }
    }
}
