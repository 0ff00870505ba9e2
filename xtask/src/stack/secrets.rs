//! Keys, passwords and the demo tenant of one local cloud: generated once, kept for this user only.

use crate::files;
use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use souk_domain::TenantId;
use std::path::Path;
use uuid::Uuid;

/// What is generated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) tenant_id: TenantId,
    /// The demo tenant's API key: its id, and the text that a client sends.
    pub(crate) api_key_id: String,
    pub(crate) api_key: String,
    /// What the edge signs with and the functions verify: id, and 32 bytes in base64.
    pub(crate) signing_key_id: String,
    pub(crate) signing_key: String,
    pub(crate) owner_password: String,
    pub(crate) app_password: String,
    pub(crate) relay_password: String,
}

impl Secrets {
    /// Those of `state`, new ones where it has none.
    pub(crate) fn kept(state: &Path) -> Result<Self> {
        let path = state.join("secrets.json");
        let text = files::kept_secret(&path, || {
            Ok(serde_json::to_string_pretty(&Self::generate()?)?)
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: remove it", path.display()))
    }

    fn generate() -> Result<Self> {
        Ok(Self {
            tenant_id: TenantId::from_uuid(Uuid::now_v7()),
            api_key_id: format!("key_{}", Uuid::now_v7().simple()),
            api_key: format!("souk_sk_{}", files::random_token()?),
            signing_key_id: "local-1".to_owned(),
            signing_key: BASE64.encode(files::random_bytes::<32>()?),
            owner_password: files::random_token()?,
            app_password: files::random_token()?,
            relay_password: files::random_token()?,
        })
    }
}
