//! `souk tenants keys`

use super::publish::Publishing;
use crate::operator::random_bytes;
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use souk_app::tenants::{
    ApiKeyRow, CreatedKey, KeyRequest, Rotation, TenantTools, create_key, revoke_key, rotate_key,
    show_tenant,
};
use souk_domain::{ApiKeyId, ApiKeyKind, TenantId, Timestamp};
use time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a key and prints it: it cannot be shown again.
    Create {
        tenant: TenantId,
        /// What its holder may do, such as orders:read; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// For the page of a storefront: anyone may know it, so it may have few scopes only.
        #[arg(long)]
        publishable: bool,
        #[command(flatten)]
        expiry: Expiry,
    },
    /// Makes a key that replaces another one, with its principal and scopes, and prints it. The old
    /// one is accepted for a while longer.
    Rotate {
        tenant: TenantId,
        key: ApiKeyId,
        /// For how many hours the old one is accepted.
        #[arg(long, default_value_t = 24)]
        grace_h: u32,
        #[command(flatten)]
        expiry: Expiry,
    },
    /// Lets a key not be accepted any more.
    Revoke { tenant: TenantId, key: ApiKeyId },
    /// Prints a tenant's keys as JSON, one a line.
    List { tenant: TenantId },
}

#[derive(Debug, Args)]
pub(crate) struct Expiry {
    /// From when on the new key is not accepted, such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    expires_at: Option<Timestamp>,
}

fn instant(text: &str) -> Result<Timestamp> {
    serde_json::from_value(Value::from(text)).context("an RFC 3339 time in UTC is wanted")
}

pub(crate) async fn run(
    tools: &TenantTools,
    publishing: &Publishing,
    command: Command,
) -> Result<()> {
    match command {
        Command::Create {
            tenant,
            scopes,
            publishable,
            expiry,
        } => {
            let request = KeyRequest {
                kind: if publishable {
                    ApiKeyKind::Publishable
                } else {
                    ApiKeyKind::Secret
                },
                scopes,
                expires_at: expiry.expires_at,
            };
            let made = create_key(tools, tenant, &request, &random_bytes()?).await?;
            reveal(&made);
            publishing.publish(tools, tenant).await
        }
        Command::Rotate {
            tenant,
            key,
            grace_h,
            expiry,
        } => {
            let rotation = Rotation {
                old: key,
                grace: Duration::hours(grace_h.into()),
                expires_at: expiry.expires_at,
            };
            let made = rotate_key(tools, tenant, rotation, &random_bytes()?).await?;
            reveal(&made);
            publishing.publish(tools, tenant).await
        }
        Command::Revoke { tenant, key } => {
            revoke_key(tools, tenant, key).await?;
            publishing.publish(tools, tenant).await
        }
        Command::List { tenant } => {
            for key in show_tenant(tools, tenant).await?.keys {
                println!("{}", shown(&key));
            }
            Ok(())
        }
    }
}

/// The key alone on standard output, so that a script can take it.
fn reveal(made: &CreatedKey) {
    println!("{}", made.text.reveal());
    eprintln!(
        "{} of {}: kept nowhere, store it now",
        made.key.id, made.key.principal
    );
}

/// What may be shown of a key.
pub(crate) fn shown(key: &ApiKeyRow) -> Value {
    json!({
        "id": key.id,
        "principal": key.principal.as_str(),
        "kind": key.kind,
        "begins_with": key.shown_prefix,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    })
}
