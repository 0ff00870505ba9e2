//! What operators tell the edge: plans and limits, issuers, pages, switches and denied addresses are kept in
//! the directory, and published from there to the edge's store, as a whole that can be gone back to.

mod change_plan;
mod change_settings;
mod change_tenant;
mod changes;
mod diff_edge;
mod error;
mod lease;
mod publish_edge;
mod records;
mod rollback_edge;
mod store;
mod taken_away;

pub use change_plan::{list_plans, put_plan, remove_plan};
pub use change_settings::{SettingsChange, change_settings};
pub use change_tenant::{CallerChange, TenantChange, change_tenant_edge};
pub use diff_edge::{EdgeChange, EdgeDiff, EdgeDifference, diff_edge};
pub use error::EdgeError;
pub use lease::{LEASE_S, PublishPatience};
pub use publish_edge::{PublishReport, PublishScope, list_publications, publish_edge, show_edge};
pub(crate) use records::tenant_entries;
pub use rollback_edge::{RollbackReport, rollback_edge};
pub use souk_postgres::directory::{
    DeniedRow, EdgeEntryRow, EdgeSettingsRow, EdgeView, IssuerRow, LimitRow, PlanRow,
    PublicationRow, TenantEdgeRow, TenantEdgeView,
};
pub use store::{
    EdgeStore, EdgeStoreError, EdgeStoreErrorKind, EntryToStore, StoredEntry, is_published_key,
};
pub use taken_away::TakenAway;

use crate::tenants::TenantTools;
use serde_json::{Map, Value};
use souk_domain::{AuditFact, TenantId, Timestamp};
use souk_postgres::DatabaseError;

/// Whether this constraint has refused a change.
fn is_refused_by(error: &DatabaseError, constraint: &str) -> bool {
    matches!(error, DatabaseError::Constraint { name, .. } if name == constraint)
}

/// What the audit log is to say.
fn fact(
    tools: &TenantTools,
    action: &str,
    tenant: Option<TenantId>,
    now: Timestamp,
    detail: &[(&str, String)],
) -> AuditFact {
    let detail = detail
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    AuditFact {
        at: now,
        actor: tools.operator.clone(),
        action: action.to_owned(),
        tenant,
        detail: Value::Object(detail.collect::<Map<_, _>>()),
    }
}
