//! What is booked, as reconciliation wants to see it, and what has been under way for too long.

use crate::{DatabaseError, TenantTx};
use souk_domain::payment::ProviderPaymentId;
use souk_domain::reconcile::{BookedDispute, BookedFee, BookedPayment, BookedRefund};
use souk_domain::{Currency, DisputeId, Money, PaymentIntentId, RefundId, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Payments of which something other than a fee was booked in the window, at most `limit`.
pub async fn booked_between(
    tx: &mut TenantTx,
    (from, until): (Timestamp, Timestamp),
    limit: u32,
) -> Result<Vec<PaymentIntentId>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_scalar!(
        r#"SELECT DISTINCT t.payment_intent_id AS "intent!" FROM souk.ledger_transfers t
           WHERE t.tenant_id = $1 AND t.booked_at >= $2 AND t.booked_at < $3
             AND t.payment_intent_id IS NOT NULL AND t.source NOT LIKE 'fee:%'
           ORDER BY 1 LIMIT $4"#,
        tenant,
        from.as_offset_date_time(),
        until.as_offset_date_time(),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(PaymentIntentId::from_uuid).collect())
}

/// All that is booked of these payments, whether they are named by the PSP's ids or by ours.
pub async fn booked_payments(
    tx: &mut TenantTx,
    payments: &[String],
    intents: &[PaymentIntentId],
) -> Result<Vec<BookedPayment>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let intents: Vec<Uuid> = intents.iter().map(PaymentIntentId::as_uuid).collect();
    let rows = sqlx::query!(
        "SELECT payment_intent_id, provider_payment_id, currency FROM souk.payment_intents \
         WHERE tenant_id = $1 \
           AND (provider_payment_id = ANY ($2) OR payment_intent_id = ANY ($3)) \
         ORDER BY payment_intent_id",
        tenant,
        payments,
        &intents,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut booked = BTreeMap::new();
    for row in rows {
        let intent = PaymentIntentId::from_uuid(row.payment_intent_id);
        let payment = row.provider_payment_id.map(|id| id.parse()).transpose();
        booked.insert(
            row.payment_intent_id,
            BookedPayment {
                intent,
                payment: payment.map_err(|e| DatabaseError::corrupt("provider payment", e))?,
                currency: currency(&row.currency)?,
                captured_minor: 0,
                refunds: Vec::new(),
                disputes: Vec::new(),
            },
        );
    }
    let found: Vec<Uuid> = booked.keys().copied().collect();
    let cash = cash_by_source(tx, &found).await?;
    for ((intent, source), minor) in &cash {
        if let Some(payment) = booked.get_mut(intent)
            && source.starts_with("capture:")
        {
            payment.captured_minor = payment.captured_minor.saturating_add(*minor);
        }
    }
    add_refunds(tx, &found, &cash, &mut booked).await?;
    add_disputes(tx, &found, &cash, &mut booked).await?;
    Ok(booked.into_values().collect())
}

/// Cash at the PSP by payment and by what was booked.
type Cash = BTreeMap<(Uuid, String), i64>;

/// The refunds of these payments.
async fn add_refunds(
    tx: &mut TenantTx,
    found: &[Uuid],
    cash: &Cash,
    booked: &mut BTreeMap<Uuid, BookedPayment>,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let booked_of = |intent: Uuid, source: String| cash.get(&(intent, source)).copied();
    let refunds = sqlx::query!(
        "SELECT payment_intent_id, refund_id, provider_refund_id FROM souk.refunds \
         WHERE tenant_id = $1 AND payment_intent_id = ANY ($2) ORDER BY refund_id",
        tenant,
        found,
    )
    .fetch_all(tx.connection())
    .await?;
    for row in refunds {
        let refund = RefundId::from_uuid(row.refund_id);
        let gone = booked_of(row.payment_intent_id, format!("refund:{refund}"));
        let back = booked_of(row.payment_intent_id, format!("refund_failed:{refund}"));
        if let Some(payment) = booked.get_mut(&row.payment_intent_id) {
            payment.refunds.push(BookedRefund {
                refund,
                provider_refund: row.provider_refund_id,
                booked_minor: gone_minor(gone, back),
            });
        }
    }
    Ok(())
}

/// The disputes of these payments.
async fn add_disputes(
    tx: &mut TenantTx,
    found: &[Uuid],
    cash: &Cash,
    booked: &mut BTreeMap<Uuid, BookedPayment>,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let booked_of = |intent: Uuid, source: String| cash.get(&(intent, source)).copied();
    let disputes = sqlx::query!(
        "SELECT payment_intent_id, dispute_id, provider_dispute_id FROM souk.disputes \
         WHERE tenant_id = $1 AND payment_intent_id = ANY ($2) ORDER BY dispute_id",
        tenant,
        found,
    )
    .fetch_all(tx.connection())
    .await?;
    for row in disputes {
        let dispute = DisputeId::from_uuid(row.dispute_id);
        let gone = booked_of(
            row.payment_intent_id,
            format!("dispute:{dispute}:withdrawn"),
        );
        let back = booked_of(
            row.payment_intent_id,
            format!("dispute:{dispute}:reinstated"),
        );
        if let Some(payment) = booked.get_mut(&row.payment_intent_id) {
            payment.disputes.push(BookedDispute {
                provider_dispute: row.provider_dispute_id,
                booked_minor: gone_minor(gone, back),
            });
        }
    }
    Ok(())
}

/// What went out is booked as negative cash.
fn gone_minor(gone: Option<i64>, back: Option<i64>) -> i64 {
    gone.unwrap_or(0)
        .saturating_add(back.unwrap_or(0))
        .saturating_neg()
}

/// Reads it.
async fn cash_by_source(tx: &mut TenantTx, intents: &[Uuid]) -> Result<Cash, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        r#"SELECT t.payment_intent_id AS "intent!", t.source,
               sum(e.amount_minor)::bigint AS "minor!"
           FROM souk.ledger_transfers t
           JOIN souk.ledger_entries e
               ON e.tenant_id = t.tenant_id AND e.ledger_transfer_id = t.ledger_transfer_id
           WHERE t.tenant_id = $1 AND t.payment_intent_id = ANY ($2)
             AND t.source NOT LIKE 'fee:%' AND e.account = 'cash_at_psp'
           GROUP BY t.payment_intent_id, t.source"#,
        tenant,
        intents,
    )
    .fetch_all(tx.connection())
    .await?;
    let rows = rows
        .into_iter()
        .map(|row| ((row.intent, row.source), row.minor));
    Ok(rows.collect())
}

/// Fees that were taken in the window, and those that were taken with one of `movements`, by movement.
pub async fn booked_fees(
    tx: &mut TenantTx,
    (from, until): (Timestamp, Timestamp),
    movements: &[String],
) -> Result<BTreeMap<String, BookedFee>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let sources: Vec<String> = movements.iter().map(|id| format!("fee:{id}")).collect();
    let rows = sqlx::query!(
        r#"SELECT t.source, t.payment_intent_id, t.currency,
               (t.booked_at >= $2 AND t.booked_at < $3) AS "of_window!",
               coalesce(-sum(e.amount_minor), 0)::bigint AS "minor!"
           FROM souk.ledger_transfers t
           JOIN souk.ledger_entries e
               ON e.tenant_id = t.tenant_id AND e.ledger_transfer_id = t.ledger_transfer_id
           WHERE t.tenant_id = $1 AND e.account = 'cash_at_psp'
             AND (t.source = ANY ($4)
                  OR (t.source LIKE 'fee:%' AND t.booked_at >= $2 AND t.booked_at < $3))
           GROUP BY t.source, t.payment_intent_id, t.currency, t.booked_at"#,
        tenant,
        from.as_offset_date_time(),
        until.as_offset_date_time(),
        &sources,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let movement = row
                .source
                .strip_prefix("fee:")
                .unwrap_or(&row.source)
                .to_owned();
            let fee = BookedFee {
                intent: row.payment_intent_id.map(PaymentIntentId::from_uuid),
                amount: Money::new(row.minor, currency(&row.currency)?),
                of_window: row.of_window,
            };
            Ok((movement, fee))
        })
        .collect()
}

/// A payment that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lingering {
    /// Which.
    pub intent: PaymentIntentId,
    /// Its id at the PSP, if one is known.
    pub payment: Option<ProviderPaymentId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The refund that is on its way for too long, if that is why.
    pub refund: Option<RefundId>,
}

/// Refunds that have been on their way since `before`, and payments that have been processing since then,
/// at most `limit` of each.
pub async fn lingering(
    tx: &mut TenantTx,
    before: Timestamp,
    limit: u16,
) -> Result<Vec<Lingering>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        r#"(SELECT i.payment_intent_id AS "intent!", i.provider_payment_id,
                i.created_at AS "created_at!", r.refund_id AS "refund_id?"
            FROM souk.refunds r
            JOIN souk.payment_intents i
                ON i.tenant_id = r.tenant_id AND i.payment_intent_id = r.payment_intent_id
            WHERE r.tenant_id = $1 AND r.status = 'pending' AND r.created_at < $2
            ORDER BY r.created_at LIMIT $3)
           UNION ALL
           (SELECT i.payment_intent_id, i.provider_payment_id, i.created_at, NULL
            FROM souk.payment_intents i
            WHERE i.tenant_id = $1 AND i.status = 'processing' AND i.updated_at < $2
            ORDER BY i.updated_at LIMIT $3)"#,
        tenant,
        before.as_offset_date_time(),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let payment = row.provider_payment_id.map(|id| id.parse()).transpose();
            Ok(Lingering {
                intent: PaymentIntentId::from_uuid(row.intent),
                payment: payment.map_err(|e| DatabaseError::corrupt("provider payment", e))?,
                created_at: crate::orders::timestamp(row.created_at)?,
                refund: row.refund_id.map(RefundId::from_uuid),
            })
        })
        .collect()
}

fn currency(code: &str) -> Result<Currency, DatabaseError> {
    code.parse()
        .map_err(|e| DatabaseError::corrupt("currency", e))
}
