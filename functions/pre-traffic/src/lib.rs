//! What is looked at before a new version of a function gets any traffic, and how the deployment is told. It is told
//! exactly once, whatever happens: silence would hold the deployment for an hour.

mod check;
mod codedeploy;
mod smoke_order;
mod versions;

pub use check::{Doubt, NewVersion, check};
pub use codedeploy::CodeDeploy;
pub use smoke_order::{SmokeOrder, SmokeOrderError};
pub use versions::LambdaVersions;

use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use futures::FutureExt as _;
use serde_json::Value;
use tokio::time::timeout;

/// All that is looked at. The function's own time is longer, so that the deployment can still be told.
pub const LOOK_TIME_MAX: Duration = Duration::from_secs(90);

/// What the deployment is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Traffic may move.
    Succeeded,
    /// It may not: the deployment ends, and the version of before goes on.
    Failed,
}

impl Verdict {
    /// In `CodeDeploy`'s words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// Knows the deployment, and is told.
pub trait Delivery: Send + Sync {
    /// The functions that the deployment is about, and the version that each is to have.
    fn new_versions(
        &self,
        deployment: &str,
    ) -> impl Future<Output = Result<Vec<NewVersion>, Doubt>> + Send;

    /// Tells it. Bounded in time, and tried again by the implementation.
    fn tell(
        &self,
        deployment: &str,
        hook: &str,
        verdict: Verdict,
    ) -> impl Future<Output = Result<(), Doubt>> + Send;
}

/// Calls one version of a function, whatever its alias leads to.
pub trait Versions: Send + Sync {
    /// Its answer to `event`. Bounded in time by the implementation.
    fn invoke(
        &self,
        function: &str,
        qualifier: &str,
        event: &Value,
    ) -> impl Future<Output = Result<Value, Doubt>> + Send;
}

/// Looks at what `deployment` brings and tells it the verdict, which is [`Verdict::Failed`] too where looking fails,
/// panics, or takes longer than [`LOOK_TIME_MAX`].
///
/// # Errors
/// Where the deployment could not be told. It ends by itself, an hour later, and traffic does not move.
pub async fn hook(
    delivery: &impl Delivery,
    look: impl Future<Output = Result<(), Doubt>> + Send,
    deployment: &str,
    hook: &str,
) -> Result<Verdict, Doubt> {
    let looked = timeout(LOOK_TIME_MAX, AssertUnwindSafe(look).catch_unwind());
    let doubt = match looked.await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(doubt))) => Some(doubt),
        Ok(Err(_)) => Some(Doubt("looking at it panicked".to_owned())),
        Err(_) => Some(Doubt("looking at it took too long".to_owned())),
    };
    let verdict = if let Some(doubt) = doubt {
        tracing::error!(deployment.id = deployment, doubt = %doubt, "no traffic for the new version");
        Verdict::Failed
    } else {
        tracing::info!(
            deployment.id = deployment,
            "the new version may have traffic"
        );
        Verdict::Succeeded
    };
    delivery.tell(deployment, hook, verdict).await?;
    Ok(verdict)
}
