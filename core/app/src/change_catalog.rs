//! What all changes of the catalog have in common.

use crate::once::{self, Turn};
use crate::{Answer, AppError, Caller, CatalogRefusal, ExpectedVersion, Once, Tools};
use souk_domain::Timestamp;
use souk_postgres::TenantTx;
use souk_postgres::idempotency::StoredResponse;

/// What a change has come to: the id of what was changed, and the answer.
pub(crate) struct Changed {
    pub(crate) resource_id: String,
    pub(crate) response: StoredResponse,
}

/// Lets `act` make its changes in one transaction with the idempotency record and the answer.
pub(crate) async fn change_catalog(
    tools: &Tools,
    caller: &Caller,
    once: &Once,
    act: impl AsyncFnOnce(&mut TenantTx, Timestamp) -> Result<Changed, AppError>,
    refuse: impl FnOnce(&AppError) -> StoredResponse + Send,
) -> Result<Answer, AppError> {
    let now = tools.clock.now();
    let mut tx = tools.db.begin(caller.tenant).await?;
    let outcome = async {
        let claimed = match once::claim(&mut tx, caller, once, now).await? {
            Turn::Replay(answer) => return Ok(answer),
            Turn::Act(claimed) => claimed,
        };
        let changed = act(&mut tx, now).await?;
        once::finish(&mut tx, claimed, &changed.resource_id, changed.response).await
    }
    .await;
    once::settle(tools, caller, once, tx, outcome, refuse).await
}

/// Nothing, or why a command that is meant for `expected` is refused at version `current`.
pub(crate) fn check_version(
    expected: &ExpectedVersion,
    current: Option<u64>,
) -> Result<(), CatalogRefusal> {
    if expected.fits(current) {
        return Ok(());
    }
    Err(CatalogRefusal::OtherVersion { current })
}
