//! Lists and verifies the audit log.

use super::{TenantError, TenantTools};
use souk_domain::{AuditCheck, AuditEntry, AuditHead, TenantId};

/// Entries that are read at a time.
const PAGE: u16 = 500;

/// A log that was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditReport {
    /// Its end, to be kept elsewhere: with it, a log that was cut off can be told.
    pub head: AuditHead,
}

/// Goes through the whole log. `anchor` is a head that was kept elsewhere.
///
/// # Errors
/// [`TenantError::AuditBroken`] names the first bad entry. [`TenantError::Database`].
pub async fn verify_audit(
    tools: &TenantTools,
    anchor: Option<AuditHead>,
) -> Result<AuditReport, TenantError> {
    let mut check = AuditCheck::new(anchor);
    // Without a lock until the end comes near: meanwhile the log may grow.
    while verify_page(tools, &mut check).await? {}
    let mut tx = tools.directory.begin().await?;
    let recorded = tx.lock_audit_head().await?;
    loop {
        let page = tx.read_audit(None, check.head().seq, PAGE).await?;
        for entry in &page {
            check.next(entry)?;
        }
        if page.is_empty() {
            break;
        }
    }
    tx.rollback().await?;
    let head = check.end(recorded)?;
    Ok(AuditReport { head })
}

/// Whether there may be more.
async fn verify_page(tools: &TenantTools, check: &mut AuditCheck) -> Result<bool, TenantError> {
    let mut tx = tools.directory.begin().await?;
    let page = tx.read_audit(None, check.head().seq, PAGE).await?;
    tx.rollback().await?;
    for entry in &page {
        check.next(entry)?;
    }
    Ok(page.len() == usize::from(PAGE))
}

/// Up to `limit` entries after the `after`th, of one tenant or of all.
///
/// # Errors
/// [`TenantError::Database`].
pub async fn list_audit(
    tools: &TenantTools,
    tenant: Option<TenantId>,
    after: u64,
    limit: u16,
) -> Result<Vec<AuditEntry>, TenantError> {
    let mut tx = tools.directory.begin().await?;
    let entries = tx.read_audit(tenant, after, limit).await?;
    tx.rollback().await?;
    Ok(entries)
}
