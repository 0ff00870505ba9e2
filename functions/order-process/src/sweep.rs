//! What is done each minute, for all tenants of all databases.

use crate::OrderProcess;
use souk_app::process::{ProcessSweepReport, sweep_processes};
use souk_app::{AppError, Database, PaymentProvider, SweepSettings};
use tokio::time::Instant;

/// What a run did, over all databases.
#[derive(Debug, Default)]
pub struct SweepTotal {
    /// Processes whose deadline had come.
    pub processes: ProcessSweepReport,
    /// What failed for a whole database; the others are done.
    pub failed: Vec<AppError>,
}

/// Advances the processes whose deadline has come, in each database of `sweepers`, which are by the role
/// `souk_sweeper`. A database that fails does not hold up the others. Ends at `stop_at`; the next run
/// goes on. Calls to the PSP whose outcome is not known are sent again by the sweeper, not here.
pub async fn sweep<P: PaymentProvider>(
    function: &OrderProcess<P>,
    sweepers: &[Database],
    stop_at: Instant,
) -> SweepTotal {
    let (tools, provider) = (&function.tools, &function.provider);
    let mut total = SweepTotal::default();
    for database in sweepers {
        let bounds = (SweepSettings::default(), stop_at);
        let sweeping = sweep_processes(tools, provider, function.settings, database, bounds);
        match Box::pin(sweeping).await {
            Ok(report) => total.processes = total.processes.and(report),
            Err(error) => total.failed.push(error),
        }
    }
    total
}
