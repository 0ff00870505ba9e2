//! Keys, passwords and the demo tenants of one local cloud: generated once, kept for this user only.

use crate::files;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use souk_domain::TenantId;
use std::path::Path;
use uuid::Uuid;

/// The host names under which the edge knows the demo tenants.
pub(crate) const DEMO_HOST: &str = "demo.localhost";
const SECOND_HOST: &str = "second.localhost";
/// What their keys may do: everything.
pub(crate) const DEMO_SCOPES: [&str; 12] = [
    "catalog:read",
    "catalog:write",
    "idempotency_keys:read",
    "inventory:read",
    "inventory:write",
    "orders:read",
    "orders:write",
    "payments:read",
    "payments:write",
    "quotes:write",
    "webhooks:read",
    "webhooks:write",
];

/// A tenant that every stack has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoTenant<'a> {
    pub(crate) id: TenantId,
    pub(crate) name: &'static str,
    pub(crate) host: &'static str,
    pub(crate) shard: &'static str,
    pub(crate) api_key_id: &'a str,
    pub(crate) api_key: &'a str,
}

/// What is generated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) tenant_id: TenantId,
    /// The demo tenant's API key: its id, and the text that a client sends.
    pub(crate) api_key_id: String,
    pub(crate) api_key: String,
    /// The same of a second tenant, on the other shard.
    pub(crate) second_tenant_id: TenantId,
    pub(crate) second_api_key_id: String,
    pub(crate) second_api_key: String,
    /// What the edge signs with and the functions verify: id, and 32 bytes in base64.
    pub(crate) signing_key_id: String,
    pub(crate) signing_key: String,
    /// What quotes are signed with, in the same form.
    pub(crate) quote_key_id: String,
    pub(crate) quote_key: String,
    /// What secrets of webhook endpoints are sealed with, in the same form.
    pub(crate) webhook_key_id: String,
    pub(crate) webhook_key: String,
    /// What the simulated payment service provider signs its events with.
    pub(crate) psp_webhook_secret: String,
    pub(crate) owner_password: String,
    pub(crate) app_password: String,
    pub(crate) relay_password: String,
    pub(crate) sweeper_password: String,
    pub(crate) directory_reader_password: String,
}

impl Secrets {
    /// Those of `state`; what it has none of, as one of an earlier version may, is generated.
    pub(crate) fn kept(state: &Path) -> Result<Self> {
        let path = state.join("secrets.json");
        let kept = files::read_if_there(&path)?;
        let damaged = || format!("{} is damaged: remove it", path.display());
        let before: Map<String, Value> =
            serde_json::from_str(kept.as_deref().unwrap_or("{}")).with_context(damaged)?;
        let mut all = serde_json::to_value(Self::generate()?)?;
        if let Value::Object(all) = &mut all {
            all.extend(before);
        }
        let secrets: Self = serde_json::from_value(all).with_context(damaged)?;
        let text = serde_json::to_string_pretty(&secrets)?;
        if kept.as_ref() != Some(&text) {
            files::write_private(&path, &text)?;
        }
        Ok(secrets)
    }

    /// One on each shard.
    pub(crate) fn tenants(&self) -> [DemoTenant<'_>; 2] {
        let demo = DemoTenant {
            id: self.tenant_id,
            name: "Demo",
            host: DEMO_HOST,
            shard: "a",
            api_key_id: &self.api_key_id,
            api_key: &self.api_key,
        };
        let second = DemoTenant {
            id: self.second_tenant_id,
            name: "Second demo",
            host: SECOND_HOST,
            shard: "b",
            api_key_id: &self.second_api_key_id,
            api_key: &self.second_api_key,
        };
        [demo, second]
    }

    fn generate() -> Result<Self> {
        Ok(Self {
            tenant_id: TenantId::from_uuid(Uuid::now_v7()),
            api_key_id: key_id(),
            api_key: format!("souk_sk_{}", files::random_token()?),
            second_tenant_id: TenantId::from_uuid(Uuid::now_v7()),
            second_api_key_id: key_id(),
            second_api_key: format!("souk_sk_{}", files::random_token()?),
            signing_key_id: "local-1".to_owned(),
            signing_key: BASE64.encode(files::random_bytes::<32>()?),
            quote_key_id: "local-quotes-1".to_owned(),
            quote_key: BASE64.encode(files::random_bytes::<32>()?),
            webhook_key_id: "local-webhooks-1".to_owned(),
            webhook_key: BASE64.encode(files::random_bytes::<32>()?),
            psp_webhook_secret: format!("whsec_{}", files::random_token()?),
            owner_password: files::random_token()?,
            app_password: files::random_token()?,
            relay_password: files::random_token()?,
            sweeper_password: files::random_token()?,
            directory_reader_password: files::random_token()?,
        })
    }
}

fn key_id() -> String {
    format!("key_{}", Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_an_earlier_version_stay_and_get_what_they_lack() {
        let state = std::env::temp_dir().join(format!("souk-secrets-{}", Uuid::now_v7()));
        files::private_dir(&state).unwrap();
        let first = Secrets::kept(&state).unwrap();
        let path = state.join("secrets.json");
        let mut old: Map<String, Value> =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        old.retain(|name, _| !name.starts_with("second_") && !name.starts_with("quote_"));
        files::write_private(&path, &Value::Object(old).to_string()).unwrap();

        let upgraded = Secrets::kept(&state).unwrap();
        assert_eq!(upgraded.tenant_id, first.tenant_id);
        assert_eq!(upgraded.owner_password, first.owner_password);
        assert_ne!(upgraded.second_tenant_id, first.second_tenant_id);
        let again = Secrets::kept(&state).unwrap();
        assert_eq!(again.second_tenant_id, upgraded.second_tenant_id);
        assert_eq!(again.quote_key, upgraded.quote_key);
        files::remove_dir(&state).unwrap();
    }
}
