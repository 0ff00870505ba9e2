//! Requests as they come from the edge, written and signed in advance.

use anyhow::Result;
use souk_domain::pricing::{QUOTE_KEY_BYTES, QuoteKeys};
use souk_domain::{RequestId, TenantId};
use souk_runtime::signature::{KeyRing, MessageParts, SigningKey, sign};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const KEY_ID: &str = "bench";
const SECRET: [u8; 32] = [7; 32];
/// The longest that a signature may live; rounds are shorter.
const SIGNATURE_TTL_S: u32 = 30;
/// Who asks.
pub(crate) const PRINCIPAL: &str = "key_00000000000000000000000000000001";
const SCOPES: &str = "orders:read orders:write payments:read payments:write";

/// The keys that the origin accepts in benchmarks.
pub(crate) fn key_ring() -> Result<KeyRing> {
    Ok(KeyRing::new(vec![SigningKey::new(
        KEY_ID,
        SECRET.to_vec(),
    )?])?)
}

/// Keys for quotes, which are not measured.
pub(crate) fn quote_keys() -> Result<QuoteKeys> {
    let keys = BTreeMap::from([(KEY_ID.to_owned(), [7; QUOTE_KEY_BYTES])]);
    Ok(QuoteKeys::new(KEY_ID.to_owned(), keys)?)
}

/// Writes requests of one tenant.
#[derive(Debug)]
pub(crate) struct Requests {
    tenant: TenantId,
    key: SigningKey,
}

impl Requests {
    pub(crate) fn of(tenant: TenantId) -> Result<Self> {
        let key = SigningKey::new(KEY_ID, SECRET.to_vec())?;
        Ok(Self { tenant, key })
    }

    /// `POST /v1/orders` for `lines`: sku and quantity. Each has a key of its own.
    pub(crate) fn order(&self, lines: &[(String, u32)]) -> Result<Vec<u8>> {
        let mut body = r#"{"currency":"EUR","customer_reference":"bench-1","lines":["#.to_owned();
        for (index, (sku, quantity)) in lines.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(body, r#"{comma}{{"sku":"{sku}","quantity":{quantity}}}"#)?;
        }
        body.push_str("]}");
        let key = Uuid::now_v7().to_string();
        self.signed("POST", "/v1/orders", Some(&key), &body)
    }

    /// `POST` of a body, with a key of its own.
    pub(crate) fn post(&self, path: &str, body: &str) -> Result<Vec<u8>> {
        let key = Uuid::now_v7().to_string();
        self.signed("POST", path, Some(&key), body)
    }

    /// `GET` of a path with its query.
    pub(crate) fn get(&self, path_and_query: &str) -> Result<Vec<u8>> {
        self.signed("GET", path_and_query, None, "")
    }

    fn signed(
        &self,
        method: &str,
        path_and_query: &str,
        idempotency_key: Option<&str>,
        body: &str,
    ) -> Result<Vec<u8>> {
        let request_id = RequestId::from_uuid(Uuid::now_v7()).to_string();
        let tenant = self.tenant.to_string();
        let mut headers = vec![
            ("host", "127.0.0.1"),
            ("content-type", "application/json"),
            ("souk-tenant", tenant.as_str()),
            ("souk-principal", PRINCIPAL),
            ("souk-scopes", SCOPES),
            ("souk-region", "local"),
            ("souk-request-id", request_id.as_str()),
        ];
        headers.extend(idempotency_key.map(|key| ("idempotency-key", key)));
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let message = MessageParts {
            method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
        };
        let signature = sign(&message, &self.key, now_unix_s()?, SIGNATURE_TTL_S)?;
        let length = body.len().to_string();
        headers.push(("content-digest", &signature.content_digest));
        headers.push(("signature-input", &signature.signature_input));
        headers.push(("signature", &signature.signature));
        headers.push(("content-length", &length));
        let mut text = format!("{method} {path_and_query} HTTP/1.1\r\n");
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n")?;
        }
        text.push_str("\r\n");
        text.push_str(body);
        Ok(text.into_bytes())
    }
}

fn now_unix_s() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_secs())?)
}
