//! Shows the process of an order.

use crate::{AppError, Tools};
use souk_domain::{OrderId, TenantId};
use souk_postgres::processes::{self, LoggedStep, OrderProcess};

/// Steps shown at most: the last ones.
pub const PROCESS_STEPS_SHOWN_MAX: u16 = 1_000;

/// A process and what it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessView {
    /// Where it stands.
    pub process: OrderProcess,
    /// Its last steps, in order.
    pub steps: Vec<LoggedStep>,
}

/// The process of the tenant's order; none where nothing has been done about it yet.
///
/// # Errors
/// [`AppError::Database`].
pub async fn show_process(
    tools: &Tools,
    tenant: TenantId,
    order: OrderId,
) -> Result<Option<ProcessView>, AppError> {
    let mut tx = tools.db.begin_to_read(tenant, None).await?;
    let process = processes::load(&mut tx, order).await?;
    let steps = processes::steps(&mut tx, order, PROCESS_STEPS_SHOWN_MAX).await?;
    tx.commit().await?;
    Ok(process.map(|process| ProcessView { process, steps }))
}
