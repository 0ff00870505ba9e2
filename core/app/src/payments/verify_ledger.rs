//! Checks a tenant's ledger, and books what reconciliation finds.

use crate::{AppError, Tools};
use souk_domain::payment::Transfer;
use souk_domain::{LedgerTransferId, TenantId};
use souk_postgres::ledger::{self, Balance, LedgerFinding};

/// What of the tenant's ledger does not add up, at most `limit` findings of each kind; nothing where
/// all is well: every transfer is balanced, and captures, refunds and disputes of each payment are what
/// is booked for them.
///
/// # Errors
/// [`AppError::Database`].
pub async fn verify_ledger(
    tools: &Tools,
    tenant: TenantId,
    limit: u16,
) -> Result<Vec<LedgerFinding>, AppError> {
    let mut tx = tools.db.begin(tenant).await?;
    let findings = ledger::verify(&mut tx, limit).await?;
    tx.commit().await?;
    Ok(findings)
}

/// What all accounts of the tenant hold.
///
/// # Errors
/// [`AppError::Database`].
pub async fn ledger_balances(tools: &Tools, tenant: TenantId) -> Result<Vec<Balance>, AppError> {
    let mut tx = tools.db.begin(tenant).await?;
    let balances = ledger::balances(&mut tx).await?;
    tx.commit().await?;
    Ok(balances)
}

/// Books a transfer, such as a fee that reconciliation has found. False when it was booked before.
///
/// # Errors
/// [`AppError::Database`].
pub async fn book_transfer(
    tools: &Tools,
    tenant: TenantId,
    transfer: &Transfer,
) -> Result<bool, AppError> {
    let now = tools.clock.now();
    let id = LedgerTransferId::from_uuid(tools.ids.uuid_v7(now));
    let mut tx = tools.db.begin(tenant).await?;
    let booked = ledger::book(&mut tx, id, transfer, now).await?;
    tx.commit().await?;
    Ok(booked)
}
