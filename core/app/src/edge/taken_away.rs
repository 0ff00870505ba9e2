//! What an old record does not give back, whether one goes back to it or leaves it as it is: that a tenant was suspended, a key revoked, a
//! host given to another tenant, or a region ruled out is no setting that can have been wrong, and an old
//! record must not undo it.

use super::EdgeError;
use super::records::{Entries, check_residency};
use souk_domain::{ApiKeyId, TenantId, TenantStatus, Timestamp};
use souk_policy::route::{KeyRecord, RouteKey, RouteRecord};
use souk_postgres::directory::{EdgeEntryRow, EdgeView, TenantEdgeView};
use std::collections::{BTreeMap, BTreeSet};

/// Something that an earlier publication had and does not get back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TakenAway {
    /// The tenant is suspended.
    Service(TenantId),
    /// The key is revoked, or expires earlier.
    Key(TenantId, ApiKeyId),
    /// The tenant must not be served from that region; the record names its own.
    Region(TenantId, String),
    /// The host leads to another tenant, and keeps the record that is published.
    Host(TenantId, String),
}

impl core::fmt::Display for TakenAway {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Service(tenant) => write!(f, "{tenant} is suspended, and stays so"),
            Self::Key(tenant, key) => write!(f, "the key {key} of {tenant} stays ended"),
            Self::Region(tenant, region) => write!(f, "{tenant} does not go back to {region}"),
            Self::Host(tenant, key) => write!(f, "{key} does not go back to {tenant}"),
        }
    }
}

/// The entries of an earlier publication without what was taken away since. `published` is the last one.
pub(super) fn without_what_was_taken_away(
    old: Entries,
    published: &Entries,
    view: &EdgeView,
    now: Timestamp,
) -> Result<(Entries, Vec<TakenAway>), EdgeError> {
    let tenants = view.tenants.iter();
    let tenants: BTreeMap<TenantId, &TenantEdgeView> =
        tenants.map(|tenant| (tenant.tenant.id, tenant)).collect();
    let owners = owners(view);
    let mut taken = BTreeSet::new();
    let mut wanted = Entries::new();
    for (key, mut entry) in old {
        if let Some(id) = entry.tenant {
            if owners.get(&key).is_some_and(|owner| *owner != id) {
                taken.insert(TakenAway::Host(id, key.clone()));
                wanted.extend(
                    published
                        .get_key_value(&key)
                        .map(|(key, entry)| (key.clone(), entry.clone())),
                );
                continue;
            }
            if let Some(tenant) = tenants.get(&id) {
                entry = restrict(entry, tenant, now, &mut taken)?;
            }
        }
        wanted.insert(key, entry);
    }
    Ok((wanted, taken.into_iter().collect()))
}

/// To whom each host leads.
fn owners(view: &EdgeView) -> BTreeMap<String, TenantId> {
    let mut owners = BTreeMap::new();
    for tenant in &view.tenants {
        for host in &tenant.hosts {
            if let Some(key) = crate::tenants::route_key(host) {
                owners.insert(RouteKey::as_str(&key).to_owned(), tenant.tenant.id);
            }
        }
    }
    owners
}

/// An entry that lacks nothing stays as it was, byte for byte.
fn restrict(
    entry: EdgeEntryRow,
    view: &TenantEdgeView,
    now: Timestamp,
    taken: &mut BTreeSet<TakenAway>,
) -> Result<EdgeEntryRow, EdgeError> {
    let tenant = view.tenant.id;
    let invalid = |source| EdgeError::Record { tenant, source };
    let mut record = RouteRecord::parse(&entry.value).map_err(invalid)?;
    let before = record.clone();
    if view.tenant.placement.status == TenantStatus::Suspended
        && record.status != TenantStatus::Suspended
    {
        record.status = TenantStatus::Suspended;
        taken.insert(TakenAway::Service(tenant));
    }
    if check_residency(&record.region, view.residency.as_deref()).is_err() {
        let old = core::mem::replace(&mut record.region, view.tenant.region.clone());
        taken.insert(TakenAway::Region(tenant, old));
    }
    record.keys.retain_mut(|key| {
        let ended = shorten(key, view, now);
        if ended != Ended::No {
            taken.insert(TakenAway::Key(tenant, key.id));
        }
        ended != Ended::Already
    });
    if record == before {
        return Ok(entry);
    }
    let value = record.to_json().map_err(invalid)?;
    Ok(EdgeEntryRow { value, ..entry })
}

#[derive(PartialEq, Eq)]
enum Ended {
    No,
    Earlier,
    Already,
}

fn shorten(key: &mut KeyRecord, view: &TenantEdgeView, now: Timestamp) -> Ended {
    let Some(row) = view.keys.iter().find(|row| row.id == key.id) else {
        return Ended::Already;
    };
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|at| at <= now) {
        return Ended::Already;
    }
    let expires_at = row.expires_at.map(|at| at.unix_s());
    let is_earlier = match (expires_at, key.expires_at) {
        (Some(now_s), Some(old_s)) => now_s < old_s,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_earlier {
        key.expires_at = expires_at;
        return Ended::Earlier;
    }
    Ended::No
}
