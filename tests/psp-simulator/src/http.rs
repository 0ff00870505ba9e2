//! The PSP over HTTP, in Stripe's form as far as Souk uses it, with faults on the wire.

mod admin;
mod form;
mod json;
mod routes;
mod webhooks;

pub use webhooks::signature_of;

use crate::faults::{CallFault, Faults};
use crate::simulator::{SettableClock, Simulator};
use bytes::Bytes;
use core::time::Duration;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How the PSP is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// On 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// What goes wrong, until it is changed by `POST /_admin/faults`.
    pub faults: Faults,
    /// A call without an answer keeps its caller waiting for so long, then the connection ends.
    pub silence: Duration,
    /// A late answer is so late.
    pub lateness: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 0,
            faults: Faults::none(1),
            silence: Duration::from_secs(60),
            lateness: Duration::from_secs(1),
        }
    }
}

/// A PSP that is served until this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    /// The PSP behind it.
    pub simulator: Simulator,
    /// Its clock.
    pub clock: Arc<SettableClock>,
    tasks: JoinSet<()>,
}

impl Served {
    /// Where, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until the end of the process.
    pub async fn forever(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What each request needs.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(crate) simulator: Simulator,
    pub(crate) clock: Arc<SettableClock>,
    pub(crate) webhooks: Arc<webhooks::Endpoints>,
    silence: Duration,
    lateness: Duration,
}

/// Serves a PSP on 127.0.0.1.
///
/// # Errors
/// When the port is taken.
pub async fn serve(settings: Settings) -> io::Result<Served> {
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    let address = listener.local_addr()?;
    let clock = Arc::new(SettableClock::new());
    let simulator = Simulator::new(clock.clone(), settings.faults);
    let front = Front {
        simulator: simulator.clone(),
        clock: clock.clone(),
        webhooks: Arc::default(),
        silence: settings.silence,
        lateness: settings.lateness,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(webhooks::deliver(front.clone()));
    tasks.spawn(accept(listener, front));
    Ok(Served {
        address,
        simulator,
        clock,
        tasks,
    })
}

async fn accept(listener: TcpListener, front: Front) {
    // Dropped with this task: nothing of a PSP that is gone answers.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream, front.clone()));
    }
}

async fn converse(stream: TcpStream, front: Front) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { front.handle(request).await }
    });
    // An error is a connection that ends without an answer, as is wanted.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection ends without an answer.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl core::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no answer")
    }
}

impl core::error::Error for NoAnswer {}

/// A status and a body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) const fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }
}

pub(crate) type HttpAnswer = Result<Response<Full<Bytes>>, NoAnswer>;

fn written(status: u16, body: Bytes, headers: &[(&'static str, &'static str)]) -> HttpAnswer {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body)).map_err(|_| NoAnswer)
}

impl Front {
    async fn handle(&self, request: Request<Incoming>) -> HttpAnswer {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
        if head.uri.path().starts_with("/_admin/") {
            let reply = admin::answer(self, &head, &body);
            return written(reply.status, to_bytes(&reply.body), &[]);
        }
        let (fault, reply) = routes::answer(self, &head, &body).await;
        self.send(fault, &reply).await
    }

    /// The answer, unless something happens to it on the wire.
    async fn send(&self, fault: CallFault, reply: &Reply) -> HttpAnswer {
        let plain = || {
            let kept: &[_] = match (reply.status, fault) {
                (429, _) => &[("retry-after", "0"), ("stripe-should-retry", "true")],
                (500, CallFault::ErrorKeptBefore | CallFault::ErrorKeptAfter) => {
                    &[("stripe-should-retry", "false")]
                }
                _ => &[],
            };
            written(reply.status, to_bytes(&reply.body), kept)
        };
        match fault {
            CallFault::NotReached => Err(NoAnswer),
            CallFault::RequestLost | CallFault::RequestLate | CallFault::AnswerLost => {
                tokio::time::sleep(self.silence).await;
                Err(NoAnswer)
            }
            CallFault::AnswerLate => {
                tokio::time::sleep(self.lateness).await;
                plain()
            }
            CallFault::ErrorAfter => {
                let error = json::error(&crate::world::ApiError::internal());
                written(500, to_bytes(&error), &[])
            }
            CallFault::Garbage => {
                written(200, Bytes::from_static(b"<html>Bad Gateway</html>"), &[])
            }
            _ => plain(),
        }
    }
}

fn to_bytes(body: &Value) -> Bytes {
    Bytes::from(body.to_string())
}
