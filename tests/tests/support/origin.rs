//! An origin of the test's own. It verifies every request as a function does, and keeps what it got.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use futures::stream::{self, StreamExt as _};
use souk_policy::identity::EdgeIdentity;
use souk_policy::signature::{KeyRing, MessageParts, SignatureError, verify};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Barrier, Semaphore};

/// What the base URL has before an operation's path, as the URL of an HTTP API's stage does.
const PREFIX: &str = "/stage/$default";
const BODY_BYTES_MAX: usize = 1024 * 1024;
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// How the origin answers under a path.
#[allow(dead_code, reason = "each test program uses a part of this")]
#[derive(Clone)]
pub(crate) enum Reply {
    With(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    Never,
    /// As usual, but only when all of the barrier's requests have arrived.
    Together(Arc<Barrier>),
    /// Like the other one, but only when the gate is open.
    Behind(Gate, Box<Reply>),
    /// One after the other, and the last one again and again.
    Each(Vec<Reply>),
    /// What the request's [`MARK`] says: whoever gets another's answer can see that.
    Marked(Vec<(&'static str, &'static str)>),
    /// The first part at once, and the second when the gate is open.
    Halves(Gate, &'static str, &'static str),
}

/// A header that passes the edge.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub(crate) const MARK: &str = "x-mark";

/// Closed, until a test opens it for good.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn passed(&self) {
        let _closed = self.0.acquire().await;
    }
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
        self.wait_for(1);
    }

    /// Waits until so many have come since they were last taken.
    pub(crate) fn wait_for(&self, count: usize) {
        let seen = self.shared.seen.lock().unwrap();
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(seen, ARRIVAL_TIMEOUT, |seen| seen.len() < count);
        let (seen, timeout) = waited.unwrap();
        assert!(
            !timeout.timed_out(),
            "{} of {count} requests came",
            seen.len()
        );
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
    let reply = next_reply(&shared, &seen.path);
    let mark = seen.header(MARK).unwrap_or_default().to_owned();
    let usual = match &seen.verified {
        Ok(identity) => Response::new(Body::from(identity.tenant.to_string())),
        Err(error) => response(401, &[], error.to_string()),
    };
    shared.seen.lock().unwrap().push(seen);
    shared.arrived.notify_all();
    let reply = match reply {
        Some(Reply::Behind(gate, reply)) => {
            gate.passed().await;
            Some(*reply)
        }
        other => other,
    };
    match reply {
        None => usual,
        Some(Reply::With(status, headers, body)) => response(status, &headers, body),
        Some(Reply::Never) => std::future::pending().await,
        Some(Reply::Together(barrier)) => {
            barrier.wait().await;
            usual
        }
        Some(Reply::Marked(headers)) => response(200, &headers, mark),
        Some(Reply::Halves(gate, first, second)) => Response::new(halves(gate, first, second)),
        Some(Reply::Behind(..) | Reply::Each(_)) => panic!("a reply within a reply"),
    }
}

fn halves(gate: Gate, first: &'static str, second: &'static str) -> Body {
    let second = async move {
        gate.passed().await;
        Ok::<_, Infallible>(second)
    };
    let first = async move { Ok(first) };
    Body::from_stream(stream::once(first).chain(stream::once(second)))
}

fn next_reply(shared: &Shared, path: &str) -> Option<Reply> {
    let mut replies = shared.replies.lock().unwrap();
    let reply = replies.get_mut(path)?;
    let Reply::Each(each) = reply else {
        return Some(reply.clone());
    };
    if each.len() > 1 {
        return Some(each.remove(0));
    }
    each.first().cloned()
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
