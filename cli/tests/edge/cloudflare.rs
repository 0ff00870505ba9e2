//! Cloudflare's interface to Workers KV, in memory, as far as it is used; it fails as it is told.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "a-token-that-nobody-may-see";
pub(crate) const PATH: &str = "/accounts/0123abcd/storage/kv/namespaces/4567ef/";
/// Keys of a page, however many were wished.
const PAGE: usize = 3;

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is refused with this status, and with `Retry-After` where there are seconds.
    Refuse(u16, Option<u32>),
    /// It has its effect, and the answer is an error.
    Deny,
    /// It has its effect, and is never answered.
    Hang,
    /// It takes all but this key.
    Without(String),
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<String, (String, Value)>,
    fates: VecDeque<Fate>,
    requests: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Cloudflare(Arc<Mutex<Kept>>);

impl Cloudflare {
    /// Starts it. Returns its address as well.
    pub(crate) async fn start() -> (Self, String) {
        let own = Self::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(own.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (own, format!("http://{address}"))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        self.with(|kept| {
            let entries = kept.entries.iter();
            entries
                .map(|(key, (value, _))| (key.clone(), value.clone()))
                .collect()
        })
    }

    pub(crate) fn set(&self, key: &str, value: &str) {
        let entry = (value.to_owned(), Value::Null);
        self.with(|kept| kept.entries.insert(key.to_owned(), entry));
    }

    /// The next requests meet these.
    pub(crate) fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.with(|kept| kept.fates.extend(fates));
    }

    pub(crate) fn fates_left(&self) -> usize {
        self.with(|kept| kept.fates.len())
    }

    /// The requests since the last question.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.with(|kept| std::mem::take(&mut kept.requests))
    }
}

fn refusal(status: u16, retry_after_s: Option<u32>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let errors =
        json!({ "success": false, "errors": [{ "code": 10_000, "message": "as it was told" }] });
    let mut response = (status, axum::Json(errors)).into_response();
    if let Some(seconds) = retry_after_s {
        let value = HeaderValue::from(seconds);
        response.headers_mut().insert("retry-after", value);
    }
    response
}

async fn answer(State(own): State<Cloudflare>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bearer = parts.headers.get("authorization");
    if bearer.and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {TOKEN}")) {
        return refusal(403, None);
    }
    let body = to_bytes(body, 100 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = parts.uri.path().strip_prefix(PATH).unwrap().to_owned();
    own.with(|kept| kept.requests.push(format!("{} {path}", parts.method)));
    let fate = own.with(|kept| kept.fates.pop_front());
    if let Some(Fate::Refuse(status, retry_after_s)) = fate {
        return refusal(status, retry_after_s);
    }
    let without = match &fate {
        Some(Fate::Without(key)) => Some(key.clone()),
        _ => None,
    };
    let asked = Asked {
        method: parts.method.as_str(),
        path: &path,
        query: parts.uri.query().unwrap_or_default(),
        body: &body,
    };
    let result = own.with(|kept| act(kept, &asked, without.as_ref()));
    match fate {
        Some(Fate::Deny) => refusal(502, None),
        Some(Fate::Hang) => pending().await,
        _ => axum::Json(result).into_response(),
    }
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a Value,
}

fn act(kept: &mut Kept, asked: &Asked<'_>, without: Option<&String>) -> Value {
    let mut failed = Vec::new();
    match (asked.method, asked.path) {
        ("GET", "keys") => return page(kept, asked.query),
        ("PUT", "bulk") => {
            for entry in asked.body.as_array().unwrap() {
                let key = entry["key"].as_str().unwrap().to_owned();
                if Some(&key) == without {
                    failed.push(key);
                    continue;
                }
                let value = entry["value"].as_str().unwrap().to_owned();
                kept.entries.insert(key, (value, entry["metadata"].clone()));
            }
        }
        ("POST", "bulk/delete") => {
            for key in asked.body.as_array().unwrap() {
                kept.entries.remove(key.as_str().unwrap());
            }
        }
        other => panic!("{other:?}"),
    }
    json!({ "success": true, "errors": [], "result": { "unsuccessful_keys": failed } })
}

/// The cursor is the last key of the page before.
fn page(kept: &Kept, query: &str) -> Value {
    let cursor = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="));
    let after = cursor.map(|hexadecimal| hex::decode(hexadecimal).unwrap());
    let after = after.map(|bytes| String::from_utf8(bytes).unwrap());
    let rest = kept
        .entries
        .iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
    let rest: Vec<_> = rest.collect();
    let keys: Vec<Value> = rest
        .iter()
        .take(PAGE)
        .map(|(key, (_, metadata))| match metadata {
            Value::Null => json!({ "name": key }),
            some => json!({ "name": key, "metadata": some }),
        })
        .collect();
    let cursor = match rest.get(PAGE - 1) {
        Some((key, _)) if rest.len() > PAGE => hex::encode(key),
        _ => String::new(),
    };
    json!({ "success": true, "result": keys, "result_info": { "count": keys.len(), "cursor": cursor } })
}
