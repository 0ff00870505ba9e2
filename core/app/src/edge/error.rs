//! Why the edge was not told.

use super::store::EdgeStoreError;
use souk_domain::{TenantId, TimestampError};
use souk_policy::address::CidrError;
use souk_policy::edge_policy::EdgePolicyError;
use souk_policy::gcra::RuleError;
use souk_policy::identity::ScopesError;
use souk_policy::route::RecordError;
use souk_policy::settings::SettingsError;
use souk_postgres::DatabaseError;

/// The error of these use cases. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The directory has no such tenant.
    #[error("no tenant {0}")]
    UnknownTenant(TenantId),
    /// There is no such plan.
    #[error("no plan {0:?}")]
    UnknownPlan(String),
    /// Tenants have it.
    #[error("tenants have the plan {0:?}")]
    PlanInUse(String),
    /// A name that no plan can have.
    #[error("a plan's name is 1 to 32 lower-case letters, digits and hyphens")]
    PlanName,
    /// The tenant has no such issuer.
    #[error("the tenant has no issuer {0:?}")]
    UnknownIssuer(String),
    /// The edge would never ask for these keys.
    #[error(
        "{0} is none of the hosts that the edge fetches keys from: allow it first, or together with the issuer"
    )]
    IssuerHost(String),
    /// No host, with or without a port.
    #[error("{0:?} is not a host, with or without a port")]
    HostForm(String),
    /// A tenant's issuer has its keys there.
    #[error("the tenant {tenant} has an issuer whose keys are at {host}")]
    IssuerHostInUse {
        /// The host.
        host: String,
        /// Whose issuer.
        tenant: TenantId,
    },
    /// Nothing has this name.
    #[error(
        "{0:?} is no operation and no function, and neither `writes` nor `all`; docs/openapi.json has the operations"
    )]
    UnknownSwitch(String),
    /// A region that is none.
    #[error("a region is 1 to 32 lower-case letters, digits and hyphens")]
    Region,
    /// The tenant must not be served from there.
    #[error("the tenant's requests must not leave {residency:?}, and {region:?} is not part of it")]
    Residency {
        /// Where they would be processed.
        region: String,
        /// Where they may be.
        residency: String,
    },
    /// A residency that is none.
    #[error("a residency is 1 to 32 lower-case letters and digits, such as eu")]
    ResidencyForm,
    /// A limit.
    #[error("the limit is not valid")]
    Limit(#[from] RuleError),
    /// Addresses.
    #[error("{0:?} is not valid")]
    Address(String, #[source] CidrError),
    /// Scopes of an issuer or of a role.
    #[error("the scopes are not valid")]
    Scopes(#[from] ScopesError),
    /// Roles that are not an object of lists of scopes.
    #[error("roles are an object of lists of scopes")]
    Roles,
    /// An algorithm that is not accepted of anyone.
    #[error("an issuer signs with ES256, EdDSA or RS256")]
    Algorithm,
    /// The edge would not act on it.
    #[error(transparent)]
    Policy(#[from] EdgePolicyError),
    /// The edge would not read the record.
    #[error("the record of the tenant {tenant} would not be valid")]
    Record {
        /// Whose.
        tenant: TenantId,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// A host that the edge would not find.
    #[error("{0} is not a host name")]
    Host(String),
    /// The edge would not read its settings.
    #[error("the edge's settings would not be valid")]
    Settings(#[from] SettingsError),
    /// Somebody else publishes.
    #[error(
        "{holder} is publishing; a publication that was interrupted gives way after {lease_s} s"
    )]
    Busy {
        /// Who.
        holder: String,
        /// Seconds after the last sign of life.
        lease_s: u32,
    },
    /// This one was thought dead, and another took over. What was written stays; publish again.
    #[error("another publication has taken over from this one")]
    Overtaken,
    /// The store was not read, or not written to its end. Publish again to finish.
    #[error("the edge's store does not do it")]
    Store(#[from] EdgeStoreError),
    /// The store has not taken these, and all others. Publish again to finish.
    #[error("the edge's store has not taken {}", keys.join(", "))]
    Partly {
        /// The keys.
        keys: Vec<String>,
    },
    /// There was no such publication.
    #[error("there is no publication {0}")]
    UnknownPublication(u64),
    /// It was forgotten, but for what the store has to this day.
    #[error("publication {0} is not kept any more")]
    NotKept(u64),
    /// There is none before the first one.
    #[error("there is no publication to go back to")]
    NothingBefore,
    /// The clock shows a time that cannot be written.
    #[error("the clock is out of range")]
    Clock(#[from] TimestampError),
    /// The database refuses or fails.
    #[error("the database operation failed")]
    Database(#[from] DatabaseError),
}
