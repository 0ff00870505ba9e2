//! Publishes to the edge's store what the directory knows.

use super::lease::{Lease, PublishPatience};
use super::records::{Entries, all_entries, by_key, settings_entry, tenant_entries};
use super::taken_away::without_what_was_taken_away;
use super::{EdgeEntryRow, EdgeError, PublicationRow, fact};
use super::{EdgeStore, EntryToStore, is_published_key};
use crate::tenants::TenantTools;
use aws_lc_rs::digest::{SHA256, digest};
use core::time::Duration;
use souk_domain::TenantId;
use souk_postgres::DatabaseError;
use souk_postgres::directory::EdgeView;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::timeout;

/// Entries that are written or removed at a time, at most.
const BATCH_ENTRIES_MAX: usize = 500;
/// Bytes of values that are written at a time, at most; one value is smaller.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often a key is tried that the store has not taken alone.
const TRIES_MAX: u32 = 3;
/// How long a call of the store may take; shorter than the lease.
const CALL_TIMEOUT: Duration = Duration::from_secs(50);
/// Publications that are listed at most.
const LISTED_MAX: u16 = 200;
/// Days for which a publication can be gone back to; the last [`LISTED_MAX`] can for ever.
const KEPT_DAYS: i32 = 90;

/// Of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishScope {
    /// All tenants, and what counts for all.
    All,
    /// One tenant; all else stays as it was published, without what was taken away since
    /// ([`super::TakenAway`]). All, where nothing was published yet.
    Tenant(TenantId),
    /// What counts for all tenants; all else as with one tenant.
    Settings,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// The publication that the store has now.
    pub version: u64,
    /// Whether it is a new one.
    pub is_new: bool,
    /// How many entries it has.
    pub entries: usize,
    /// Keys that were written.
    pub put: Vec<String>,
    /// Keys that were removed.
    pub deleted: Vec<String>,
}

/// Publishes what the directory knows: writes what differs, removes what is too much. What was interrupted
/// is finished by the next one.
///
/// # Errors
/// [`EdgeError::Busy`], [`EdgeError::Overtaken`], [`EdgeError::Store`], [`EdgeError::Partly`],
/// [`EdgeError::UnknownTenant`], [`EdgeError::Record`], [`EdgeError::Database`].
pub async fn publish_edge<S: EdgeStore>(
    tools: &TenantTools,
    store: &S,
    scope: PublishScope,
    patience: PublishPatience,
) -> Result<PublishReport, EdgeError> {
    let lease = Lease::take(tools, patience).await?;
    let done = async {
        let wanted = wanted(tools, scope).await?;
        carry_out(tools, store, &lease, wanted, None).await
    };
    let done = done.await;
    lease.release().await;
    done
}

/// What the directory knows, as one moment saw it.
///
/// # Errors
/// [`EdgeError::Database`].
pub async fn show_edge(tools: &TenantTools, only: Option<TenantId>) -> Result<EdgeView, EdgeError> {
    let mut tx = tools.directory.begin_snapshot().await?;
    let view = tx.edge_view(only).await?;
    tx.commit().await?;
    match only {
        Some(tenant) if view.tenants.is_empty() => Err(EdgeError::UnknownTenant(tenant)),
        _ => Ok(view),
    }
}

/// The last publications, the last one first.
///
/// # Errors
/// [`EdgeError::Database`].
pub async fn list_publications(tools: &TenantTools) -> Result<Vec<PublicationRow>, EdgeError> {
    let mut tx = tools.directory.begin().await?;
    let publications = tx.publications(LISTED_MAX).await?;
    tx.commit().await?;
    Ok(publications)
}

/// What is to be in the store.
pub(super) async fn wanted(tools: &TenantTools, scope: PublishScope) -> Result<Entries, EdgeError> {
    let now = tools.clock.now();
    let view = show_edge(tools, None).await?;
    let (last, published) = last_published(tools).await?;
    if last.is_none() || scope == PublishScope::All {
        return all_entries(&view, now);
    }
    let mut wanted = published.clone();
    if let PublishScope::Tenant(tenant) = scope {
        let mut all = view.tenants.iter();
        let of_tenant = all.find(|of_tenant| of_tenant.tenant.id == tenant);
        let of_tenant = of_tenant.ok_or(EdgeError::UnknownTenant(tenant))?;
        wanted.retain(|_, entry| entry.tenant != Some(tenant));
        wanted.extend(by_key(tenant_entries(of_tenant, &view.plans, now)?));
    } else {
        wanted.extend(by_key([settings_entry(&view)?]));
    }
    // What stays as it was must not be what has been ruled out since.
    let (wanted, _) = without_what_was_taken_away(wanted, &published, &view, now)?;
    Ok(wanted)
}

/// The last publication and its entries.
pub(super) async fn last_published(
    tools: &TenantTools,
) -> Result<(Option<PublicationRow>, Entries), EdgeError> {
    let mut tx = tools.directory.begin_snapshot().await?;
    let last = tx.publications(1).await?.pop();
    let entries = match &last {
        Some(last) => by_key(tx.edge_entries(last.version).await?),
        None => Entries::new(),
    };
    tx.commit().await?;
    Ok((last, entries))
}

/// What has to be done to the store.
#[derive(Debug, Default)]
struct Changes {
    put: Vec<EdgeEntryRow>,
    delete: Vec<String>,
}

impl Changes {
    fn keys(&self) -> Vec<String> {
        let put = self.put.iter().map(|entry| entry.key.clone());
        put.chain(self.delete.iter().cloned()).collect()
    }
}

/// Lets the store have what is wanted, as a new publication where the last one was another.
pub(super) async fn carry_out<S: EdgeStore>(
    tools: &TenantTools,
    store: &S,
    lease: &Lease<'_>,
    wanted: Entries,
    restores: Option<u64>,
) -> Result<PublishReport, EdgeError> {
    let (last, published) = last_published(tools).await?;
    let mut listed = BTreeMap::new();
    for entry in called(store.list()).await? {
        listed.insert(entry.key, entry.sha256);
    }
    lease.renew().await?;
    let mut tx = lease.begin().await?;
    let stored = tx.edge_stored().await?;
    let changes = changes(&wanted, &listed, &stored);
    let same = |(key, entry): (&String, &EdgeEntryRow)| {
        published
            .get(key)
            .is_some_and(|old| old.value == entry.value)
    };
    let is_new = published.len() != wanted.len() || !wanted.iter().all(same) || last.is_none();
    let before = last.as_ref().map_or(0, |last| last.version);
    let version = before.saturating_add(u64::from(is_new));
    if is_new {
        let publication = publication(tools, &wanted, version, restores);
        enter(&mut tx, &publication, &published, &wanted).await?;
        let action = restores.map_or("edge.publish", |_| "edge.rollback");
        let detail = [
            ("version", version.to_string()),
            ("digest", hex::encode(publication.digest)),
            ("put", changes.put.len().to_string()),
            ("delete", changes.delete.len().to_string()),
            ("restores", restores.unwrap_or_default().to_string()),
        ];
        tx.append_audit(fact(tools, action, None, publication.made_at, &detail))
            .await?;
    }
    tx.doubt_edge_stored(&changes.keys()).await?;
    tx.commit().await?;
    write(store, lease, &changes, version).await?;
    let mut tx = lease.begin().await?;
    let now = tools.clock.now();
    tx.finish_publication(version, now).await?;
    tx.prune_publications(now, KEPT_DAYS, u32::from(LISTED_MAX))
        .await?;
    tx.commit().await?;
    Ok(PublishReport {
        version,
        is_new,
        entries: wanted.len(),
        put: changes.put.into_iter().map(|entry| entry.key).collect(),
        deleted: changes.delete,
    })
}

fn publication(
    tools: &TenantTools,
    wanted: &Entries,
    version: u64,
    restores: Option<u64>,
) -> PublicationRow {
    PublicationRow {
        version,
        made_at: tools.clock.now(),
        made_by: tools.operator.clone(),
        digest: digest_of(wanted),
        entries: u64::try_from(wanted.len()).unwrap_or(u64::MAX),
        restores,
        finished_at: None,
    }
}

/// SHA-256 over all keys, in order, each followed by that of its value in hexadecimal, a line each.
pub(super) fn digest_of(entries: &Entries) -> [u8; 32] {
    let mut all = String::new();
    for (key, entry) in entries {
        all.push_str(key);
        all.push('\n');
        all.push_str(&hex::encode(sha256(&entry.value)));
        all.push('\n');
    }
    sha256(&all)
}

/// Only what differs from the publication before is written down.
async fn enter(
    tx: &mut souk_postgres::directory::DirectoryTx,
    publication: &PublicationRow,
    published: &Entries,
    wanted: &Entries,
) -> Result<(), DatabaseError> {
    let differs = |entry: &&EdgeEntryRow| {
        published
            .get(&entry.key)
            .is_none_or(|old| old.value != entry.value)
    };
    let begun: Vec<_> = wanted.values().filter(differs).cloned().collect();
    let ended = published.values().filter(|old| {
        wanted
            .get(&old.key)
            .is_none_or(|entry| entry.value != old.value)
    });
    let ended: Vec<_> = ended.map(|old| old.key.clone()).collect();
    tx.insert_publication(publication, &begun, &ended).await
}

/// A key is left alone only where the store says that it has the value, and nothing else was written since:
/// the store's list may be old.
fn changes(
    wanted: &Entries,
    listed: &BTreeMap<String, Option<String>>,
    stored: &BTreeMap<String, Option<[u8; 32]>>,
) -> Changes {
    let is_there = |entry: &EdgeEntryRow| {
        let digest = sha256(&entry.value);
        let said = listed.get(&entry.key).and_then(Option::as_deref);
        said == Some(hex::encode(digest).as_str()) && stored.get(&entry.key) == Some(&Some(digest))
    };
    let put = wanted.values().filter(|entry| !is_there(entry));
    let mut put: Vec<EdgeEntryRow> = put.cloned().collect();
    // What forbids something does not wait for what allows something.
    put.sort_by_key(|entry| {
        let of_all = entry.tenant.is_none();
        !(of_all || entry.value.contains("\"status\":\"suspended\""))
    });
    let known: BTreeSet<&String> = listed.keys().chain(stored.keys()).collect();
    let delete = known
        .into_iter()
        .filter(|key| is_published_key(key) && !wanted.contains_key(*key));
    Changes {
        put,
        delete: delete.cloned().collect(),
    }
}

pub(super) fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

async fn write<S: EdgeStore>(
    store: &S,
    lease: &Lease<'_>,
    changes: &Changes,
    version: u64,
) -> Result<(), EdgeError> {
    let mut failed = Vec::new();
    for batch in changes.delete.chunks(BATCH_ENTRIES_MAX) {
        failed.extend(delete_batch(store, lease, batch).await?);
    }
    for batch in batches(&changes.put) {
        let batch = batch.iter().map(|entry| EntryToStore {
            key: entry.key.clone(),
            value: entry.value.clone(),
            sha256: hex::encode(sha256(&entry.value)),
            publication: version,
        });
        failed.extend(put_batch(store, lease, batch.collect()).await?);
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(EdgeError::Partly { keys: failed })
    }
}

/// The keys that were not removed.
async fn delete_batch<S: EdgeStore>(
    store: &S,
    lease: &Lease<'_>,
    batch: &[String],
) -> Result<Vec<String>, EdgeError> {
    let mut left = batch.to_vec();
    for _ in 0..TRIES_MAX {
        if left.is_empty() {
            break;
        }
        lease.renew().await?;
        let failed = called(store.delete(&left)).await?;
        left.retain(|key| !failed.contains(key));
        let mut tx = lease.begin().await?;
        tx.forget_edge_stored(&left).await?;
        tx.commit().await?;
        left = failed;
    }
    Ok(left)
}

/// The keys that were not written.
async fn put_batch<S: EdgeStore>(
    store: &S,
    lease: &Lease<'_>,
    batch: Vec<EntryToStore>,
) -> Result<Vec<String>, EdgeError> {
    let mut left = batch;
    for _ in 0..TRIES_MAX {
        if left.is_empty() {
            break;
        }
        lease.renew().await?;
        let failed = called(store.put(&left)).await?;
        let (again, taken): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|entry| failed.contains(&entry.key));
        let keys: Vec<_> = taken.iter().map(|entry| entry.key.clone()).collect();
        let digests: Vec<_> = taken
            .iter()
            .map(|entry| sha256(&entry.value).to_vec())
            .collect();
        let mut tx = lease.begin().await?;
        tx.confirm_edge_stored(&keys, &digests).await?;
        tx.commit().await?;
        left = again;
    }
    Ok(left.into_iter().map(|entry| entry.key).collect())
}

fn batches(entries: &[EdgeEntryRow]) -> Vec<&[EdgeEntryRow]> {
    let mut batches = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0_usize;
        let fitting = rest.iter().take(BATCH_ENTRIES_MAX).take_while(|entry| {
            bytes = bytes.saturating_add(entry.value.len());
            bytes <= BATCH_BYTES_MAX
        });
        let (batch, others) = rest.split_at(fitting.count().max(1));
        batches.push(batch);
        rest = others;
    }
    batches
}

/// A call of the store, which must not outlive the lease.
pub(super) async fn called<T>(
    call: impl Future<Output = Result<T, super::EdgeStoreError>>,
) -> Result<T, EdgeError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(super::EdgeStoreError::unavailable("it takes too long").into()),
    }
}
