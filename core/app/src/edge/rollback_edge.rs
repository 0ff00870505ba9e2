//! Goes back to an earlier publication.

use super::lease::{Lease, PublishPatience};
use super::publish_edge::{PublishReport, carry_out, digest_of, last_published, show_edge};
use super::records::{Entries, by_key};
use super::taken_away::{TakenAway, without_what_was_taken_away};
use super::{EdgeError, EdgeStore};
use crate::tenants::TenantTools;

/// What was gone back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackReport {
    /// The publication that the store has again.
    pub restores: u64,
    /// As which one it was published.
    pub published: PublishReport,
    /// What it did not get back.
    pub taken_away: Vec<TakenAway>,
}

/// Publishes the entries of an earlier publication again, as they were: of `to`, or of the one before the
/// last. What was taken away from tenants since is not given back ([`TakenAway`]). The directory stays as it
/// is: the next publication of all goes by it again.
///
/// # Errors
/// [`EdgeError::UnknownPublication`], [`EdgeError::NotKept`], [`EdgeError::NothingBefore`], and those of publishing.
pub async fn rollback_edge<S: EdgeStore>(
    tools: &TenantTools,
    store: &S,
    to: Option<u64>,
    patience: PublishPatience,
) -> Result<RollbackReport, EdgeError> {
    let lease = Lease::take(tools, patience).await?;
    let done = async {
        let restores = match to {
            Some(version) => version,
            None => before_the_last(tools).await?,
        };
        let old = entries_of(tools, restores).await?;
        let (_, published) = last_published(tools).await?;
        let view = show_edge(tools, None).await?;
        let now = tools.clock.now();
        let (wanted, taken_away) = without_what_was_taken_away(old, &published, &view, now)?;
        let published = carry_out(tools, store, &lease, wanted, Some(restores)).await?;
        Ok(RollbackReport {
            restores,
            published,
            taken_away,
        })
    };
    let done = done.await;
    lease.release().await;
    done
}

/// Going back again goes further back.
async fn before_the_last(tools: &TenantTools) -> Result<u64, EdgeError> {
    let mut tx = tools.directory.begin().await?;
    let last = tx.publications(1).await?.pop();
    tx.commit().await?;
    let from = last.map_or(0, |last| last.restores.unwrap_or(last.version));
    match from.checked_sub(1) {
        None | Some(0) => Err(EdgeError::NothingBefore),
        Some(before) => Ok(before),
    }
}

async fn entries_of(tools: &TenantTools, version: u64) -> Result<Entries, EdgeError> {
    let mut tx = tools.directory.begin_snapshot().await?;
    let publication = tx.publication(version).await?;
    let publication = publication.ok_or(EdgeError::UnknownPublication(version))?;
    let entries = by_key(tx.edge_entries(version).await?);
    tx.commit().await?;
    if digest_of(&entries) != publication.digest {
        return Err(EdgeError::NotKept(version));
    }
    Ok(entries)
}
