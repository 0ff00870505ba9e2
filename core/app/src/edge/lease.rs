//! One publishes at a time: whoever does has a lease, with a token that is above all before it.

use super::EdgeError;
use crate::tenants::TenantTools;
use core::time::Duration;
use souk_postgres::directory::DirectoryTx;
use tokio::time::{Instant, sleep};

/// Seconds after its last sign of life for which a publication is believed to go on. No single call of the
/// store takes as long.
pub const LEASE_S: u32 = 60;
/// Between two questions whether the other one has ended.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How long one waits for another publication to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishPatience(pub Duration);

impl Default for PublishPatience {
    /// Until one that was interrupted has given way.
    fn default() -> Self {
        Self(Duration::from_secs(u64::from(LEASE_S).saturating_add(15)))
    }
}

/// The right to publish.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    tools: &'a TenantTools,
    /// The fencing token.
    fence: i64,
}

impl<'a> Lease<'a> {
    /// Waits for it, but not for ever.
    pub(super) async fn take(
        tools: &'a TenantTools,
        patience: PublishPatience,
    ) -> Result<Self, EdgeError> {
        let deadline = Instant::now().checked_add(patience.0);
        loop {
            let mut tx = tools.directory.begin().await?;
            let taken = tx.take_edge_lease(&tools.operator, LEASE_S).await?;
            tx.commit().await?;
            let holder = match taken {
                Ok(fence) => return Ok(Self { tools, fence }),
                Err(holder) => holder,
            };
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                let lease_s = LEASE_S;
                return Err(EdgeError::Busy { holder, lease_s });
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Begins a transaction in which the lease is this one's until the end.
    pub(super) async fn begin(&self) -> Result<DirectoryTx, EdgeError> {
        let mut tx = self.tools.directory.begin().await?;
        if tx.hold_edge_lease(self.fence, LEASE_S).await? {
            return Ok(tx);
        }
        tx.rollback().await?;
        Err(EdgeError::Overtaken)
    }

    /// Prolongs it.
    pub(super) async fn renew(&self) -> Result<(), EdgeError> {
        Ok(self.begin().await?.commit().await?)
    }

    /// Gives it back. Where that fails, it lapses.
    pub(super) async fn release(self) {
        let release = async {
            let mut tx = self.tools.directory.begin().await?;
            tx.release_edge_lease(self.fence).await?;
            tx.commit().await
        };
        if let Err(error) = release.await {
            tracing::warn!(%error, "the right to publish was not given back; it lapses");
        }
    }
}
