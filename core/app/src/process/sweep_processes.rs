//! Looks at the processes whose deadline has come.

use super::{Advanced, ProcessCause, ProcessSettings, advance_process};
use crate::sweep::do_until;
use crate::{AppError, PaymentProvider, SweepSettings, Tools};
use souk_postgres::{Database, processes};
use tokio::time::Instant;

/// What a sweep of processes did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessSweepReport {
    /// Processes looked at.
    pub looked_at: u64,
    /// Steps taken, in all of them.
    pub steps: u64,
    /// Processes that could not be looked at now; the next sweep tries again.
    pub failed: u64,
    /// Whether time ran out before the end.
    pub out_of_time: bool,
}

/// Advances the processes whose deadline has come, of all tenants in the database `due_in`, the oldest
/// deadline first. `due_in` is read by the role `souk_sweeper`; each process is advanced for its tenant
/// through `tools`. Ends at `stop_at`, or when nothing more is due.
///
/// # Errors
/// When `due_in` cannot be read. What fails for one order does not hold up the others.
pub async fn sweep_processes(
    tools: &Tools,
    provider: &impl PaymentProvider,
    settings: ProcessSettings,
    due_in: &Database,
    (bounds, stop_at): (SweepSettings, Instant),
) -> Result<ProcessSweepReport, AppError> {
    let mut report = ProcessSweepReport::default();
    let cause = ProcessCause::deadline();
    let mut after = None;
    // Deadlines that this sweep itself sets lie after this moment.
    let now = tools.clock.now();
    loop {
        let due = processes::due_processes(due_in, now, after, bounds.batch_size_max).await?;
        let Some(last) = due.last() else {
            return Ok(report);
        };
        after = Some(*last);
        let work = due
            .into_iter()
            .map(|due| advance_process(tools, provider, settings, (due.tenant, due.order), &cause));
        let outcomes = do_until(stop_at, bounds.concurrency_max, work).await;
        for outcome in outcomes {
            report.note(outcome);
        }
        if report.out_of_time {
            return Ok(report);
        }
    }
}

impl ProcessSweepReport {
    /// What both did.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            looked_at: self.looked_at.saturating_add(other.looked_at),
            steps: self.steps.saturating_add(other.steps),
            failed: self.failed.saturating_add(other.failed),
            out_of_time: self.out_of_time || other.out_of_time,
        }
    }

    fn note(&mut self, outcome: Option<Result<Advanced, AppError>>) {
        let steps = match outcome {
            None => {
                self.out_of_time = true;
                return;
            }
            Some(Ok(Advanced::Rests { steps, .. } | Advanced::Later { steps })) => steps,
            Some(Ok(Advanced::Elsewhere | Advanced::NoSuchOrder)) => 0,
            Some(Err(error)) => {
                tracing::warn!(%error, "an order's process could not be advanced");
                self.failed = self.failed.saturating_add(1);
                return;
            }
        };
        self.looked_at = self.looked_at.saturating_add(1);
        self.steps = self.steps.saturating_add(u64::from(steps));
    }
}
