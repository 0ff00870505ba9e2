//! An order that is placed with the new version, signed as the edge signs, and cancelled again.

use crate::Versions;
use crate::check::{Doubt, NewVersion, http_event, status};
use serde::Deserialize;
use serde_json::{Value, json};
use souk_app::signing_keys::{RingError, SigningRing};
use souk_domain::{RequestId, TenantId};
use souk_runtime::adapters::SystemClock;
use souk_runtime::config::{ConfigError, EDGE_KEYS, Lookup, SMOKE_ORDER};
use souk_runtime::edge_request::{EdgeRequest, RequestError};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Whose order it is, in `souk-principal`: no API key has this id.
const PRINCIPAL: &str = "key_00000000000000000000000000000000";
const SCOPES: &str = "orders:read orders:write";

/// What to order, and from whom: a tenant that was made for it, from which nothing is delivered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    tenant: TenantId,
    sku: String,
    currency: String,
    region: String,
}

/// What to order, and what to sign with.
#[derive(Debug)]
pub struct SmokeOrder {
    wish: Wish,
    ring: SigningRing,
}

/// Why no smoke order can be placed.
#[derive(Debug, thiserror::Error)]
pub enum SmokeOrderError {
    /// A variable is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What to order is not told as it should be.
    #[error("{SMOKE_ORDER} is not a JSON object with tenant, sku, currency and region")]
    Wish,
    /// The edge's keys are no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl SmokeOrder {
    /// What the configuration wants to be ordered; nothing where it does not say.
    ///
    /// # Errors
    /// Where it says it wrongly.
    pub fn configured(lookup: &Lookup<'_>) -> Result<Option<Self>, SmokeOrderError> {
        let Some(wish) = lookup.optional(SMOKE_ORDER) else {
            return Ok(None);
        };
        let wish: Option<Wish> = serde_json::from_str(&wish).map_err(|_| SmokeOrderError::Wish)?;
        let Some(wish) = wish else {
            return Ok(None);
        };
        let ring = SigningRing::parse(&lookup.required(EDGE_KEYS)?)?;
        Ok(Some(Self { wish, ring }))
    }

    /// Places it, reads it, and cancels it.
    pub(crate) async fn place(
        &self,
        versions: &impl Versions,
        new: &NewVersion,
    ) -> Result<(), Doubt> {
        let order = json!({
            "currency": self.wish.currency,
            "lines": [{ "sku": self.wish.sku, "quantity": 1 }],
        })
        .to_string();
        let placed = self.call(versions, new, ("POST", "/v1/orders"), &order);
        let placed = status(&placed.await?, 201, "a smoke order")?;
        let Some(id) = placed.get("id").and_then(Value::as_str) else {
            return Err(Doubt("a smoke order has no id".to_owned()));
        };
        let path = format!("/v1/orders/{id}");
        let read = self.call(versions, new, ("GET", &path), "").await?;
        // Its stock goes back also when it could not be read.
        let path = format!("{path}/cancel");
        let cancelled = self.call(versions, new, ("POST", &path), "{}").await?;
        status(&read, 200, "reading a smoke order")?;
        status(&cancelled, 200, "cancelling a smoke order").map(|_| ())
    }

    async fn call(
        &self,
        versions: &impl Versions,
        new: &NewVersion,
        (method, path): (&str, &str),
        body: &str,
    ) -> Result<Value, Doubt> {
        let headers = self.signed(method, path, body);
        let headers = headers.map_err(|error| Doubt(error.to_string()))?;
        let event = http_event(method, path, &headers, body);
        versions.invoke(&new.function, &new.version, &event).await
    }

    fn signed(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<BTreeMap<String, String>, RequestError> {
        let command = (method != "GET").then(|| Uuid::now_v7().to_string());
        let request = EdgeRequest {
            tenant: self.wish.tenant,
            principal: PRINCIPAL,
            scopes: SCOPES,
            region: &self.wish.region,
            request_id: RequestId::from_uuid(Uuid::now_v7()),
            method,
            path,
            idempotency_key: command.as_deref(),
            body,
        };
        request.signed(&self.ring, &SystemClock)
    }
}
