//! An origin of the test's own. It verifies every request as a function does, and keeps what it got.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use souk_policy::identity::EdgeIdentity;
use souk_policy::signature::{KeyRing, MessageParts, SignatureError, verify};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

/// What the base URL has before an operation's path, as the URL of an HTTP API's stage does.
const PREFIX: &str = "/stage/$default";
const BODY_BYTES_MAX: usize = 1024 * 1024;
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// How the origin answers under a path.
#[derive(Clone)]
pub(crate) enum Reply {
    With(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    Never,
    /// As usual, but only when all of the barrier's requests have arrived.
    Together(Arc<Barrier>),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Without the prefix.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) verified: Result<EdgeIdentity, SignatureError>,
}

impl Seen {
    fn new(parts: &Parts, body: &Bytes, ring: &KeyRing) -> Self {
        let path = parts.uri.path();
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), value.into_owned())
        });
        let mut seen = Self {
            method: parts.method.to_string(),
            path: path.strip_prefix(PREFIX).unwrap_or(path).to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: headers.collect(),
            body: body.to_vec(),
            verified: Err(SignatureError::Mismatch),
        };
        seen.verified = seen.verify(ring, now_unix_s());
        seen
    }

    pub(crate) fn verify(
        &self,
        ring: &KeyRing,
        now_unix_s: i64,
    ) -> Result<EdgeIdentity, SignatureError> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let parts = MessageParts {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &headers,
            body: &self.body,
        };
        verify(&parts, ring, now_unix_s)
    }

    pub(crate) fn identity(&self) -> &EdgeIdentity {
        let verified = self.verified.as_ref();
        verified.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header that occurs once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} occurs twice: {self:?}");
        value
    }
}

struct Shared {
    ring: KeyRing,
    replies: Mutex<BTreeMap<String, Reply>>,
    seen: Mutex<Vec<Seen>>,
    arrived: Condvar,
}

/// The origin. It has threads of its own, so that a test may block, and stops with all its
/// connections.
pub(crate) struct Origin {
    port: u16,
    runtime: Option<Runtime>,
    shared: Arc<Shared>,
}

impl Origin {
    pub(crate) fn start(ring: KeyRing) -> Self {
        let shared = Arc::new(Shared {
            ring,
            replies: Mutex::default(),
            seen: Mutex::default(),
            arrived: Condvar::new(),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let app = Router::new().fallback(answer).with_state(shared.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            port,
            runtime: Some(runtime),
            shared,
        }
    }

    /// Where it listens, on 127.0.0.1.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PREFIX}", self.port)
    }

    /// Says how to answer under a path, in place of 200 and the identity.
    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        let mut replies = self.shared.replies.lock().unwrap();
        replies.insert(path.to_owned(), reply);
    }

    /// What has come since this was last asked.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// The one request that has come since.
    pub(crate) fn take_one(&self) -> Seen {
        let mut seen = self.take_seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Waits until some request has come.
    pub(crate) fn wait_for_one(&self) {
        let seen = self.shared.seen.lock().unwrap();
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(seen, ARRIVAL_TIMEOUT, |seen| seen.is_empty());
        assert!(!waited.unwrap().1.timed_out(), "no request came");
    }

    /// Closes the listener, and every connection without an answer.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(ARRIVAL_TIMEOUT);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let seen = Seen::new(&parts, &body, &shared.ring);
    let reply = shared.replies.lock().unwrap().get(&seen.path).cloned();
    let usual = match &seen.verified {
        Ok(identity) => Response::new(Body::from(identity.tenant.to_string())),
        Err(error) => response(401, &[], error.to_string()),
    };
    shared.seen.lock().unwrap().push(seen);
    shared.arrived.notify_all();
    match reply {
        None => usual,
        Some(Reply::With(status, headers, body)) => response(status, &headers, body),
        Some(Reply::Never) => std::future::pending().await,
        Some(Reply::Together(barrier)) => {
            barrier.wait().await;
            usual
        }
    }
}

fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn now_unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
