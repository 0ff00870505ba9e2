//! The sweeper: what is done each minute, for all tenants of all databases.

use souk_app::payments::{PaymentSweepReport, PaymentSweepSettings, sweep_operations};
use souk_app::webhooks::prune_deliveries;
use souk_app::{
    AppError, Database, PartitionReport, SweepReport, SweepSettings, Tools, forget_inbox,
    maintain_partitions, sweep_reservations,
};
use souk_runtime::stripe::Stripe;
use tokio::time::Instant;

/// What a run did, over all databases.
#[derive(Debug, Default)]
pub struct SweepTotal {
    /// Reservations.
    pub reservations: SweepReport,
    /// Payments.
    pub payments: PaymentSweepReport,
    /// Partitions of idempotency records and of events.
    pub partitions: PartitionReport,
    /// Deliveries and messages of webhooks that were kept long enough.
    pub webhooks_dropped: u64,
    /// Entries of consumers' inboxes that are so old that nothing brings their events again.
    pub inbox_entries_forgotten: u64,
    /// What failed for a whole database; the others are done.
    pub failed: Vec<AppError>,
}

/// Keeps room for idempotency records and events, and gives back what expired reservations hold, in each database
/// of `sweepers`, which are by the role `souk_sweeper`. Then, where there is a payment service provider, asks it how
/// payments ended that nothing was heard of. Last, drops old deliveries of webhooks and old entries of inboxes.
/// `tools` act for the tenants. A database that fails does not hold up the
/// others. Ends at `stop_at`; the next run goes on.
pub async fn sweep(
    tools: &Tools,
    stripe: Option<&Stripe>,
    sweepers: &[Database],
    settings: SweepSettings,
    stop_at: Instant,
) -> SweepTotal {
    let mut total = SweepTotal::default();
    for database in sweepers {
        // First, and short: without room ahead, orders would end up in the default partitions.
        match maintain_partitions(database, tools.clock.now()).await {
            Ok(report) => total.partitions = total.partitions.and(report),
            Err(error) => total.failed.push(error),
        }
        match sweep_reservations(tools, database, settings, stop_at).await {
            Ok(report) => {
                let sum = &mut total.reservations;
                sum.cancelled = sum.cancelled.saturating_add(report.cancelled);
                sum.settled_by_others = sum
                    .settled_by_others
                    .saturating_add(report.settled_by_others);
                sum.failed = sum.failed.saturating_add(report.failed);
                sum.out_of_time |= report.out_of_time;
            }
            Err(error) => total.failed.push(error),
        }
    }
    if let Some(stripe) = stripe {
        sweep_payments(tools, stripe, sweepers, stop_at, &mut total).await;
    }
    // Last: it can wait for any length of time.
    for database in sweepers {
        let now = tools.clock.now();
        let failed = &mut total.failed;
        count(
            prune_deliveries(database, now, stop_at).await,
            &mut total.webhooks_dropped,
            failed,
        );
        count(
            forget_inbox(database, now, stop_at).await,
            &mut total.inbox_entries_forgotten,
            failed,
        );
    }
    total
}

/// Adds what was `dropped` to `sum`, or why it could not be to `failed`.
fn count(dropped: Result<u64, AppError>, sum: &mut u64, failed: &mut Vec<AppError>) {
    match dropped {
        Ok(dropped) => *sum = sum.saturating_add(dropped),
        Err(error) => failed.push(error),
    }
}

/// After what is ours, since it waits for somebody else.
async fn sweep_payments(
    tools: &Tools,
    stripe: &Stripe,
    sweepers: &[Database],
    stop_at: Instant,
    total: &mut SweepTotal,
) {
    let settings = PaymentSweepSettings::default();
    for database in sweepers {
        match sweep_operations(tools, stripe, database, settings, stop_at).await {
            Ok(report) => {
                let sum = &mut total.payments;
                sum.operations = sum.operations.saturating_add(report.operations);
                sum.payments = sum.payments.saturating_add(report.payments);
                sum.settled_by_others = sum
                    .settled_by_others
                    .saturating_add(report.settled_by_others);
                sum.failed = sum.failed.saturating_add(report.failed);
                sum.out_of_time |= report.out_of_time;
            }
            Err(error) => total.failed.push(error),
        }
    }
}
