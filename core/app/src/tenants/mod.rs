//! What operators do with tenants: use cases over the directory, each of which writes the audit log in
//! the transaction of its change.

mod add_domain;
mod audit_log;
mod change_status;
mod clean_up;
mod create_key;
mod create_tenant;
mod enter_demo;
mod error;
mod move_tenant;
mod remove_domain;
mod revoke_key;
mod rotate_key;
mod route_record;
mod show_tenant;

pub use add_domain::add_domain;
pub(crate) use add_domain::route_key;
pub use audit_log::{AuditReport, list_audit, verify_audit};
pub use change_status::{resume_tenant, suspend_tenant};
pub use clean_up::clean_up;
pub use create_key::{CreatedKey, KeyRequest, create_key};
pub use create_tenant::{NewTenant, create_tenant};
pub use enter_demo::{DemoTenant, enter_demo};
pub use error::TenantError;
pub use move_tenant::{MovePoint, MoveReport, MoveSettings, abort_move, move_tenant};
pub use remove_domain::remove_domain;
pub use revoke_key::revoke_key;
pub use rotate_key::{Rotation, rotate_key};
pub use route_record::{RoutePublication, route_record, route_records};
pub use show_tenant::{TenantView, list_tenants, show_tenant};
pub use souk_postgres::ShardName;
pub use souk_postgres::directory::{ApiKeyRow, Directory, Placement, TenantRow};

use crate::{Clock, Database, IdGenerator};
use serde_json::{Map, Value};
use souk_domain::{AuditFact, TenantId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tools of an operator's use cases.
#[derive(Clone)]
pub struct TenantTools {
    /// The directory, by its owner.
    pub directory: Directory,
    /// The primary of each shard, by the owner of its schema.
    pub shards: BTreeMap<ShardName, Database>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identity.
    pub ids: Arc<dyn IdGenerator>,
    /// Who acts: what the audit log says, 1 to 200 characters.
    pub operator: String,
}

impl core::fmt::Debug for TenantTools {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TenantTools")
            .field("shards", &self.shards.keys())
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl TenantTools {
    fn shard(&self, name: &ShardName) -> Result<&Database, TenantError> {
        self.shards
            .get(name)
            .ok_or_else(|| TenantError::UnknownShard(name.clone()))
    }

    /// What the audit log is to say.
    fn fact(
        &self,
        action: &'static str,
        tenant: TenantId,
        now: Timestamp,
        detail: &[(&str, &str)],
    ) -> AuditFact {
        let detail = detail
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        AuditFact {
            at: now,
            actor: self.operator.clone(),
            action: action.to_owned(),
            tenant: Some(tenant),
            detail: Value::Object(detail.collect::<Map<_, _>>()),
        }
    }
}
