//! Two clouds: a vault with a copy in another region, verifiers in both, an edge of which not all locations sign with
//! what was deployed last, deployments that others make, and runs that can be stopped between any two calls. After
//! each change it is looked whether somebody signs with what somebody does not accept.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures::task::noop_waker;
use souk_app::signing_keys::{Phase, RING_AGE_MAX, SigningRing, rotate_keys};
use souk_app::{Clock, EdgeSigner, KeptRing, KeyStoreError, KeyVault};
use souk_testkit::FixedClock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const MINUTE_MS: i64 = 60_000;
/// A verifier whose first try to read fails has read the ring after that.
const READ_WITHIN_MIN: i64 = 3 * RING_AGE_MAX.whole_minutes();
/// A location of the edge signs with what was deployed after that.
const TAKEN_UP_WITHIN_MIN: i64 = 15;
/// A deployment puts what it has read within that.
const DEPLOYED_WITHIN_MIN: i64 = 15;

type Key = (String, String);

/// How a run has ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Well,
    Badly(String),
}

/// What a call does when it arrives.
#[derive(Debug, Clone)]
enum Effect {
    Replace(usize, SigningRing),
    Sign(Key),
}

#[derive(Debug, Clone)]
struct Verifier {
    copy: bool,
    ring: SigningRing,
    read_at_min: i64,
}

#[derive(Debug)]
struct Things {
    now_min: i64,
    versions: Vec<SigningRing>,
    copy: usize,
    verifiers: Vec<Verifier>,
    deployed: (Key, i64),
    locations: Vec<Key>,
    deployment: Option<(Key, i64)>,
    under_way: BTreeMap<usize, Effect>,
    late: Vec<Effect>,
}

impl Things {
    fn arrives(&mut self, effect: Effect) -> bool {
        let done = match effect {
            Effect::Replace(read, ring) => {
                let first = read + 1 == self.versions.len();
                if first {
                    self.versions.push(ring);
                }
                first
            }
            Effect::Sign(key) => {
                self.deploy(key);
                true
            }
        };
        self.check();
        done
    }

    fn deploy(&mut self, key: Key) {
        self.deployed = (key, self.now_min);
    }

    fn current(&self) -> &SigningRing {
        self.versions.last().unwrap()
    }

    fn check(&self) {
        for (id, key) in self.locations.iter().chain([&self.deployed.0]) {
            for verifier in &self.verifiers {
                let both = [Some(verifier.ring.signing()), verifier.ring.other()];
                assert!(
                    both.contains(&Some((id.as_str(), key.as_str()))),
                    "{id} signs, and a verifier knows {:?} alone; the ring is {:?}",
                    verifier.ring,
                    self.current(),
                );
            }
        }
    }

    fn read(&mut self, verifier: usize, at_min: i64) {
        let copy = self.verifiers[verifier].copy;
        let ring = if copy {
            self.versions[self.copy].clone()
        } else {
            self.current().clone()
        };
        self.verifiers[verifier].ring = ring;
        self.verifiers[verifier].read_at_min = at_min;
    }
}

type Run = Pin<Box<dyn Future<Output = Ended>>>;

pub(crate) struct World {
    things: Arc<Mutex<Things>>,
    clock: Arc<FixedClock>,
    runs: Mutex<Vec<Option<Run>>>,
}

/// What one run sees of the world.
struct Seen {
    run: usize,
    things: Arc<Mutex<Things>>,
}

/// Once not ready: what is between two of these may be all that ever happens.
struct Between(bool);

impl Future for Between {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Seen {
    async fn does(&self, effect: Effect) -> bool {
        let put = |effect| {
            self.things
                .lock()
                .unwrap()
                .under_way
                .insert(self.run, effect)
        };
        put(effect.clone());
        Between(false).await;
        let done = {
            let mut things = self.things.lock().unwrap();
            things.under_way.remove(&self.run);
            things.arrives(effect)
        };
        Between(false).await;
        done
    }
}

impl KeyVault for Seen {
    async fn read(&self) -> Result<KeptRing, KeyStoreError> {
        Between(false).await;
        let kept = {
            let things = self.things.lock().unwrap();
            KeptRing {
                ring: SigningRing::parse(&things.current().to_text().unwrap()).unwrap(),
                version: (things.versions.len() - 1).to_string(),
            }
        };
        Between(false).await;
        Ok(kept)
    }

    async fn replace(&self, read: &str, ring: &SigningRing) -> Result<bool, KeyStoreError> {
        let read = read.parse().unwrap();
        Ok(self.does(Effect::Replace(read, ring.clone())).await)
    }

    async fn is_everywhere(&self) -> Result<bool, KeyStoreError> {
        Between(false).await;
        let things = self.things.lock().unwrap();
        Ok(things.copy + 1 == things.versions.len())
    }
}

impl EdgeSigner for Seen {
    async fn sign_with(&self, id: &str, key: &str) -> Result<(), KeyStoreError> {
        self.does(Effect::Sign((id.to_owned(), key.to_owned())))
            .await;
        Ok(())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let key = "c291ay1lZGdlLXdvcmtlci10ZXN0LXNpZ25pbmcta2V5IQ==";
        let text = format!(r#"{{"keys":{{"edge-a1":"{key}"}},"signs":"edge-a1"}}"#);
        let ring = SigningRing::parse(&text).unwrap();
        let first = ("edge-a1".to_owned(), key.to_owned());
        let verifier = |copy| Verifier {
            copy,
            ring: ring.clone(),
            read_at_min: 0,
        };
        Self {
            things: Arc::new(Mutex::new(Things {
                now_min: 0,
                versions: vec![ring.clone()],
                copy: 0,
                verifiers: vec![verifier(false), verifier(false), verifier(true)],
                deployed: (first.clone(), 0),
                locations: vec![first.clone(), first],
                deployment: None,
                under_way: BTreeMap::new(),
                late: Vec::new(),
            })),
            clock: Arc::new(FixedClock::new()),
            runs: Mutex::default(),
        }
    }

    fn things<T>(&self, look: impl FnOnce(&mut Things) -> T) -> T {
        let mut things = self.things.lock().unwrap();
        let seen = look(&mut things);
        things.check();
        seen
    }

    pub(crate) fn phase(&self) -> Phase {
        self.things(|t| t.current().phase())
    }

    pub(crate) fn signs(&self) -> String {
        self.things(|t| t.current().signing().0.to_owned())
    }

    pub(crate) fn deployed(&self) -> String {
        self.things(|t| t.deployed.0.0.clone())
    }

    pub(crate) fn accepted(&self) -> Vec<String> {
        self.things(|t| t.current().ids().map(str::to_owned).collect())
    }

    /// A run that has not made its first call yet.
    pub(crate) fn start(&self, demanded: bool) -> usize {
        let mut runs = self.runs.lock().unwrap();
        let run = runs.len();
        let seen = Seen {
            run,
            things: self.things.clone(),
        };
        let clock: Arc<dyn Clock> = self.clock.clone();
        runs.push(Some(Box::pin(async move {
            match rotate_keys(&seen, &seen, &*clock, demanded).await {
                Ok(_) => Ended::Well,
                Err(error) => Ended::Badly(error.to_string()),
            }
        })));
        run
    }

    fn polled(&self, run: usize) -> Option<Ended> {
        let mut runs = self.runs.lock().unwrap();
        let future = runs.get_mut(run)?.as_mut()?;
        let waker = noop_waker();
        let Poll::Ready(ended) = future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return None;
        };
        runs[run] = None;
        Some(ended)
    }

    /// Lets a run go on by so many halves of a call; whether it has ended.
    pub(crate) fn poll(&self, run: usize, times: usize) -> bool {
        (0..times).any(|_| self.polled(run).is_some())
    }

    pub(crate) fn finish(&self, run: usize) -> Ended {
        (0..100).find_map(|_| self.polled(run)).unwrap()
    }

    fn alive(&self, which: usize) -> Option<usize> {
        let runs = self.runs.lock().unwrap();
        let alive: Vec<_> = (0..runs.len()).filter(|run| runs[*run].is_some()).collect();
        alive.get(which.checked_rem(alive.len())?).copied()
    }

    pub(crate) fn poll_any(&self, which: usize, times: usize) {
        if let Some(run) = self.alive(which) {
            self.poll(run, times);
        }
    }

    pub(crate) fn kill_any(&self, which: usize, late: bool) {
        if let Some(run) = self.alive(which) {
            self.kill(run, late);
        }
    }

    /// Ends a run where it stands. What it has sent may still arrive.
    pub(crate) fn kill(&self, run: usize, late: bool) {
        if let Some(place) = self.runs.lock().unwrap().get_mut(run) {
            *place = None;
        }
        self.things(|t| {
            if let Some(effect) = t.under_way.remove(&run)
                && late
            {
                t.late.push(effect);
            }
        });
    }

    /// Ends all runs, and lets arrive what is under way: within a run's time, which is less than a minute.
    pub(crate) fn quiet(&self) {
        while let Some(run) = self.alive(0) {
            self.kill(run, true);
        }
        self.things(|t| {
            for effect in core::mem::take(&mut t.late) {
                t.arrives(effect);
            }
            t.deployment = None;
        });
    }

    /// Time passes, and with it everything that may lag for so long only.
    pub(crate) fn pass(&self, minutes: i64) {
        let deployment = self.things(|t| t.deployment.take());
        self.quiet();
        self.clock.advance_ms(minutes * MINUTE_MS);
        self.things(|t| {
            t.now_min += minutes;
            t.deployment = deployment.filter(|(_, by)| t.now_min <= *by);
            for verifier in 0..t.verifiers.len() {
                if t.now_min - t.verifiers[verifier].read_at_min >= READ_WITHIN_MIN {
                    // As long ago as may be.
                    let at = (t.now_min - READ_WITHIN_MIN + 1).max(t.now_min - minutes);
                    t.read(verifier, at);
                }
            }
            if t.now_min - t.deployed.1 >= TAKEN_UP_WITHIN_MIN {
                t.locations.fill(t.deployed.0.clone());
            }
        });
    }

    pub(crate) fn verifier_reads(&self, which: usize) {
        self.things(|t| t.read(which % t.verifiers.len(), t.now_min));
    }

    pub(crate) fn location_takes_up(&self, which: usize) {
        self.things(|t| {
            let which = which % t.locations.len();
            t.locations[which] = t.deployed.0.clone();
        });
    }

    pub(crate) fn replicate(&self) {
        self.things(|t| t.copy = t.versions.len() - 1);
    }

    pub(crate) fn deployment_begins(&self) {
        self.things(|t| {
            let (id, key) = t.current().signing();
            t.deployment = Some((
                (id.to_owned(), key.to_owned()),
                t.now_min + DEPLOYED_WITHIN_MIN,
            ));
        });
    }

    pub(crate) fn deployment_ends(&self) {
        self.things(|t| {
            if let Some((key, _)) = t.deployment.take() {
                t.deploy(key);
            }
        });
    }
}
