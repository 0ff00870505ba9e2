//! What is to be looked after, of all tenants: for the role `souk_sweeper`, which sees nothing else.

use crate::orders::timestamp;
use crate::{Database, DatabaseError, TenantTx};
use core::time::Duration;
use souk_domain::{PaymentIntentId, ProviderOperationId, TenantId, Timestamp};
use uuid::Uuid;

/// An operation that is to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueOperation {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub operation: ProviderOperationId,
    /// Since when.
    pub due_at: Timestamp,
}

/// A payment that nothing was heard of for too long, or whose authorization has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DuePayment {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub intent: PaymentIntentId,
    /// Since when.
    pub due_at: Timestamp,
}

/// At most `limit` operations that are due by `now`, those that are due longest first; only those after
/// `after`. Nothing is locked.
pub async fn due_operations(
    db: &Database,
    now: Timestamp,
    after: Option<DueOperation>,
    limit: u16,
) -> Result<Vec<DueOperation>, DatabaseError> {
    let (after_at, after_id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |due| {
        (due.due_at, due.operation.as_uuid())
    });
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT tenant_id, operation_id, next_try_at AS "next_try_at!"
           FROM souk.provider_operations
           WHERE status = 'pending' AND next_try_at <= $1
             AND (next_try_at, operation_id) > ($2::timestamptz, $3::uuid)
           ORDER BY next_try_at, operation_id LIMIT $4"#,
        now.as_offset_date_time(),
        after_at.as_offset_date_time(),
        after_id,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(DueOperation {
                tenant: TenantId::from_uuid(row.tenant_id),
                operation: ProviderOperationId::from_uuid(row.operation_id),
                due_at: timestamp(row.next_try_at)?,
            })
        })
        .collect()
}

/// At most `limit` payments that are due by `now`, as [`due_operations`].
pub async fn due_payments(
    db: &Database,
    now: Timestamp,
    after: Option<DuePayment>,
    limit: u16,
) -> Result<Vec<DuePayment>, DatabaseError> {
    let (after_at, after_id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |due| {
        (due.due_at, due.intent.as_uuid())
    });
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT tenant_id, payment_intent_id, due_at AS "due_at!"
           FROM souk.payment_intents
           WHERE due_at <= $1 AND (due_at, payment_intent_id) > ($2::timestamptz, $3::uuid)
           ORDER BY due_at, payment_intent_id LIMIT $4"#,
        now.as_offset_date_time(),
        after_at.as_offset_date_time(),
        after_id,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(DuePayment {
                tenant: TenantId::from_uuid(row.tenant_id),
                intent: PaymentIntentId::from_uuid(row.payment_intent_id),
                due_at: timestamp(row.due_at)?,
            })
        })
        .collect()
}

/// Takes an operation that is due by `now`, to send it again: nobody else takes it for `lease`,
/// and from now on it counts as tried. False
/// when it is settled, or somebody else has it.
pub async fn claim_operation(
    tx: &mut TenantTx,
    id: ProviderOperationId,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let done = sqlx::query!(
        "UPDATE souk.provider_operations \
         SET next_try_at = $3::timestamptz + make_interval(secs => $4), \
             tries = greatest(tries, 1::smallint) \
         WHERE tenant_id = $1 AND operation_id = $2 AND status = 'pending' AND next_try_at <= $3",
        tenant,
        id.as_uuid(),
        now.as_offset_date_time(),
        lease.as_secs_f64(),
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Looks after a payment later: at `due_at`.
pub async fn put_off(
    tx: &mut TenantTx,
    id: PaymentIntentId,
    due_at: Timestamp,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.payment_intents SET due_at = $3 \
         WHERE tenant_id = $1 AND payment_intent_id = $2 AND due_at IS NOT NULL",
        tenant,
        id.as_uuid(),
        due_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
