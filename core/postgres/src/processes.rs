//! Order processes: where each stands, and its log of steps.

mod due;
mod payments;
mod steps;

pub use due::{DueProcess, due_processes};
pub use payments::payments;
pub use steps::{LoggedStep, NewStep, finish_step, log_step, steps};

use crate::orders::timestamp;
use crate::{DatabaseError, TenantTx};
use souk_domain::process::CapturePolicy;
use souk_domain::{OrderId, Timestamp};
use time::OffsetDateTime;

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It waits for something.
    Waiting,
    /// Somebody does its last step, or died over it.
    Acting,
    /// A person has to look.
    Review,
    /// Nothing more is expected.
    Done,
}

impl ProcessState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Acting, Self::Review, Self::Done];

    /// The name in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Acting => "acting",
            Self::Review => "review",
            Self::Done => "done",
        }
    }
}

/// An order's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderProcess {
    /// When the money is taken.
    pub policy: CapturePolicy,
    /// Where it stands.
    pub state: ProcessState,
    /// What it waits for, or does, or is to be looked at for.
    pub detail: String,
    /// When to look again.
    pub deadline: Option<Timestamp>,
    /// The number of its last step.
    pub version: u64,
}

/// Where a process comes to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Where.
    pub state: ProcessState,
    /// What for.
    pub detail: &'a str,
    /// When to look again.
    pub deadline: Option<Timestamp>,
}

struct ProcessRow {
    capture_policy: String,
    state: String,
    detail: String,
    deadline: Option<OffsetDateTime>,
    version: i64,
}

impl TryFrom<ProcessRow> for OrderProcess {
    type Error = DatabaseError;

    fn try_from(row: ProcessRow) -> Result<Self, DatabaseError> {
        let policy = row.capture_policy.parse();
        let state = ProcessState::ALL
            .into_iter()
            .find(|s| s.as_str() == row.state);
        Ok(Self {
            policy: policy.map_err(|e| DatabaseError::corrupt("capture policy", e))?,
            state: state.ok_or(DatabaseError::OutOfRange {
                what: "a process's state",
            })?,
            detail: row.detail,
            deadline: row.deadline.map(timestamp).transpose()?,
            version: u64::try_from(row.version)
                .map_err(|e| DatabaseError::corrupt("version", e))?,
        })
    }
}

/// The process of an order whose row this transaction has locked, locked as well; begun, with `policy`,
/// where there was none.
pub async fn open(
    tx: &mut TenantTx,
    order: OrderId,
    policy: CapturePolicy,
    now: Timestamp,
) -> Result<OrderProcess, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.order_processes \
             (tenant_id, order_id, capture_policy, state, deadline, started_at, updated_at) \
         VALUES ($1, $2, $3, 'waiting', $4, $4, $4) \
         ON CONFLICT ON CONSTRAINT order_processes_pkey DO NOTHING",
        tenant,
        order.as_uuid(),
        policy.as_str(),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    sqlx::query_as!(
        ProcessRow,
        "SELECT capture_policy, state, detail, deadline, version FROM souk.order_processes \
         WHERE tenant_id = $1 AND order_id = $2 FOR UPDATE",
        tenant,
        order.as_uuid(),
    )
    .fetch_one(tx.connection())
    .await?
    .try_into()
}

/// The process of an order, to look at.
pub async fn load(
    tx: &mut TenantTx,
    order: OrderId,
) -> Result<Option<OrderProcess>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        ProcessRow,
        "SELECT capture_policy, state, detail, deadline, version FROM souk.order_processes \
         WHERE tenant_id = $1 AND order_id = $2",
        tenant,
        order.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(OrderProcess::try_from).transpose()
}

/// Notes where a process, which this transaction has opened, stands. Nothing is written where it stands
/// there already.
pub async fn stand(
    tx: &mut TenantTx,
    order: OrderId,
    standing: Standing<'_>,
    now: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.order_processes SET state = $3, detail = $4, deadline = $5, updated_at = $6 \
         WHERE tenant_id = $1 AND order_id = $2 \
           AND (state, detail, deadline) IS DISTINCT FROM ($3, $4, $5::timestamptz)",
        tenant,
        order.as_uuid(),
        standing.state.as_str(),
        standing.detail,
        standing.deadline.map(|at| at.as_offset_date_time()),
        now.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
