//! Why an operator's wish was not done.

use souk_domain::{ApiKeyId, AuditBreak, TenantId, TimestampError};
use souk_policy::identity::ScopesError;
use souk_postgres::relocation::RelocationError;
use souk_postgres::{DatabaseError, ShardName};

/// The error of the operator's use cases. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The directory has no such tenant.
    #[error("no tenant {0}")]
    UnknownTenant(TenantId),
    /// No shard of this name is configured.
    #[error("no shard {0} is configured")]
    UnknownShard(ShardName),
    /// The tenant has no such key.
    #[error("the tenant has no key {0}")]
    UnknownKey(ApiKeyId),
    /// No tenant is known under this host.
    #[error("the host {0} leads to no tenant, or to another one")]
    UnknownHost(String),
    /// The name is empty or too long.
    #[error("a tenant's name is 1 to 200 characters")]
    Name,
    /// A region that is none.
    #[error("a region is 1 to 32 lower-case letters, digits and hyphens")]
    Region,
    /// A text that is no host name.
    #[error("{0} is not a host name")]
    Host(String),
    /// The host leads to a tenant already.
    #[error("the host {0} leads to a tenant already")]
    HostTaken(String),
    /// The scopes are malformed.
    #[error("the scopes are not valid")]
    Scopes(#[from] ScopesError),
    /// A publishable key would be able to do more than a browser may.
    #[error("a publishable key must not have the scope {0}")]
    ScopeNotPublishable(String),
    /// The key is revoked or has expired.
    #[error("the key {0} is not live")]
    KeyNotLive(ApiKeyId),
    /// Two keys of the principal are live: the older one has to expire or to be revoked first.
    #[error("two keys of this principal are live already")]
    TwoKeysLive,
    /// The edge reads no more keys than that.
    #[error("the tenant has as many live keys as the edge reads")]
    TooManyKeys,
    /// A key cannot expire before it begins.
    #[error("the expiry is not in the future")]
    Expiry,
    /// The source of randomness is broken.
    #[error("the random bytes are not random")]
    Randomness,
    /// The edge would not read the record.
    #[error("the route record is not valid")]
    Edge(#[source] Box<crate::edge::EdgeError>),
    /// The tenant is there.
    #[error("the tenant is on shard {0} already")]
    AlreadyThere(ShardName),
    /// A move of the tenant to another shard is not over.
    #[error("the tenant is being moved to shard {0}: go on with that move, or abort it")]
    MovingElsewhere(ShardName),
    /// No move of the tenant is open, or it can only go forward.
    #[error("no move of this tenant can be aborted")]
    NotAbortable,
    /// The tenant is served there, or is about to be.
    #[error("rows of this tenant on shard {0} are in use")]
    InUse(ShardName),
    /// The copy is not what the source has. Writes are not held any more, the move was given up.
    #[error("the copy differs from the source in {}", tables.join(", "))]
    CopyDiffers {
        /// The tables.
        tables: Vec<String>,
    },
    /// The copy could not be completed while writes were held. They are not held any more; what was
    /// copied stays, and the move can go on.
    #[error("the copy could not be completed within the time that writes may be held")]
    HoldLapsed,
    /// The one who watches wished to stop. Everything stays as it is, as after a crash.
    #[error("interrupted")]
    Interrupted,
    /// The audit log was tampered with.
    #[error("the audit log is broken")]
    AuditBroken(#[from] AuditBreak),
    /// A step on a shard was not done.
    #[error("a step of the move was not done")]
    Relocation(#[from] RelocationError),
    /// The clock shows a time that cannot be written.
    #[error("the clock is out of range")]
    Clock(#[from] TimestampError),
    /// The database refuses or fails.
    #[error("the database operation failed")]
    Database(#[from] DatabaseError),
}
