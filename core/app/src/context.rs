//! What every use case is given.

use crate::{Clock, IdGenerator, PriceSheets};
use souk_domain::{Principal, RequestId, TenantId};
use souk_postgres::{ConsistencyToken, Shards};
use std::sync::Arc;

/// The tools of a use case, built once a process.
#[derive(Clone)]
pub struct Tools {
    /// The databases, by tenant.
    pub db: Shards,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identity.
    pub ids: Arc<dyn IdGenerator>,
    /// Prices that were read before.
    pub prices: Arc<PriceSheets>,
}

impl core::fmt::Debug for Tools {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tools")
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

/// Who asks, for which tenant, in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose rows.
    pub tenant: TenantId,
    /// Who.
    pub principal: Principal,
    /// The request at the beginning of the chain: correlates logs and events.
    pub request_id: RequestId,
    /// W3C Trace Context, section 3.2, if the request carried one.
    pub traceparent: Option<String>,
    /// The write that a read has to see, if the request names one.
    pub consistency: Option<ConsistencyToken>,
}
