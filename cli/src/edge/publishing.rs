//! `souk edge publish`, `diff`, `rollback` and `history`.

use super::store::{Store, StoreArguments};
use anyhow::{Context as _, Result};
use clap::Args;
use core::fmt::Write as _;
use serde_json::{Value, json};
use souk_app::edge::{
    EdgeChange, EdgeDiff, EdgeDifference, PublicationRow, PublishPatience, PublishReport,
    PublishScope, diff_edge, list_publications, publish_edge, rollback_edge,
};
use souk_app::tenants::TenantTools;
use souk_domain::TenantId;
use std::collections::BTreeSet;
use std::io::{self, Write as _};

/// Fields of a record that are named one by one.
const NESTED: &str = "policy";
const NOT_PUBLISHED: &str =
    "the change is in the directory, but not published to its end: souk edge publish";

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// This tenant's records only; all else stays as it was published.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Prints what was done as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// This tenant's records only.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Prints it as JSON, with the records.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// To this publication; without it to the one before the last.
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// Prints what was done as JSON.
    #[arg(long)]
    json: bool,
}

fn scope(tenant: Option<TenantId>) -> PublishScope {
    tenant.map_or(PublishScope::All, PublishScope::Tenant)
}

pub(crate) async fn publish(
    tools: &TenantTools,
    store: &StoreArguments,
    publish: &Publish,
) -> Result<()> {
    let store = store.require()?;
    let patience = PublishPatience::default();
    let report = publish_edge(tools, &store, scope(publish.tenant), patience).await?;
    if publish.json {
        println!("{}", shown(&report));
    } else {
        println!("{}", told(&report));
    }
    Ok(())
}

pub(crate) async fn publish_scope(
    tools: &TenantTools,
    store: &StoreArguments,
    scope: PublishScope,
) -> Result<()> {
    let store = store.require()?;
    let report = publish_edge(tools, &store, scope, PublishPatience::default())
        .await
        .context(NOT_PUBLISHED)?;
    eprintln!("{}", told(&report));
    Ok(())
}

/// Publishes a tenant's records where a store is named. Whether one is.
pub(crate) async fn publish_tenant(
    tools: &TenantTools,
    store: &StoreArguments,
    tenant: TenantId,
) -> Result<bool> {
    let Some(store) = store.find()? else {
        return Ok(false);
    };
    let scope = PublishScope::Tenant(tenant);
    let report = publish_edge(tools, &store, scope, PublishPatience::default())
        .await
        .context(NOT_PUBLISHED)?;
    eprintln!("{}", told(&report));
    Ok(true)
}

fn told(report: &PublishReport) -> String {
    format!(
        "publication {}{}: {} entries, {} written, {} removed",
        report.version,
        if report.is_new { "" } else { " (as before)" },
        report.entries,
        report.put.len(),
        report.deleted.len(),
    )
}

fn shown(report: &PublishReport) -> Value {
    json!({
        "version": report.version,
        "is_new": report.is_new,
        "entries": report.entries,
        "written": report.put,
        "removed": report.deleted,
    })
}

pub(crate) async fn rollback(
    tools: &TenantTools,
    store: &StoreArguments,
    rollback: &Rollback,
) -> Result<()> {
    let store = store.require()?;
    let report = rollback_edge(tools, &store, rollback.to, PublishPatience::default()).await?;
    for taken_away in &report.taken_away {
        eprintln!("not given back: {taken_away}");
    }
    if rollback.json {
        let taken_away = report.taken_away.iter().map(ToString::to_string);
        let shown = json!({
            "restores": report.restores,
            "published": shown(&report.published),
            "not_given_back": taken_away.collect::<Vec<_>>(),
        });
        println!("{shown}");
    } else {
        println!(
            "as in publication {}; {}",
            report.restores,
            told(&report.published)
        );
    }
    eprintln!("The directory is as it was: correct it before you publish again.");
    Ok(())
}

pub(crate) async fn history(tools: &TenantTools) -> Result<()> {
    for publication in list_publications(tools).await? {
        println!("{}", line(&publication));
    }
    Ok(())
}

fn line(publication: &PublicationRow) -> Value {
    json!({
        "version": publication.version,
        "at": publication.made_at,
        "by": publication.made_by,
        "entries": publication.entries,
        "restores": publication.restores,
        "sha256": hex::encode(publication.digest),
        "finished_at": publication.finished_at,
    })
}

pub(crate) async fn diff(tools: &TenantTools, store: &StoreArguments, diff: &Diff) -> Result<()> {
    let store: Option<Store> = store.find()?;
    let found = diff_edge(tools, store.as_ref(), scope(diff.tenant)).await?;
    let text = if diff.json {
        format!("{}\n", shown_diff(&found))
    } else {
        told_diff(&found, store.is_some())
    };
    // Whoever reads it may have seen enough.
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

const fn word(change: EdgeChange) -> &'static str {
    match change {
        EdgeChange::Add => "add",
        EdgeChange::Change => "change",
        EdgeChange::Remove => "remove",
        EdgeChange::Repair => "repair",
    }
}

fn record(text: Option<&String>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn shown_diff(diff: &EdgeDiff) -> Value {
    let differences = diff.differences.iter().map(|difference| {
        json!({
            "key": difference.key,
            "tenant": difference.tenant,
            "change": word(difference.change),
            "fields": fields(difference),
            "before": record(difference.before.as_ref()),
            "after": record(difference.after.as_ref()),
        })
    });
    json!({
        "version": diff.version,
        "finished": diff.is_finished,
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn told_diff(diff: &EdgeDiff, with_store: bool) -> String {
    let mut text = match diff.version {
        None => "nothing was published yet\n".to_owned(),
        Some(version) if diff.is_finished => format!("against publication {version}\n"),
        Some(version) => format!("against publication {version}, which is not finished\n"),
    };
    if !with_store {
        text.push_str("the store itself was not looked at: none is named\n");
    }
    for difference in &diff.differences {
        let sign = match difference.change {
            EdgeChange::Add => '+',
            EdgeChange::Change => '~',
            EdgeChange::Remove => '-',
            EdgeChange::Repair => '!',
        };
        let fields = fields(difference).join(", ");
        let _ = writeln!(text, "{sign} {}  {fields}", difference.key);
    }
    if diff.differences.is_empty() {
        text.push_str("nothing would change\n");
    }
    text
}

/// The names of what differs in two records.
fn fields(difference: &EdgeDifference) -> Vec<String> {
    let (before, after) = (
        record(difference.before.as_ref()),
        record(difference.after.as_ref()),
    );
    if before.is_null() || after.is_null() {
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    collect(&before, &after, "", &mut names);
    names.into_iter().collect()
}

fn collect(before: &Value, after: &Value, prefix: &str, names: &mut BTreeSet<String>) {
    let keys = |value: &Value| -> BTreeSet<String> {
        let members = value.as_object();
        members
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default()
    };
    for name in keys(before).union(&keys(after)) {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        if name == NESTED && prefix.is_empty() {
            let empty = json!({});
            let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&empty));
            collect(old, new, "policy.", names);
        } else {
            names.insert(format!("{prefix}{name}"));
        }
    }
}
