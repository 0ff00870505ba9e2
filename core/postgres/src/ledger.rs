//! The ledger: transfers whose entries add up to nothing, and what they say.

use crate::{DatabaseError, TenantTx};
use souk_domain::payment::{Account, Transfer};
use souk_domain::{Currency, LedgerTransferId, PaymentIntentId, Timestamp};

/// Books a transfer. False when what it tells of was booked before: then nothing is written.
///
/// # Errors
/// [`DatabaseError::Constraint`] with `ledger_transfers_balanced`, when the transaction commits, for a
/// transfer that does not add up.
pub async fn book(
    tx: &mut TenantTx,
    id: LedgerTransferId,
    transfer: &Transfer,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let entries = transfer.entries();
    let numbers: Vec<i16> = (1_i16..).take(entries.len()).collect();
    let accounts: Vec<String> = entries
        .iter()
        .map(|entry| entry.account.as_str().to_owned())
        .collect();
    let amounts: Vec<i64> = entries.iter().map(|entry| entry.amount_minor).collect();
    let written = sqlx::query!(
        "WITH booked AS ( \
             INSERT INTO souk.ledger_transfers (tenant_id, ledger_transfer_id, source, currency, \
                 payment_intent_id, booked_at) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT ON CONSTRAINT ledger_transfers_source_key DO NOTHING \
             RETURNING ledger_transfer_id \
         ) \
         INSERT INTO souk.ledger_entries (tenant_id, ledger_transfer_id, entry_number, account, \
             amount_minor) \
         SELECT $1, b.ledger_transfer_id, e.entry_number, e.account, e.amount_minor \
         FROM booked b, unnest($7::smallint[], $8::text[], $9::bigint[]) \
             AS e (entry_number, account, amount_minor)",
        tenant,
        id.as_uuid(),
        transfer.source(),
        transfer.currency().code(),
        transfer.intent().map(|intent| intent.as_uuid()),
        now.as_offset_date_time(),
        &numbers,
        &accounts,
        &amounts,
    )
    .execute(tx.connection())
    .await?;
    Ok(written.rows_affected() > 0)
}

/// What an account holds, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The account.
    pub account: Account,
    /// The currency.
    pub currency: Currency,
    /// Sum of all its entries in minor units: positive is a debit. Wider than any one entry.
    pub amount_minor: i128,
}

/// What all accounts of the tenant hold, derived from their entries: those that were ever used.
pub async fn balances(tx: &mut TenantTx) -> Result<Vec<Balance>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query!(
        r#"SELECT e.account, t.currency, sum(e.amount_minor)::text AS "amount!"
           FROM souk.ledger_entries e
           JOIN souk.ledger_transfers t
               ON t.tenant_id = e.tenant_id AND t.ledger_transfer_id = e.ledger_transfer_id
           WHERE e.tenant_id = $1
           GROUP BY e.account, t.currency ORDER BY t.currency, e.account"#,
        tenant,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Balance {
                account: row
                    .account
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("account", e))?,
                currency: row
                    .currency
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("currency", e))?,
                amount_minor: row
                    .amount
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("balance", e))?,
            })
        })
        .collect()
}

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerFinding {
    /// A transfer whose entries do not add up to nothing, or that has fewer than two.
    Unbalanced {
        /// Which.
        transfer: LedgerTransferId,
        /// What it tells of.
        source: String,
        /// What its entries add up to, in minor units.
        sum: String,
    },
    /// A payment of which the ledger says something else than the payment itself.
    Differs {
        /// Which.
        intent: PaymentIntentId,
        /// What differs: `captured`, `refunded`, or `disputed` for what banks have taken.
        what: String,
        /// What the ledger says, in minor units.
        booked: String,
        /// What the payment says, in minor units.
        shown: String,
    },
}

/// What of the tenant's ledger does not add up: transfers that are not balanced, and payments whose
/// captures, refunds and disputes are not what is booked for them. At most `limit` of each kind, and
/// nothing where all is well.
pub async fn verify(tx: &mut TenantTx, limit: u16) -> Result<Vec<LedgerFinding>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let unbalanced = sqlx::query!(
        r#"SELECT t.ledger_transfer_id, t.source, coalesce(sum(e.amount_minor), 0)::text AS "sum!"
           FROM souk.ledger_transfers t
           LEFT JOIN souk.ledger_entries e
               ON e.tenant_id = t.tenant_id AND e.ledger_transfer_id = t.ledger_transfer_id
           WHERE t.tenant_id = $1
           GROUP BY t.ledger_transfer_id, t.source
           HAVING coalesce(sum(e.amount_minor), 0) <> 0 OR count(e.entry_number) < 2
           ORDER BY t.ledger_transfer_id LIMIT $2"#,
        tenant,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    let differing = sqlx::query!(
        r#"WITH booked AS (
               SELECT t.payment_intent_id,
                   -sum(e.amount_minor) FILTER (WHERE e.account = 'revenue') AS captured,
                   sum(e.amount_minor) FILTER (WHERE e.account = 'refunds') AS refunded,
                   sum(e.amount_minor) FILTER (WHERE e.account = 'disputes') AS disputed
               FROM souk.ledger_transfers t
               JOIN souk.ledger_entries e
                   ON e.tenant_id = t.tenant_id AND e.ledger_transfer_id = t.ledger_transfer_id
               WHERE t.tenant_id = $1 AND t.payment_intent_id IS NOT NULL
               GROUP BY t.payment_intent_id
           ), withdrawn AS (
               SELECT d.payment_intent_id, sum(d.withdrawn_minor) AS withdrawn
               FROM souk.disputes d WHERE d.tenant_id = $1 GROUP BY d.payment_intent_id
           )
           SELECT i.payment_intent_id, w.what AS "what!", w.booked::text AS "booked!",
               w.shown::text AS "shown!"
           FROM souk.payment_intents i
           LEFT JOIN booked b ON b.payment_intent_id = i.payment_intent_id
           LEFT JOIN withdrawn d ON d.payment_intent_id = i.payment_intent_id
           CROSS JOIN LATERAL (VALUES
               ('captured', coalesce(b.captured, 0), i.captured_minor::numeric),
               ('refunded', coalesce(b.refunded, 0), i.refunded_minor::numeric),
               ('disputed', coalesce(b.disputed, 0), coalesce(d.withdrawn, 0))
           ) AS w (what, booked, shown)
           WHERE i.tenant_id = $1 AND w.booked <> w.shown
           ORDER BY i.payment_intent_id, w.what LIMIT $2"#,
        tenant,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    let unbalanced = unbalanced.into_iter().map(|row| LedgerFinding::Unbalanced {
        transfer: LedgerTransferId::from_uuid(row.ledger_transfer_id),
        source: row.source,
        sum: row.sum,
    });
    let differing = differing.into_iter().map(|row| LedgerFinding::Differs {
        intent: PaymentIntentId::from_uuid(row.payment_intent_id),
        what: row.what,
        booked: row.booked,
        shown: row.shown,
    });
    Ok(unbalanced.chain(differing).collect())
}
