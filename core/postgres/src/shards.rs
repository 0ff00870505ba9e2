//! Which database serves a tenant, and whether its primary or a replica does.

use crate::directory::Directory;
use crate::{ConsistencyToken, Database, DatabaseError, Shard, ShardName, TenantTx};
use core::future::Future;
use core::time::Duration;
use souk_domain::TenantId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long it is believed where a tenant is. What is believed may be wrong: the shard knows better,
/// and says so.
pub const PLACEMENT_TTL: Duration = Duration::from_secs(5);
/// Tenants whose placement is kept at most; then those that are too old are forgotten, or all.
const PLACEMENTS_MAX: usize = 10_000;

/// The databases that tenants are spread over.
#[derive(Debug, Clone)]
pub struct Shards {
    placing: Placing,
}

#[derive(Debug, Clone)]
enum Placing {
    /// All tenants are on one shard.
    One(Shard),
    /// The directory knows.
    Directory(Arc<Placements>),
}

#[derive(Debug)]
struct Placements {
    directory: Directory,
    shards: BTreeMap<ShardName, Shard>,
    kept: Mutex<HashMap<TenantId, Arc<Kept>>>,
}

/// Where a tenant is, as soon as one of those who ask has found out.
#[derive(Debug)]
struct Kept {
    since: Instant,
    shard: OnceCell<ShardName>,
    /// What was believed before.
    before: Option<ShardName>,
}

impl Shards {
    /// One database for all tenants.
    pub fn single(database: Database) -> Self {
        Self::one(Shard::new(ShardName::only(), database))
    }

    /// One shard for all tenants.
    pub const fn one(shard: Shard) -> Self {
        Self {
            placing: Placing::One(shard),
        }
    }

    /// Several shards, and the directory that knows who is where.
    pub fn placed_by(directory: Directory, shards: impl IntoIterator<Item = Shard>) -> Self {
        let shards = shards
            .into_iter()
            .map(|shard| (shard.name().clone(), shard))
            .collect();
        Self {
            placing: Placing::Directory(Arc::new(Placements {
                directory,
                shards,
                kept: Mutex::default(),
            })),
        }
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> Vec<&Shard> {
        match &self.placing {
            Placing::One(shard) => vec![shard],
            Placing::Directory(placements) => placements.shards.values().collect(),
        }
    }

    /// The primary of the shard where the tenant is believed to be; what is to be done there is better
    /// given to [`Shards::at_home`].
    pub async fn home(&self, tenant: TenantId) -> Result<Database, DatabaseError> {
        let shard = match &self.placing {
            Placing::One(shard) => shard.clone(),
            Placing::Directory(placements) => placements.shard_of(tenant).await?,
        };
        Ok(shard.primary().clone())
    }

    /// Does `work` on the primary of the tenant's shard. Where that says that the tenant is not there,
    /// the directory is asked anew, and `work` is done once more: it must have had no effect when it
    /// fails so.
    ///
    /// # Errors
    /// Those of `work`. [`DatabaseError::TenantElsewhere`] when no shard serves the tenant, as for a
    /// moment at the end of a move.
    pub async fn at_home<T, W>(
        &self,
        tenant: TenantId,
        work: impl Fn(Database) -> W,
    ) -> Result<T, DatabaseError>
    where
        W: Future<Output = Result<T, DatabaseError>>,
    {
        self.on_shard(tenant, |shard| work(shard.primary().clone()))
            .await
    }

    /// Begins a transaction of `tenant` that may write.
    ///
    /// # Errors
    /// [`DatabaseError::WritesHeld`] while the tenant is being moved.
    pub async fn begin(&self, tenant: TenantId) -> Result<TenantTx, DatabaseError> {
        self.on_shard(tenant, |shard| async move { shard.begin(tenant).await })
            .await
    }

    /// Begins a transaction of `tenant` that reads, from a replica where that has seen the write
    /// that `newer_than` names; see [`Shard::begin_to_read`].
    pub async fn begin_to_read(
        &self,
        tenant: TenantId,
        newer_than: Option<&ConsistencyToken>,
    ) -> Result<TenantTx, DatabaseError> {
        self.on_shard(tenant, |shard| async move {
            shard.begin_to_read(tenant, newer_than).await
        })
        .await
    }

    /// Believes that the tenant is on `shard`, where nothing is known of it yet: whoever sees a tenant for
    /// the first time then need not ask the directory. A shard that is not configured here is passed over,
    /// and one that does not serve the tenant says so, as in [`Shards::at_home`].
    pub fn hint(&self, tenant: TenantId, shard: &ShardName) {
        if let Placing::Directory(placements) = &self.placing
            && placements.shards.contains_key(shard)
        {
            placements.hint(tenant, shard);
        }
    }

    async fn on_shard<T, W>(
        &self,
        tenant: TenantId,
        work: impl Fn(Shard) -> W,
    ) -> Result<T, DatabaseError>
    where
        W: Future<Output = Result<T, DatabaseError>>,
    {
        let placements = match &self.placing {
            Placing::One(shard) => return work(shard.clone()).await,
            Placing::Directory(placements) => placements,
        };
        let shard = placements.shard_of(tenant).await?;
        match work(shard.clone()).await {
            Err(DatabaseError::TenantElsewhere) => {
                placements.forget(tenant, shard.name());
                work(placements.shard_of(tenant).await?).await
            }
            other => other,
        }
    }

    /// Asks every primary for nothing, to see whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        for shard in self.all() {
            shard.primary().ping().await?;
        }
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        for shard in self.all() {
            shard.close().await;
        }
        if let Placing::Directory(placements) = &self.placing {
            placements.directory.close().await;
        }
    }
}

impl Kept {
    fn unknown(before: Option<ShardName>) -> Self {
        Self {
            since: Instant::now(),
            shard: OnceCell::new(),
            before,
        }
    }
}

impl Placements {
    async fn shard_of(&self, tenant: TenantId) -> Result<Shard, DatabaseError> {
        let kept = self.kept(tenant);
        let found = kept.shard.get_or_try_init(|| self.ask(tenant)).await;
        let name = match (found, &kept.before) {
            (Ok(name), _) => name,
            // The shard itself refuses a tenant that it does not serve: what was right a moment ago
            // can be tried.
            (Err(error @ DatabaseError::Unavailable(_)), Some(before)) => {
                tracing::warn!(%error, "the directory does not answer, an older placement is used");
                before
            }
            (Err(error), _) => return Err(error),
        };
        self.shards.get(name).cloned().ok_or_else(|| {
            tracing::error!(shard.name = %name, "the directory names a shard that is not configured");
            DatabaseError::TenantElsewhere
        })
    }

    async fn ask(&self, tenant: TenantId) -> Result<ShardName, DatabaseError> {
        let placement = self.directory.placement(tenant).await?;
        placement
            .map(|placement| placement.shard)
            .ok_or(DatabaseError::TenantElsewhere)
    }

    /// Takes over what somebody else knows of a tenant, if nothing is kept of it. Once something is, the
    /// directory is asked: what it has corrected must not come back.
    fn hint(&self, tenant: TenantId, shard: &ShardName) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < PLACEMENTS_MAX {
            all.entry(tenant).or_insert_with(|| {
                let hinted = OnceCell::new_with(Some(shard.clone()));
                Arc::new(Kept {
                    shard: hinted,
                    ..Kept::unknown(None)
                })
            });
        }
    }

    /// What is kept of the tenant, or a place for it: those who come together ask once.
    fn kept(&self, tenant: TenantId) -> Arc<Kept> {
        let now = Instant::now();
        let is_fresh = |kept: &Arc<Kept>| now.saturating_duration_since(kept.since) < PLACEMENT_TTL;
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let old = all.get(&tenant);
        if let Some(kept) = old.filter(|kept| is_fresh(kept)) {
            return Arc::clone(kept);
        }
        let before = old.and_then(|old| old.shard.get().or(old.before.as_ref()).cloned());
        if all.len() >= PLACEMENTS_MAX {
            all.retain(|_, kept| is_fresh(kept));
            if all.len() >= PLACEMENTS_MAX {
                all.clear();
            }
        }
        let kept = Arc::new(Kept::unknown(before));
        all.insert(tenant, Arc::clone(&kept));
        kept
    }

    /// Forgets that the tenant is on `shard`, unless somebody has found out better since.
    fn forget(&self, tenant: TenantId, shard: &ShardName) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = all.get(&tenant).is_some_and(|kept| {
            kept.shard
                .get()
                .or(kept.before.as_ref())
                .is_none_or(|known| known == shard)
        });
        if wrong {
            // In its place, one that asks: a hint that is as wrong must not get there first.
            all.insert(tenant, Arc::new(Kept::unknown(None)));
        }
    }
}
