//! What counts for a tenant.

use super::limit::limit;
use super::settings;
use super::{Changed, shown};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use souk_app::edge::{
    CallerChange, IssuerRow, LimitRow, PublishScope, SettingsChange, TenantChange,
    change_tenant_edge, show_edge,
};
use souk_app::tenants::TenantTools;
use souk_domain::TenantId;

async fn change(
    tools: &TenantTools,
    tenant: TenantId,
    change: impl Into<TenantChange>,
) -> Result<Changed> {
    change_tenant_edge(tools, tenant, &[change.into()]).await?;
    Ok(Some(PublishScope::Tenant(tenant)))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plan {
    /// Gives a tenant a plan.
    Set { tenant: TenantId, plan: String },
    /// Takes it away.
    Clear { tenant: TenantId },
}

pub(crate) async fn plan(tools: &TenantTools, command: Plan) -> Result<Changed> {
    let (tenant, plan) = match command {
        Plan::Set { tenant, plan } => (tenant, Some(plan)),
        Plan::Clear { tenant } => (tenant, None),
    };
    change(tools, tenant, CallerChange::Plan(plan)).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Limits {
    /// Sets what is given; what is not stays as it is.
    Set {
        tenant_id: TenantId,
        /// All callers together, such as 100/s:200.
        #[arg(long, value_parser = limit)]
        tenant: Option<LimitRow>,
        /// Each of them.
        #[arg(long, value_parser = limit)]
        key: Option<LimitRow>,
        /// Whether to refuse nobody, and only say in the log who would have been.
        #[arg(long)]
        shadow: Option<bool>,
    },
    /// Lets the plan's count again.
    Clear { tenant_id: TenantId },
}

pub(crate) async fn limits(tools: &TenantTools, command: Limits) -> Result<Changed> {
    let (tenant_id, changes) = match command {
        Limits::Set {
            tenant_id,
            tenant,
            key,
            shadow,
        } => {
            let tenant = tenant.map(|limit| CallerChange::TenantLimit(Some(limit)));
            let key = key.map(|limit| CallerChange::KeyLimit(Some(limit)));
            let shadow = shadow.map(|shadow| CallerChange::Shadow(Some(shadow)));
            (tenant_id, vec![tenant, key, shadow])
        }
        Limits::Clear { tenant_id } => {
            let tenant = CallerChange::TenantLimit(None);
            let (key, shadow) = (CallerChange::KeyLimit(None), CallerChange::Shadow(None));
            (tenant_id, vec![Some(tenant), Some(key), Some(shadow)])
        }
    };
    let changes: Vec<_> = changes.into_iter().flatten().map(Into::into).collect();
    ensure!(!changes.is_empty(), "--tenant, --key or --shadow is wanted");
    change_tenant_edge(tools, tenant_id, &changes).await?;
    Ok(Some(PublishScope::Tenant(tenant_id)))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cors {
    /// Lets pages of these origins read answers, such as <https://shop.example>, and no others.
    Set {
        tenant: TenantId,
        origins: Vec<String>,
    },
}

pub(crate) async fn cors(tools: &TenantTools, command: Cors) -> Result<Changed> {
    let Cors::Set { tenant, origins } = command;
    change(tools, tenant, CallerChange::CorsOrigins(origins)).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Issuers {
    /// Enters an issuer, or changes the one of this name.
    Add(Box<NewIssuer>),
    /// Removes an issuer: its tokens are not accepted any more.
    Remove { tenant: TenantId, name: String },
    /// Prints a tenant's issuers as JSON, one a line.
    List { tenant: TenantId },
}

#[derive(Debug, Args)]
pub(crate) struct NewIssuer {
    tenant: TenantId,
    /// A short name, which its principals begin with.
    name: String,
    /// What `iss` must be, byte for byte.
    #[arg(long, value_name = "ISS")]
    issuer: String,
    /// Where its keys are.
    #[arg(long, value_name = "URL")]
    jwks_url: String,
    /// The one that it signs with: `ES256`, `EdDSA` or `RS256`. What a token says of it is not believed.
    #[arg(long)]
    algorithm: String,
    /// What `aud` must have.
    #[arg(long)]
    audience: String,
    /// The claim that must have the tenant's id.
    #[arg(long, default_value = "tenant")]
    tenant_claim: String,
    /// What `typ` must be, where JWT, at+jwt and none are not right.
    #[arg(long)]
    token_type: Option<String>,
    /// A scope that its tokens may have; may be given several times.
    #[arg(long = "grant", value_name = "SCOPE")]
    grants: Vec<String>,
    /// A role and what it stands for, such as clerk=orders:read,orders:write; may be given several times.
    #[arg(long = "role", value_name = "ROLE=SCOPES", value_parser = role)]
    roles: Vec<(String, Vec<String>)>,
    /// Lets keys be fetched from the host of the address, if that is not so yet.
    #[arg(long)]
    allow_host: bool,
}

fn role(text: &str) -> Result<(String, Vec<String>)> {
    let (role, scopes) = text
        .split_once('=')
        .context("a role is like clerk=orders:read,orders:write")?;
    let scopes = scopes.split(',').map(str::to_owned);
    Ok((role.to_owned(), scopes.collect()))
}

pub(crate) async fn issuers(tools: &TenantTools, command: Issuers) -> Result<Changed> {
    match command {
        Issuers::Add(new) => {
            let roles = new.roles.into_iter();
            let roles = roles.map(|(role, scopes)| (role, Value::from(scopes)));
            let issuer = IssuerRow {
                name: new.name,
                issuer: new.issuer,
                jwks_url: new.jwks_url,
                algorithm: new.algorithm,
                audience: new.audience,
                tenant_claim: new.tenant_claim,
                token_type: new.token_type,
                grants: new.grants,
                roles: Value::Object(roles.collect::<Map<_, _>>()),
            };
            let put = TenantChange::PutIssuer {
                issuer: Box::new(issuer),
                allow_host: new.allow_host,
            };
            change(tools, new.tenant, put).await?;
            // The host may be new as well.
            Ok(Some(PublishScope::All))
        }
        Issuers::Remove { tenant, name } => {
            change(tools, tenant, TenantChange::RemoveIssuer(name)).await
        }
        Issuers::List { tenant } => {
            for view in show_edge(tools, Some(tenant)).await?.tenants {
                for issuer in &view.issuers {
                    println!("{}", shown::issuer(issuer));
                }
            }
            Ok(None)
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operations {
    /// Switches operations off: names as in docs/openapi.json, of a function, `writes`, or `all`.
    Disable(Names),
    /// Switches them on again.
    Enable(Names),
}

#[derive(Debug, Args)]
pub(crate) struct Names {
    #[arg(required = true)]
    names: Vec<String>,
    /// For one tenant only.
    #[arg(long)]
    tenant: Option<TenantId>,
}

pub(crate) async fn operations(tools: &TenantTools, command: Operations) -> Result<Changed> {
    match command {
        Operations::Disable(Names { names, tenant }) => match tenant {
            Some(tenant) => change(tools, tenant, CallerChange::Disable(names)).await,
            None => settings::changed(tools, &SettingsChange::Disable(names)).await,
        },
        Operations::Enable(Names { names, tenant }) => match tenant {
            Some(tenant) => change(tools, tenant, CallerChange::Enable(names)).await,
            None => settings::changed(tools, &SettingsChange::Enable(names)).await,
        },
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Canary {
    /// Sends so many of a hundred callers there, always the same ones.
    Set { tenant: TenantId, percent: u8 },
}

pub(crate) async fn canary(tools: &TenantTools, command: &Canary) -> Result<Changed> {
    let Canary::Set { tenant, percent } = command;
    change(tools, *tenant, CallerChange::Canary(*percent)).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Features {
    /// Sets all of them.
    Set {
        tenant: TenantId,
        features: Vec<String>,
    },
}

pub(crate) async fn features(tools: &TenantTools, command: Features) -> Result<Changed> {
    let Features::Set { tenant, features } = command;
    change(tools, tenant, CallerChange::Features(features)).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Region {
    /// Lets the tenant be served from there.
    Set { tenant: TenantId, region: String },
}

pub(crate) async fn region(tools: &TenantTools, command: Region) -> Result<Changed> {
    let Region::Set { tenant, region } = command;
    change(tools, tenant, TenantChange::Region(region)).await
}

#[derive(Debug, Subcommand)]
pub(crate) enum Residency {
    /// Pins the tenant: eu has the regions eu, eu-west and so on.
    Set { tenant: TenantId, residency: String },
    /// Lets it be served from anywhere.
    Clear { tenant: TenantId },
}

pub(crate) async fn residency(tools: &TenantTools, command: Residency) -> Result<Changed> {
    let (tenant, residency) = match command {
        Residency::Set { tenant, residency } => (tenant, Some(residency)),
        Residency::Clear { tenant } => (tenant, None),
    };
    change(tools, tenant, TenantChange::Residency(residency)).await
}
