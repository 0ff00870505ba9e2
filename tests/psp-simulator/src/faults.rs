//! What goes wrong, drawn from a seed: a schedule of faults is data.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How often each fault happens, in thousandths of all calls; what is left goes well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallRates {
    /// The connection is refused: certainly no effect.
    pub not_reached: u16,
    /// The request is lost: no effect, no answer.
    pub request_lost: u16,
    /// The request comes late: no answer in time, and the effect afterwards.
    pub request_late: u16,
    /// The answer is lost after the effect.
    pub answer_lost: u16,
    /// The answer comes late, but comes.
    pub answer_late: u16,
    /// The network delivers the request twice.
    pub twice: u16,
    /// 429, without effect.
    pub too_many_requests: u16,
    /// 500, without effect; the same request again may succeed.
    pub error_before: u16,
    /// 500, after the effect; the same request again gets the true answer.
    pub error_after: u16,
    /// 500, without effect, which is kept under the idempotency key.
    pub error_kept_before: u16,
    /// 500, after the effect, which is kept under the idempotency key.
    pub error_kept_after: u16,
    /// Something that is no answer, after the effect.
    pub garbage: u16,
    /// An answer about another amount; the effect is right.
    pub wrong_answer: u16,
    /// A payment of another amount than was asked for.
    pub wrong_amount: u16,
    /// The bank says no.
    pub declined: u16,
    /// The customer has to do something.
    pub requires_action: u16,
    /// In process only: the caller dies before the effect.
    pub crash_before: u16,
    /// In process only: the caller dies after the effect.
    pub crash_after: u16,
}

/// How often events go wrong, in thousandths of all events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventRates {
    /// Before the answer to the call that caused it.
    pub early: u16,
    /// Long after.
    pub late: u16,
    /// Twice.
    pub doubled: u16,
    /// Not at all.
    pub never: u16,
}

/// A schedule of faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The same seed, the same faults in the same order.
    pub seed: u64,
    /// Of calls that have an effect.
    pub calls: CallRates,
    /// Of calls that only ask, of which only those apply that concern the network.
    pub reads: CallRates,
    /// Of events.
    pub events: EventRates,
    /// Refunds that are pending at first, in thousandths.
    pub refunds_pending: u16,
    /// Of those, refunds that fail in the end, in thousandths.
    pub refunds_failing: u16,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallFault {
    /// As it should be.
    None,
    /// See [`CallRates::not_reached`]; so with all others.
    NotReached,
    /// No effect, no answer.
    RequestLost,
    /// No answer, and the effect later.
    RequestLate,
    /// Effect, no answer.
    AnswerLost,
    /// Effect, the answer late.
    AnswerLate,
    /// Delivered twice.
    Twice,
    /// 429.
    TooManyRequests,
    /// 500 without effect.
    ErrorBefore,
    /// 500 after the effect.
    ErrorAfter,
    /// 500 without effect, kept.
    ErrorKeptBefore,
    /// 500 after the effect, kept.
    ErrorKeptAfter,
    /// No answer that can be read.
    Garbage,
    /// An answer about another amount.
    WrongAnswer,
    /// Another amount.
    WrongAmount,
    /// The bank says no.
    Declined,
    /// The customer has to do something.
    RequiresAction,
    /// The caller dies before the effect.
    CrashBefore,
    /// The caller dies after the effect.
    CrashAfter,
}

impl CallRates {
    /// All of them, with their rates.
    pub const fn all(&self) -> [(CallFault, u16); 18] {
        [
            (CallFault::NotReached, self.not_reached),
            (CallFault::RequestLost, self.request_lost),
            (CallFault::RequestLate, self.request_late),
            (CallFault::AnswerLost, self.answer_lost),
            (CallFault::AnswerLate, self.answer_late),
            (CallFault::Twice, self.twice),
            (CallFault::TooManyRequests, self.too_many_requests),
            (CallFault::ErrorBefore, self.error_before),
            (CallFault::ErrorAfter, self.error_after),
            (CallFault::ErrorKeptBefore, self.error_kept_before),
            (CallFault::ErrorKeptAfter, self.error_kept_after),
            (CallFault::Garbage, self.garbage),
            (CallFault::WrongAnswer, self.wrong_answer),
            (CallFault::WrongAmount, self.wrong_amount),
            (CallFault::Declined, self.declined),
            (CallFault::RequiresAction, self.requires_action),
            (CallFault::CrashBefore, self.crash_before),
            (CallFault::CrashAfter, self.crash_after),
        ]
    }

    pub(crate) fn draw(&self, rng: &mut Rng) -> CallFault {
        let mut drawn = rng.u16(..1_000);
        for (fault, rate) in self.all() {
            if drawn < rate {
                return fault;
            }
            drawn -= rate;
        }
        CallFault::None
    }
}

/// When an event is delivered: milliseconds after it happened, for each delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventSchedule {
    pub(crate) early: bool,
    pub(crate) after_ms: Vec<i64>,
}

/// At most this late, unless an event is [`EventRates::late`]: enough to come out of order.
const USUAL_DELAY_MS: i64 = 2_000;
/// At most this late otherwise.
const LONG_DELAY_MS: i64 = 3 * 60 * 60 * 1_000;

impl EventRates {
    pub(crate) fn draw(self, rng: &mut Rng) -> EventSchedule {
        let mut drawn = rng.u16(..1_000);
        let mut is = |rate: u16| {
            let hit = drawn < rate;
            drawn = drawn.saturating_sub(rate);
            if hit {
                drawn = u16::MAX;
            }
            hit
        };
        let usual = rng.i64(..=USUAL_DELAY_MS);
        if is(self.early) {
            return EventSchedule {
                early: true,
                after_ms: vec![0],
            };
        }
        let after_ms = if is(self.never) {
            Vec::new()
        } else if is(self.doubled) {
            vec![usual, rng.i64(..=LONG_DELAY_MS)]
        } else if is(self.late) {
            vec![rng.i64(USUAL_DELAY_MS..=LONG_DELAY_MS)]
        } else {
            vec![usual]
        };
        EventSchedule {
            early: false,
            after_ms,
        }
    }
}

impl Faults {
    /// Nothing goes wrong, and events come within two seconds.
    pub const fn none(seed: u64) -> Self {
        Self {
            seed,
            calls: CallRates::NONE,
            reads: CallRates::NONE,
            events: EventRates {
                early: 0,
                late: 0,
                doubled: 0,
                never: 0,
            },
            refunds_pending: 0,
            refunds_failing: 0,
        }
    }

    /// About `percent` of all calls go wrong on the way, and as many events; the bank is not touched.
    pub const fn on_the_way(seed: u64, percent: u16) -> Self {
        // Thirteen kinds of calls' faults.
        let each = percent * 10 / 13;
        let calls = CallRates {
            not_reached: each,
            request_lost: each,
            request_late: each,
            answer_lost: each,
            answer_late: each,
            twice: each,
            too_many_requests: each,
            error_before: each,
            error_after: each,
            error_kept_before: each,
            error_kept_after: each,
            garbage: each,
            wrong_answer: 0,
            wrong_amount: 0,
            declined: 0,
            requires_action: 0,
            crash_before: 0,
            crash_after: 0,
        };
        let events = percent * 10 / 4;
        Self {
            seed,
            calls,
            reads: CallRates {
                request_late: 0,
                twice: 0,
                error_after: 0,
                error_kept_before: 0,
                error_kept_after: 0,
                ..calls
            },
            events: EventRates {
                early: events,
                late: events,
                doubled: events,
                never: events,
            },
            refunds_pending: 0,
            refunds_failing: 0,
        }
    }
}

impl CallRates {
    const NONE: Self = Self {
        not_reached: 0,
        request_lost: 0,
        request_late: 0,
        answer_lost: 0,
        answer_late: 0,
        twice: 0,
        too_many_requests: 0,
        error_before: 0,
        error_after: 0,
        error_kept_before: 0,
        error_kept_after: 0,
        garbage: 0,
        wrong_answer: 0,
        wrong_amount: 0,
        declined: 0,
        requires_action: 0,
        crash_before: 0,
        crash_after: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_each_at_its_rate() {
        let faults = Faults::on_the_way(7, 30);
        let draw = || {
            let mut rng = Rng::with_seed(faults.seed);
            (0..20_000)
                .map(|_| faults.calls.draw(&mut rng))
                .collect::<Vec<_>>()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for fault in &drawn {
            *counts.entry(format!("{fault:?}")).or_default() += 1;
        }
        for (fault, rate) in faults.calls.all() {
            let count = counts.remove(&format!("{fault:?}")).unwrap_or(0);
            let wanted = u32::from(rate) * 20;
            assert!(count.abs_diff(wanted) <= wanted / 3, "{fault:?}: {count}");
        }
    }
}
