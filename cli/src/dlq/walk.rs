//! Going through a dead letter queue once, whatever order it gives its messages in.

use super::letter::{Letter, REDRIVE};
use super::queues::Queues;
use super::{How, Which};
use crate::event_filter::EventFilter;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::sqs::BATCH_MAX;
use anyhow::Result;
use std::collections::BTreeSet;

/// Why a message stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Left {
    /// It is not what was asked for.
    Filtered,
    /// An earlier one of its group stays.
    Behind,
    /// This run has sent it, and it is here again.
    CameBack,
    /// Enough were done.
    OverLimit,
    /// The queue has not taken it, or has not deleted it.
    Refused,
}

impl Left {
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Filtered => "not asked for",
            Self::Behind => "an earlier message of their group stays, which they must not overtake",
            Self::CameBack => "given up again during this run: their cause has not gone",
            Self::OverLimit => "over the limit",
            Self::Refused => "the queue did not do it",
        }
    }
}

/// What is decided about each message; no input, no output.
#[derive(Debug)]
pub(super) struct Choice {
    filter: EventFilter,
    limit: u64,
    /// The run's own name, as it stands in [`REDRIVE`] of what it has sent.
    run: Option<String>,
    /// Whether groups are kept in order.
    ordered: bool,
    chosen: u64,
    groups_left: BTreeSet<String>,
    seen: BTreeSet<String>,
}

/// What is to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Take,
    Leave(Left),
    /// It was left before, and has come into view again.
    Known,
}

impl Choice {
    pub(super) fn new(which: &Which, run: Option<String>, ordered: bool) -> Self {
        Self {
            filter: which.filter.clone(),
            limit: which.limit.unwrap_or(u64::MAX),
            run,
            ordered,
            chosen: 0,
            groups_left: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Judges the next message, in the order of the queue.
    pub(super) fn judge(&mut self, letter: &Letter) -> Verdict {
        if !self.seen.insert(letter.message_id.clone()) {
            return Verdict::Known;
        }
        let group = letter.group.as_ref().filter(|_| self.ordered);
        let why = if group.is_some_and(|group| self.groups_left.contains(group)) {
            Left::Behind
        } else if self.run.is_some() && letter.attribute(REDRIVE) == self.run.as_deref() {
            Left::CameBack
        } else if !self.filter.admits(&letter.facts) {
            Left::Filtered
        } else if self.chosen >= self.limit {
            Left::OverLimit
        } else {
            self.chosen = self.chosen.saturating_add(1);
            return Verdict::Take;
        };
        self.leave_group_of(letter);
        Verdict::Leave(why)
    }

    /// Whether nothing more can be taken.
    pub(super) const fn is_enough(&self) -> bool {
        self.chosen >= self.limit
    }

    /// From here on the group of `letter` waits.
    pub(super) fn leave_group_of(&mut self, letter: &Letter) {
        if self.ordered {
            self.groups_left.extend(letter.group.clone());
        }
    }

    /// Whether the group of `letter` waits.
    pub(super) fn is_left(&self, letter: &Letter) -> bool {
        let group = letter.group.as_ref().filter(|_| self.ordered);
        group.is_some_and(|group| self.groups_left.contains(group))
    }
}

/// Receives batch after batch.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    queues: &'a Queues,
    interrupt: Interrupt,
    /// Of what stays, to be shown again at the end.
    kept: Vec<String>,
    at_a_time: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(queues: &'a Queues, how: Option<&How>) -> Self {
        let pace = Pace::new(how.and_then(|how| how.rate));
        Self {
            queues,
            interrupt: Interrupt::listen(),
            kept: Vec::new(),
            at_a_time: pace.at_a_time(BATCH_MAX),
        }
    }

    /// The next messages with what is to be done with each. None at the end, when it is enough, or when
    /// somebody has asked for it.
    pub(super) async fn next(
        &mut self,
        choice: &mut Choice,
    ) -> Result<Option<Vec<(Letter, Verdict)>>> {
        if self.interrupt.asked() || choice.is_enough() {
            return Ok(None);
        }
        let letters = self.queues.receive(self.at_a_time).await?;
        let judged: Vec<(Letter, Verdict)> = letters
            .into_iter()
            .map(|letter| {
                let verdict = choice.judge(&letter);
                (letter, verdict)
            })
            .collect();
        // Nothing there, or nothing but what has come into view again.
        let any = judged.iter().any(|(_, verdict)| *verdict != Verdict::Known);
        let known = judged
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Known);
        self.kept
            .extend(known.map(|(letter, _)| letter.receipt.clone()));
        Ok(any.then_some(judged))
    }

    /// `letter` stays.
    pub(super) fn keep(&mut self, letter: &Letter) {
        self.kept.push(letter.receipt.clone());
    }

    /// Shows again what stays, and tells about how many messages the walk has not come to.
    pub(super) async fn end(self) -> Result<u64> {
        let behind = self.queues.count().await?;
        self.queues.give_back(&self.kept).await;
        Ok(behind)
    }
}
