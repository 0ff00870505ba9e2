//! Stands between the relays and the queue service, counts what the queue takes, and kills and stops
//! relays at the worst moments: before the queue has their request, between the queue's answer and what
//! the relay writes down of it, and around that.

use crate::books::Books;
use crate::plan::Plan;
use crate::workers::Workers;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use core::time::Duration;
use fastrand::Rng;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::Notify;
use tokio::time::timeout;

/// A stopped relay that had nothing to lose wakes after this.
const HALT_MAX: Duration = Duration::from_secs(8);

/// What happens to the relay that sends a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Pass,
    KillBeforeSend,
    KillBetweenSendAndRecord,
    /// The answer goes back, and the relay dies a moment later.
    KillAroundRecord(Duration),
    /// It wakes with the queue's answer before it, when somebody else has its lanes.
    StopBetweenSendAndRecord,
    /// The same, and its request reaches the queue only then.
    StopBeforeSend,
}

pub(crate) struct Gate {
    upstream: String,
    http: reqwest::Client,
    books: Arc<Books>,
    relays: OnceLock<Arc<Workers>>,
    plan: Mutex<Moments>,
    taken: AtomicUsize,
    progress: Notify,
    unanswered: AtomicUsize,
    kills: AtomicUsize,
    stops: AtomicUsize,
    asleep: AtomicUsize,
}

#[derive(Default)]
struct Moments {
    kills: VecDeque<usize>,
    stops: VecDeque<usize>,
    rng: Rng,
}

impl Gate {
    pub(crate) fn new(upstream: String, books: Arc<Books>) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            http: reqwest::Client::new(),
            books,
            relays: OnceLock::new(),
            plan: Mutex::default(),
            taken: AtomicUsize::new(0),
            progress: Notify::new(),
            unanswered: AtomicUsize::new(0),
            kills: AtomicUsize::new(0),
            stops: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
        })
    }

    /// An entrance for each relay, which is how they are told apart.
    pub(crate) async fn open(self: &Arc<Self>, relays: usize) -> Vec<String> {
        let mut endpoints = Vec::new();
        for slot in 0..relays {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            endpoints.push(format!("http://{}", listener.local_addr().unwrap()));
            let gate = self.clone();
            let app = Router::new()
                .fallback(
                    move |State(gate): State<Arc<Self>>, request: Request| async move {
                        // In a task of its own: it goes on when the relay hangs up.
                        tokio::spawn(async move { gate.serve(slot, request).await })
                            .await
                            .unwrap()
                    },
                )
                .with_state(gate);
            tokio::spawn(async move { axum::serve(listener, app).await });
        }
        endpoints
    }

    pub(crate) fn set_plan(&self, relays: Arc<Workers>, plan: &Plan, rng: Rng) {
        *self.plan.lock().unwrap() = Moments {
            kills: plan.relay_kills.iter().copied().collect(),
            stops: plan.relay_stops.iter().copied().collect(),
            rng,
        };
        assert!(self.relays.set(relays).is_ok(), "there is one plan");
    }

    pub(crate) async fn until_taken(&self, count: usize) {
        loop {
            let next = self.progress.notified();
            if self.taken.load(Ordering::SeqCst) >= count {
                return;
            }
            next.await;
        }
    }

    /// Writers wait for this before each event, of which they have `written` so many: they are not far ahead of the relays,
    /// and go on only when what is planned can meet a request. Otherwise the last relay that is to be stopped could find
    /// all work done, because another one slept the while.
    pub(crate) async fn until_more_is_wanted(&self, written: usize, ahead: usize) {
        crate::until(async || {
            let sleeps = self.asleep.load(Ordering::SeqCst) > 0;
            written < self.taken().saturating_add(ahead) && !(sleeps && self.wants_a_stop())
        })
        .await;
    }

    /// Whether a stop is due: one of the plan's, or one more, since nobody has found out yet that its lanes were
    /// taken from it: one without lanes has none to lose, and one may be killed before it can say so.
    fn wants_a_stop(&self) -> bool {
        let taken = self.taken();
        let plan = self.plan.lock().unwrap();
        match plan.stops.front() {
            Some(moment) => *moment <= taken,
            None => self.relays.get().unwrap().found_out() == 0,
        }
    }

    pub(crate) async fn until_all_woken(&self) {
        crate::until(async || self.asleep.load(Ordering::SeqCst) == 0).await;
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Requests for which there was no queue service.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    pub(crate) fn stops(&self) -> usize {
        self.stops.load(Ordering::SeqCst)
    }

    fn fate(&self) -> Fate {
        let taken = self.taken();
        let wants_a_stop = self.wants_a_stop();
        let mut plan = self.plan.lock().unwrap();
        let due = |moments: &VecDeque<usize>| moments.front().is_some_and(|m| *m <= taken);
        // One at a time, so that there is always somebody who takes over.
        if wants_a_stop && self.asleep.load(Ordering::SeqCst) == 0 {
            plan.stops.pop_front();
            self.asleep.fetch_add(1, Ordering::SeqCst);
            return match plan.rng.u8(..3) {
                0 => Fate::StopBeforeSend,
                _ => Fate::StopBetweenSendAndRecord,
            };
        }
        if due(&plan.kills) {
            plan.kills.pop_front();
            return match plan.rng.u8(..10) {
                0 | 1 => Fate::KillBeforeSend,
                2..=5 => Fate::KillAroundRecord(Duration::from_micros(plan.rng.u64(..6_000))),
                _ => Fate::KillBetweenSendAndRecord,
            };
        }
        Fate::Pass
    }

    async fn serve(self: Arc<Self>, slot: usize, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 2 * 1024 * 1024).await.unwrap();
        let fate = self.fate();
        match fate {
            Fate::KillBeforeSend => {
                self.kill(slot).await;
                return refusal();
            }
            Fate::StopBeforeSend => self.halt(slot).await,
            Fate::StopBetweenSendAndRecord => {
                // It sleeps before the answer is there, and finds it when it wakes.
                let gate = self.clone();
                tokio::spawn(async move { gate.halt(slot).await });
            }
            Fate::Pass | Fate::KillBetweenSendAndRecord | Fate::KillAroundRecord(_) => {}
        }
        let answer = self.forward(parts, body).await;
        match fate {
            Fate::KillBetweenSendAndRecord => self.kill(slot).await,
            Fate::KillAroundRecord(delay) => {
                let gate = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    gate.kill(slot).await;
                });
            }
            Fate::Pass
            | Fate::KillBeforeSend
            | Fate::StopBetweenSendAndRecord
            | Fate::StopBeforeSend => {}
        }
        answer.unwrap_or_else(refusal)
    }

    async fn forward(&self, parts: http::request::Parts, body: Bytes) -> Option<Response> {
        let mut headers = parts.headers;
        headers.remove(http::header::HOST);
        let sent = self
            .http
            .request(parts.method, &self.upstream)
            .headers(headers)
            .body(body)
            .send()
            .await;
        let Ok(answer) = sent else {
            return self.miss();
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let Ok(body) = answer.bytes().await else {
            return self.miss();
        };
        self.note(&body);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
            .headers_mut()
            .remove(http::header::TRANSFER_ENCODING);
        Some(response)
    }

    fn miss(&self) -> Option<Response> {
        self.unanswered.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn note(&self, answer: &[u8]) {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let taken = answer["Successful"].as_array().map_or(0, Vec::len);
        self.taken.fetch_add(taken, Ordering::SeqCst);
        self.progress.notify_waiters();
    }

    async fn kill(&self, slot: usize) {
        self.kills.fetch_add(1, Ordering::SeqCst);
        self.relays.get().unwrap().kill_and_replace(slot).await;
    }

    /// Stops the relay until another has taken a lane of it, or had time enough.
    async fn halt(&self, slot: usize) {
        let relays = self.relays.get().unwrap();
        let name = relays.halt(slot).await;
        let taken_over = crate::until(async || self.books.has_lost_a_lane(&name).await);
        let _had_none = timeout(HALT_MAX, taken_over).await;
        relays.wake(slot).await;
        self.stops.fetch_add(1, Ordering::SeqCst);
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a relay gets when there is no queue service.
fn refusal() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    response
}
