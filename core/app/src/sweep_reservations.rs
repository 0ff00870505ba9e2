//! Gives back the stock of orders that nobody has confirmed in time.

use crate::change_order::write_transition;
use crate::sweep::do_until;
use crate::{AppError, Caller, Tools};
use souk_domain::{CancelReason, Principal, RequestId};
use souk_postgres::Database;
use souk_postgres::orders::{self, DueReservation};
use tokio::time::Instant;

/// Bounds of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepSettings {
    /// Reservations read at a time.
    pub batch_size_max: u16,
    /// Orders cancelled at the same time, each with a connection of its own.
    pub concurrency_max: u8,
}

impl Default for SweepSettings {
    fn default() -> Self {
        Self {
            batch_size_max: 200,
            concurrency_max: 2,
        }
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Orders cancelled.
    pub cancelled: u64,
    /// Orders that somebody else had confirmed or cancelled in the meantime, or that are paid for: the
    /// order process confirms those.
    pub settled_by_others: u64,
    /// Orders that could not be cancelled now; the next sweep tries again.
    pub failed: u64,
    /// Whether time ran out before the end.
    pub out_of_time: bool,
}

/// Cancels orders whose reservation has run out, of all tenants in the database `due_in`, with the
/// reason `reservation_expired`; those that ran out first, first. `due_in` is read by the role
/// `souk_sweeper`; each order is then cancelled for its tenant through `tools`, in a transaction of its
/// own. Ends at `stop_at`, or when nothing more is due.
///
/// Safe to run twice at a time, and while clients confirm and cancel: whoever locks the order first
/// decides, and the others see what was decided.
///
/// # Errors
/// When `due_in` cannot be read. What fails for one order does not hold up the others.
pub async fn sweep_reservations(
    tools: &Tools,
    due_in: &Database,
    settings: SweepSettings,
    stop_at: Instant,
) -> Result<SweepReport, AppError> {
    let mut report = SweepReport::default();
    let mut after = None;
    loop {
        let now = tools.clock.now();
        let due = orders::due_reservations(due_in, now, after, settings.batch_size_max).await?;
        let Some(last) = due.last() else {
            return Ok(report);
        };
        after = Some(*last);
        let work = due.into_iter().map(|due| sweep_one(tools, due));
        let outcomes = do_until(stop_at, settings.concurrency_max, work).await;
        for outcome in outcomes {
            match outcome {
                None => report.out_of_time = true,
                Some(Ok(true)) => report.cancelled = report.cancelled.saturating_add(1),
                Some(Ok(false)) => {
                    report.settled_by_others = report.settled_by_others.saturating_add(1);
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a reservation could not be given back");
                    report.failed = report.failed.saturating_add(1);
                }
            }
        }
        if report.out_of_time {
            return Ok(report);
        }
    }
}

/// Cancels the order, if it is still placed, its reservation has run out and nobody has paid.
async fn sweep_one(tools: &Tools, due: DueReservation) -> Result<bool, AppError> {
    let now = tools.clock.now();
    let caller = Caller {
        tenant: due.tenant,
        principal: Principal::sweeper(),
        request_id: RequestId::from_uuid(tools.ids.uuid_v7(now)),
        traceparent: None,
        consistency: None,
    };
    let mut tx = tools.db.begin(due.tenant).await?;
    let cancelled = async {
        let order = orders::load_for_update(&mut tx, due.order).await?;
        let Some(order) = order.filter(|order| order.has_expired_unpaid(now)) else {
            return Ok(false);
        };
        let transition = order.cancel(Some(CancelReason::reservation_expired()), now)?;
        write_transition(tools, &mut tx, &caller, &transition, now).await?;
        Ok(true)
    }
    .await;
    match cancelled {
        Ok(true) => tx.commit().await?,
        Ok(false) | Err(_) => tx.rollback().await?,
    }
    cancelled
}
