//! What a publication would change.

use super::publish_edge::{PublishScope, called, last_published, sha256, wanted};
use super::records::Entries;
use super::{EdgeError, EdgeStore, is_published_key};
use crate::tenants::TenantTools;
use souk_domain::TenantId;
use std::collections::{BTreeMap, BTreeSet};

/// How an entry would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeChange {
    /// There is none yet.
    Add,
    /// It says something else.
    Change,
    /// It would not be there any more.
    Remove,
    /// It is as it was published, and the store has lost or altered it.
    Repair,
}

/// An entry that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeDifference {
    /// Its key.
    pub key: String,
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// How.
    pub change: EdgeChange,
    /// What was published, as JSON.
    pub before: Option<String>,
    /// What would be, as JSON.
    pub after: Option<String>,
}

/// What a publication would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeDiff {
    /// The last publication, if there was one.
    pub version: Option<u64>,
    /// Whether all of it is in the store, as far as is known.
    pub is_finished: bool,
    /// In the order of their keys.
    pub differences: Vec<EdgeDifference>,
}

/// What a publication would change, against the last one; and with a store what it does not have as it was
/// published.
///
/// # Errors
/// [`EdgeError::UnknownTenant`], [`EdgeError::Record`], [`EdgeError::Store`], [`EdgeError::Database`].
pub async fn diff_edge<S: EdgeStore>(
    tools: &TenantTools,
    store: Option<&S>,
    scope: PublishScope,
) -> Result<EdgeDiff, EdgeError> {
    let wanted = wanted(tools, scope).await?;
    let (last, published) = last_published(tools).await?;
    let listed = match store {
        None => None,
        Some(store) => {
            let listed = called(store.list()).await?.into_iter();
            Some(listed.map(|entry| (entry.key, entry.sha256)).collect())
        }
    };
    Ok(EdgeDiff {
        version: last.as_ref().map(|last| last.version),
        is_finished: last.is_some_and(|last| last.finished_at.is_some()),
        differences: differences(&published, &wanted, listed.as_ref()),
    })
}

type Listed = BTreeMap<String, Option<String>>;

fn differences(
    published: &Entries,
    wanted: &Entries,
    listed: Option<&Listed>,
) -> Vec<EdgeDifference> {
    let in_store = listed.into_iter().flat_map(BTreeMap::keys);
    let in_store = in_store.filter(|key| is_published_key(key));
    let keys: BTreeSet<&String> = published
        .keys()
        .chain(wanted.keys())
        .chain(in_store)
        .collect();
    let differing = keys.into_iter().filter_map(|key| {
        let (before, after) = (published.get(key), wanted.get(key));
        let change = match (before, after) {
            (None, Some(_)) => EdgeChange::Add,
            (Some(old), Some(new)) if old.value != new.value => EdgeChange::Change,
            (Some(_), Some(new)) => {
                let said = listed.map(|listed| listed.get(key).cloned().flatten());
                let is_there =
                    said.is_none_or(|said| said == Some(hex::encode(sha256(&new.value))));
                if is_there {
                    return None;
                }
                EdgeChange::Repair
            }
            (_, None) => EdgeChange::Remove,
        };
        Some(EdgeDifference {
            key: key.clone(),
            tenant: after.or(before).and_then(|entry| entry.tenant),
            change,
            before: before.map(|entry| entry.value.clone()),
            after: after.map(|entry| entry.value.clone()),
        })
    });
    differing.collect()
}
