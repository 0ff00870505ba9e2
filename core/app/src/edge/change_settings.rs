//! Changes what counts for all tenants.

use super::changes::{check_switches, with, without};
use super::records::{issuer, settings_entry};
use super::{DeniedRow, EdgeError, EdgeSettingsRow, LimitRow, change_plan::limit_text, fact};
use crate::tenants::TenantTools;
use souk_domain::Timestamp;
use souk_policy::address::Cidr;
use souk_postgres::directory::{DirectoryTx, EdgeView};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsChange {
    /// Does not serve addresses.
    Deny {
        /// An address, or a range like `192.0.2.0/24`.
        range: String,
        /// Why.
        reason: String,
    },
    /// Serves addresses again.
    Allow(String),
    /// How often one address may come to one isolate.
    AddressLimit(Option<LimitRow>),
    /// Switches operations off.
    Disable(Vec<String>),
    /// Switches them on.
    Enable(Vec<String>),
    /// Lets keys of issuers be fetched from a host.
    AllowIssuerHost(String),
    /// Lets them not be.
    RemoveIssuerHost(String),
}

/// Changes what counts for all tenants, once it is published.
///
/// # Errors
/// [`EdgeError::Address`], [`EdgeError::Limit`], [`EdgeError::UnknownSwitch`], [`EdgeError::HostForm`],
/// [`EdgeError::IssuerHostInUse`], [`EdgeError::Settings`] where there would be too much,
/// [`EdgeError::Database`].
pub async fn change_settings(
    tools: &TenantTools,
    change: &SettingsChange,
) -> Result<(), EdgeError> {
    let now = tools.clock.now();
    let mut tx = tools.directory.begin().await?;
    let mut settings = tx.lock_edge_settings().await?;
    let (action, detail) = apply(&mut tx, &mut settings, change, now).await?;
    // What the edge would not read is not stored.
    let view = EdgeView {
        settings,
        denied: tx.denied().await?,
        ..EdgeView::default()
    };
    settings_entry(&view)?;
    tx.set_edge_settings(&view.settings).await?;
    tx.append_audit(fact(tools, action, None, now, &detail))
        .await?;
    tx.commit().await?;
    Ok(())
}

type Told = (&'static str, Vec<(&'static str, String)>);

async fn apply(
    tx: &mut DirectoryTx,
    settings: &mut EdgeSettingsRow,
    change: &SettingsChange,
    now: Timestamp,
) -> Result<Told, EdgeError> {
    Ok(match change {
        SettingsChange::Deny { range, reason } => {
            let denied = DeniedRow {
                range: canonical(range)?,
                reason: reason.clone(),
                created_at: now,
            };
            tx.insert_denied(&denied).await?;
            let detail = vec![("range", denied.range), ("reason", denied.reason)];
            ("edge.deny", detail)
        }
        SettingsChange::Allow(range) => {
            let range = canonical(range)?;
            tx.delete_denied(&range).await?;
            ("edge.allow", vec![("range", range)])
        }
        SettingsChange::AddressLimit(limit) => {
            settings.address = *limit;
            ("edge.address_limit", vec![("limit", limit_text(*limit))])
        }
        SettingsChange::Disable(names) => {
            check_switches(names)?;
            with(&mut settings.disabled, names);
            ("edge.disable", vec![("operations", names.join(" "))])
        }
        SettingsChange::Enable(names) => {
            without(&mut settings.disabled, names);
            ("edge.enable", vec![("operations", names.join(" "))])
        }
        SettingsChange::AllowIssuerHost(host) => {
            allow_issuer_host(settings, host)?;
            ("edge.issuer_host.allow", vec![("host", host.clone())])
        }
        SettingsChange::RemoveIssuerHost(host) => {
            refuse_if_used(tx, host).await?;
            settings.issuer_hosts.retain(|own| own != host);
            ("edge.issuer_host.remove", vec![("host", host.clone())])
        }
    })
}

/// A range in the one form that it is kept in.
fn canonical(range: &str) -> Result<String, EdgeError> {
    let parsed = range.parse::<Cidr>();
    let parsed = parsed.map_err(|error| EdgeError::Address(range.to_owned(), error))?;
    Ok(parsed.to_string())
}

pub(super) fn allow_issuer_host(
    settings: &mut EdgeSettingsRow,
    host: &str,
) -> Result<(), EdgeError> {
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if !(1..=253).contains(&host.len()) || !host.bytes().all(accepted) {
        return Err(EdgeError::HostForm(host.to_owned()));
    }
    with(&mut settings.issuer_hosts, &[host.to_owned()]);
    Ok(())
}

async fn refuse_if_used(tx: &mut DirectoryTx, host: &str) -> Result<(), EdgeError> {
    for tenant in tx.edge_view(None).await?.tenants {
        for row in &tenant.issuers {
            if issuer(row)?.jwks_host() == Some(host) {
                return Err(EdgeError::IssuerHostInUse {
                    host: host.to_owned(),
                    tenant: tenant.tenant.id,
                });
            }
        }
    }
    Ok(())
}
