//! A mover at work.

use super::{MovePoint, MoveReport, MoveSettings};
use crate::tenants::{ShardName, TenantError, TenantTools};
use core::ops::ControlFlow;
use souk_domain::TenantId;
use souk_postgres::directory::{DirectoryTx, MoveRow, MoveStep, TenantRow};
use souk_postgres::relocation::{
    self, Arrival, Site, Snapshot, TenantTable, compare, copy_changes, remove_extras, tenant_tables,
};

/// Where a tenant is before its move is over, and where when it was never begun.
const SERVED: &[&str] = &["active", "held"];

pub(super) struct Run<'a> {
    tools: &'a TenantTools,
    tenant: TenantRow,
    row: MoveRow,
    tables: Vec<TenantTable>,
    report: MoveReport,
    watch: &'a (dyn Fn(MovePoint) -> ControlFlow<()> + Sync),
}

impl<'a> Run<'a> {
    /// Takes over the open move of the tenant under a new token, or starts one `to` a shard.
    pub(super) async fn claim(
        tools: &'a TenantTools,
        tenant: TenantId,
        to: Option<&ShardName>,
        watch: &'a (dyn Fn(MovePoint) -> ControlFlow<()> + Sync),
    ) -> Result<Self, TenantError> {
        let now = tools.clock.now();
        let mut tx = tools.directory.begin().await?;
        let found = tx
            .lock_tenant(tenant)
            .await?
            .ok_or(TenantError::UnknownTenant(tenant))?;
        let token = tx.next_move_token(tenant).await?;
        let (action, row) = match (tx.take_over_move(tenant, token).await?, to) {
            (Some(open), Some(to)) if open.to != *to => {
                return Err(TenantError::MovingElsewhere(open.to));
            }
            (Some(open), _) => ("tenant.move.resume", open),
            (None, None) => return Err(TenantError::NotAbortable),
            (None, Some(to)) => {
                let row = start(tools, &mut tx, &found, to, token).await?;
                ("tenant.move.start", row)
            }
        };
        tools.shard(&row.from)?;
        tools.shard(&row.to)?;
        let detail = [("from", row.from.as_str()), ("to", row.to.as_str())];
        tx.append_audit(tools.fact(action, tenant, now, &detail))
            .await?;
        tx.commit().await?;
        Ok(Self {
            tools,
            tenant: found,
            report: MoveReport {
                from: row.from.clone(),
                rows_copied: 0,
                rows: 0,
                held_ms: 0,
            },
            row,
            tables: Vec::new(),
            watch,
        })
    }

    pub(super) const fn step(&self) -> MoveStep {
        self.row.step
    }

    pub(super) fn report(self) -> MoveReport {
        self.report
    }

    /// Tells the one who watches, who may want to stop.
    pub(super) fn pass(&self, point: MovePoint) -> Result<(), TenantError> {
        match (self.watch)(point) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TenantError::Interrupted),
        }
    }

    fn source(&self) -> Result<Site<'a>, TenantError> {
        self.site(&self.row.from)
    }

    fn target(&self) -> Result<Site<'a>, TenantError> {
        self.site(&self.row.to)
    }

    fn site(&self, shard: &ShardName) -> Result<Site<'a>, TenantError> {
        Ok(Site {
            db: self.tools.shard(shard)?,
            tenant: self.tenant.id,
            token: self.row.fencing_token,
        })
    }

    /// Writes down how far the move is, unless another mover has taken over.
    async fn record(&mut self, step: MoveStep, detail: &str) -> Result<(), TenantError> {
        self.row.step = step;
        let now = self.tools.clock.now();
        let mut tx = self.tools.directory.begin().await?;
        if !tx.record_move(&self.row, detail, now).await? {
            return Err(relocation::RelocationError::Replaced.into());
        }
        Ok(tx.commit().await?)
    }

    pub(super) async fn take_source(&self) -> Result<(), TenantError> {
        Ok(relocation::take(self.source()?, SERVED).await?)
    }

    /// Both sides know the token, have the same tables, and the target has a place.
    pub(super) async fn prepare(&mut self) -> Result<(), TenantError> {
        self.tables = tenant_tables(self.source()?.db).await?;
        TenantTable::check_same(&self.tables, &tenant_tables(self.target()?.db).await?)?;
        self.take_source().await?;
        self.pass(MovePoint::SourceTaken)?;
        let (name, created_at) = (&self.tenant.name, self.tenant.created_at);
        let arrival = relocation::prepare(self.target()?, name, created_at).await?;
        if self.row.step < MoveStep::Prepared {
            if arrival == Arrival::Again {
                relocation::purge(self.target()?, "incoming", &self.tables).await?;
            }
            self.record(MoveStep::Prepared, "").await?;
        }
        self.pass(MovePoint::Prepared)
    }

    /// Copies while the source serves, until little is left to copy.
    pub(super) async fn copy(&mut self, settings: MoveSettings) -> Result<(), TenantError> {
        for _ in 0..settings.rounds_max.max(1) {
            let was_first = self.row.copied_below.is_none();
            let mut source = Snapshot::of(self.source()?).await?;
            let below = source.oldest_running().to_owned();
            let rows = self.copy_from(&mut source, false).await?;
            source.end().await?;
            self.row.copied_below = Some(below);
            self.record(MoveStep::Copied, "").await?;
            self.pass(MovePoint::Copied { rows })?;
            if !was_first && rows <= settings.rows_to_hold {
                break;
            }
        }
        Ok(())
    }

    async fn copy_from(&mut self, source: &mut Snapshot, last: bool) -> Result<u64, TenantError> {
        let below = self.row.copied_below.as_deref();
        let copied = copy_changes(source, self.target()?, &self.tables, below, last).await?;
        self.report.rows_copied = self.report.rows_copied.saturating_add(copied.rows);
        Ok(copied.rows)
    }

    /// Holds writes, completes the copy, verifies it and switches. A hold that lapses is tried again.
    pub(super) async fn hold_and_switch(
        &mut self,
        settings: MoveSettings,
    ) -> Result<(), TenantError> {
        for _ in 0..settings.holds_max.max(1) {
            self.record(MoveStep::Held, "").await?;
            let began = self.tools.clock.now();
            relocation::hold(self.source()?, settings.hold_at_most).await?;
            let completed = tokio::time::timeout(settings.hold_at_most, self.complete_copy()).await;
            let outcome = match completed {
                Ok(Ok(())) => self.seal().await,
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(false),
            };
            match outcome {
                Ok(true) => {
                    self.switch().await?;
                    let held = self.tools.clock.now();
                    self.report.held_ms = held.unix_ms().saturating_sub(began.unix_ms());
                    return self.pass(MovePoint::Switched);
                }
                Ok(false) => relocation::release(self.source()?).await?,
                // As after a crash: the hold lapses by itself.
                Err(TenantError::Interrupted) => return Err(TenantError::Interrupted),
                Err(error @ TenantError::CopyDiffers { .. }) => {
                    self.abort(&error.to_string()).await?;
                    return Err(error);
                }
                Err(error) => {
                    self.try_release().await;
                    return Err(error);
                }
            }
        }
        Err(TenantError::HoldLapsed)
    }

    /// Copies what has changed last and compares everything. Nothing changes at the source meanwhile.
    async fn complete_copy(&mut self) -> Result<(), TenantError> {
        self.pass(MovePoint::Held)?;
        let mut source = Snapshot::of(self.source()?).await?;
        let rows = self.copy_from(&mut source, true).await?;
        self.pass(MovePoint::ChangesCopied { rows })?;
        let target = self.target()?;
        let mut sums = compare(&mut source, target, &self.tables).await?;
        // The target has what the source has, and perhaps what it had: more rows are those to remove.
        let grown: Vec<&TenantTable> = self
            .tables
            .iter()
            .zip(&sums)
            .filter(|(_, (ours, theirs))| theirs.rows > ours.rows)
            .map(|(table, _)| table)
            .collect();
        if !grown.is_empty() {
            for table in grown.into_iter().rev() {
                remove_extras(&mut source, target, table).await?;
            }
            sums = compare(&mut source, target, &self.tables).await?;
        }
        source.end().await?;
        let differing: Vec<String> = sums
            .iter()
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, _)| ours.table.clone())
            .collect();
        if !differing.is_empty() {
            return Err(TenantError::CopyDiffers { tables: differing });
        }
        let rows: i64 = sums.iter().map(|(ours, _)| ours.rows).sum();
        self.report.rows = u64::try_from(rows).unwrap_or_default();
        self.pass(MovePoint::Verified {
            rows: self.report.rows,
        })
    }

    async fn seal(&self) -> Result<bool, TenantError> {
        if !relocation::seal(self.source()?).await? {
            return Ok(false);
        }
        self.pass(MovePoint::Sealed)?;
        Ok(true)
    }

    /// The commit point. Where it is not known whether it was committed, the directory is asked under
    /// a new token, which no earlier commit can come after.
    async fn switch(&mut self) -> Result<(), TenantError> {
        let error = match self.try_switch().await {
            Ok(()) => {
                self.row.step = MoveStep::Switched;
                return Ok(());
            }
            Err(error @ TenantError::Database(_)) => error,
            // Another mover decides.
            Err(error) => return Err(error),
        };
        let again = Self::claim(self.tools, self.tenant.id, Some(&self.row.to), self.watch).await?;
        self.row.fencing_token = again.row.fencing_token;
        self.row.step = again.row.step;
        if self.row.step == MoveStep::Switched {
            return Ok(());
        }
        self.take_source().await?;
        self.try_release().await;
        Err(error)
    }

    async fn try_switch(&mut self) -> Result<(), TenantError> {
        let now = self.tools.clock.now();
        let mut tx = self.tools.directory.begin().await?;
        tx.lock_tenant(self.tenant.id).await?;
        let switched = MoveRow {
            step: MoveStep::Switched,
            ..self.row.clone()
        };
        if !tx.record_move(&switched, "", now).await? {
            return Err(relocation::RelocationError::Replaced.into());
        }
        tx.set_tenant_shard(self.tenant.id, &self.row.to).await?;
        let detail = [
            ("from", self.row.from.as_str()),
            ("to", self.row.to.as_str()),
            ("rows", &self.report.rows.to_string()),
        ];
        tx.append_audit(
            self.tools
                .fact("tenant.move.switch", self.tenant.id, now, &detail),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// The target serves the tenant, and the source says that it does not.
    pub(super) async fn finish(&mut self) -> Result<(), TenantError> {
        relocation::take(self.target()?, &["incoming", "active"]).await?;
        relocation::activate(self.target()?).await?;
        self.pass(MovePoint::Activated)?;
        relocation::take(self.source()?, &["held", "moved"]).await?;
        relocation::retire(self.source()?).await?;
        self.pass(MovePoint::Retired)?;
        self.record(MoveStep::Finished, "").await
    }

    async fn try_release(&self) {
        let released = match self.source() {
            Ok(source) => relocation::release(source).await.map_err(TenantError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            tracing::warn!(%error, "the hold could not be released; it lapses by itself");
        }
    }

    /// The source serves the tenant as before; what was copied is left behind at the target.
    pub(super) async fn abort(&mut self, reason: &str) -> Result<(), TenantError> {
        relocation::release(self.source()?).await?;
        relocation::give_up(self.target()?).await?;
        let now = self.tools.clock.now();
        self.row.step = MoveStep::Aborted;
        let mut tx = self.tools.directory.begin().await?;
        if !tx.record_move(&self.row, reason, now).await? {
            return Err(relocation::RelocationError::Replaced.into());
        }
        let fact = self.tools.fact(
            "tenant.move.abort",
            self.tenant.id,
            now,
            &[("reason", reason)],
        );
        tx.append_audit(fact).await?;
        Ok(tx.commit().await?)
    }
}

async fn start(
    tools: &TenantTools,
    tx: &mut DirectoryTx,
    tenant: &TenantRow,
    to: &ShardName,
    token: i64,
) -> Result<MoveRow, TenantError> {
    let now = tools.clock.now();
    let from = tenant.placement.shard.clone();
    if from == *to {
        return Err(TenantError::AlreadyThere(from));
    }
    let row = MoveRow {
        id: tools.ids.uuid_v7(now),
        tenant: tenant.id,
        from,
        to: to.clone(),
        step: MoveStep::Started,
        fencing_token: token,
        copied_below: None,
    };
    tx.insert_move(&row, now).await?;
    Ok(row)
}
