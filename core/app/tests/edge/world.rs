//! A directory with tenants, and a store in memory that fails as it is told.

use souk_app::edge::{
    CallerChange, EdgeStore, EdgeStoreError, EntryToStore, PublishPatience, PublishReport,
    PublishScope, StoredEntry, TenantChange, change_tenant_edge, publish_edge,
};
use souk_app::tenants::{Placement, TenantRow, TenantTools, add_domain};
use souk_app::{Clock as _, IdGenerator as _};
use souk_domain::{TenantId, TenantStatus};
use souk_testkit::{FixedClock, RandomIds, TestDatabase};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) struct World {
    pub(crate) directory: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) tools: TenantTools,
    pub(crate) store: Store,
}

pub(crate) async fn world() -> World {
    let directory = TestDatabase::create_directory().await;
    let clock = Arc::new(FixedClock::new());
    let tools = TenantTools {
        directory: directory.directory(),
        shards: BTreeMap::new(),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
        operator: "ada".to_owned(),
    };
    World {
        directory,
        clock,
        tools,
        store: Store::default(),
    }
}

impl World {
    pub(crate) async fn tenant(&self, host: &str, region: &str) -> TenantId {
        let now = self.clock.now();
        let id = TenantId::from_uuid(RandomIds.uuid_v7(now));
        let row = TenantRow {
            id,
            name: "Tea".to_owned(),
            region: region.to_owned(),
            placement: Placement {
                shard: "a".parse().unwrap(),
                status: TenantStatus::Active,
                version: 1,
            },
            created_at: now,
        };
        let mut tx = self.tools.directory.begin().await.unwrap();
        tx.insert_tenant(&row).await.unwrap();
        tx.commit().await.unwrap();
        add_domain(&self.tools, id, host).await.unwrap();
        id
    }

    pub(crate) async fn change(&self, tenant: TenantId, change: CallerChange) {
        let change = TenantChange::from(change);
        change_tenant_edge(&self.tools, tenant, &[change])
            .await
            .unwrap();
    }

    pub(crate) async fn publish(&self) -> PublishReport {
        publish_edge(
            &self.tools,
            &self.store,
            PublishScope::All,
            PublishPatience::default(),
        )
        .await
        .unwrap()
    }

    /// What a minute does to the lease of one that has died.
    pub(crate) async fn let_the_lease_lapse(&self) {
        self.directory
            .execute("UPDATE souk_directory.edge_head SET lease_until = now() - interval '1 s'")
            .await;
    }

    /// What the last publication says that the store has.
    pub(crate) async fn published(&self) -> BTreeMap<String, String> {
        let mut tx = self.tools.directory.begin().await.unwrap();
        let last = tx.publications(1).await.unwrap().pop().unwrap();
        let entries = tx.edge_entries(last.version).await.unwrap();
        tx.rollback().await.unwrap();
        let entries = entries.into_iter();
        entries.map(|entry| (entry.key, entry.value)).collect()
    }

    pub(crate) async fn is_finished(&self) -> bool {
        let mut tx = self.tools.directory.begin().await.unwrap();
        let last = tx.publications(1).await.unwrap().pop().unwrap();
        tx.rollback().await.unwrap();
        last.finished_at.is_some()
    }
}

/// What the next call does besides, or instead.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It has no effect, and fails.
    Before,
    /// It has its effect, and fails all the same.
    After,
    /// It has its effect on half of what it was told.
    Half,
    /// It does not take these, ever.
    Keys(Vec<String>),
    /// It waits until it is let go.
    Wait(Arc<Semaphore>),
}

#[derive(Debug, Clone, Default)]
struct Kept {
    entries: BTreeMap<String, (String, Option<String>)>,
    /// What lists show, where that is not what is there.
    shown: Option<Vec<StoredEntry>>,
    calls: usize,
    written: usize,
    faults: BTreeMap<usize, Fault>,
}

/// A store in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Kept>>);

impl Store {
    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.with(|kept| {
            let entries = kept.entries.iter();
            entries
                .map(|(key, (value, _))| (key.clone(), value.clone()))
                .collect()
        })
    }

    pub(crate) fn set(&self, key: &str, value: Option<&str>) {
        self.with(|kept| match value {
            Some(value) => {
                kept.entries
                    .insert(key.to_owned(), (value.to_owned(), None));
            }
            None => {
                kept.entries.remove(key);
            }
        });
    }

    pub(crate) fn calls(&self) -> usize {
        self.with(|kept| kept.calls)
    }

    pub(crate) fn written(&self) -> usize {
        self.with(|kept| kept.written)
    }

    /// The `nth` call from now, counted from 0.
    pub(crate) fn fail(&self, nth: usize, fault: Fault) {
        self.with(|kept| kept.faults.insert(kept.calls + nth, fault));
    }

    pub(crate) fn heal(&self) {
        self.with(|kept| kept.faults.clear());
    }

    /// From now on lists show what is there now.
    pub(crate) fn freeze_list(&self) {
        let now = self.listed();
        self.with(|kept| kept.shown = Some(now));
    }

    fn listed(&self) -> Vec<StoredEntry> {
        self.with(|kept| {
            let entries = kept.entries.iter();
            entries
                .map(|(key, (_, sha256))| StoredEntry {
                    key: key.clone(),
                    sha256: sha256.clone(),
                })
                .collect()
        })
    }

    /// Does `act` to so many of what it was told, as the fault wants it. Returns the keys that were not
    /// taken.
    async fn call(
        &self,
        keys: Vec<String>,
        act: impl Fn(&mut Kept, usize) + Send,
    ) -> Result<Vec<String>, EdgeStoreError> {
        let fault = self.with(|kept| {
            let fault = kept.faults.get(&kept.calls).cloned();
            kept.calls += 1;
            fault
        });
        let failed = || Err(EdgeStoreError::unavailable("it was told to fail"));
        let mut refused = Vec::new();
        let mut takes = keys.len();
        match &fault {
            Some(Fault::Before) => return failed(),
            Some(Fault::Wait(gate)) => gate.acquire().await.unwrap().forget(),
            Some(Fault::Half) => takes /= 2,
            Some(Fault::Keys(bad)) => refused.clone_from(bad),
            Some(Fault::After) | None => {}
        }
        self.with(|kept| {
            for (at, key) in keys.iter().enumerate().take(takes) {
                if !refused.contains(key) {
                    act(kept, at);
                    kept.written += 1;
                }
            }
        });
        if let Some(Fault::After | Fault::Half) = fault {
            return failed();
        }
        refused.retain(|key| keys.contains(key));
        Ok(refused)
    }
}

impl EdgeStore for Store {
    async fn list(&self) -> Result<Vec<StoredEntry>, EdgeStoreError> {
        self.call(Vec::new(), |_, _| ()).await?;
        let shown = self.with(|kept| kept.shown.clone());
        Ok(shown.unwrap_or_else(|| self.listed()))
    }

    async fn put(&self, entries: &[EntryToStore]) -> Result<Vec<String>, EdgeStoreError> {
        let keys = entries.iter().map(|entry| entry.key.clone()).collect();
        self.call(keys, |kept, at| {
            let entry = &entries[at];
            let value = (entry.value.clone(), Some(entry.sha256.clone()));
            kept.entries.insert(entry.key.clone(), value);
        })
        .await
    }

    async fn delete(&self, keys: &[String]) -> Result<Vec<String>, EdgeStoreError> {
        self.call(keys.to_vec(), |kept, at| {
            kept.entries.remove(&keys[at]);
        })
        .await
    }
}

/// Not at all, if somebody else publishes.
pub(crate) const AT_ONCE: PublishPatience = PublishPatience(Duration::ZERO);
