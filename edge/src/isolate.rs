//! What an isolate knows, and how it gets from a request to what is to be done about it.

use crate::facts::Facts;
use crate::limiter::parse_answer;
use crate::step::{Manner, Step};
use souk_domain::RequestId;
use souk_policy::ForwardPlan;
use souk_policy::address::AddressLimiter;
use souk_policy::breaker::Breaker;
use souk_policy::config::Config;
use souk_policy::decide::{IssuerKey, Known, Next, Opening, RequestFacts, Tenant, decide, open};
use souk_policy::flights::Flights;
use souk_policy::gcra::Verdict;
use souk_policy::hedge::HedgeBudget;
use souk_policy::jose::{ProofId, Proofs, PublicKey};
use souk_policy::jwks_cache::{JwksEntry, Lookup};
use souk_policy::limit::{LimitQuestion, Limited, Silence};
use souk_policy::limit_states::States;
use souk_policy::log::log_line;
use souk_policy::problem::{Code, Problem, misconfigured, origin_left_alone, unroutable};
use souk_policy::route::{RouteKey, RouteRecord};
use souk_policy::settings::{SETTINGS_KEY, Settings};
use souk_policy::store::{Found, Store};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Requests under way at most; beyond, the oldest was given up by its client.
const PENDING_MAX: usize = 4_096;
/// Things that a request waits for at most.
const TURNS_MAX: u32 = 16;
/// Key sets that are remembered at most.
const KEY_SETS_MAX: usize = 256;
/// Milliseconds after which a fetch of keys that was not heard of is over.
const FETCH_MS_MAX: u64 = 5_000;

/// One for each isolate: requests at the same time share it.
#[derive(Debug)]
pub(crate) struct Isolate {
    config: Option<Rc<Config>>,
    settings: Store<Settings>,
    records: Store<RouteRecord>,
    key_sets: BTreeMap<String, KeySet>,
    addresses: AddressLimiter,
    states: States,
    limiter: Breaker,
    origin: Breaker,
    canary: Breaker,
    pending: BTreeMap<u32, Pending>,
    last_handle: u32,
    chores: Vec<String>,
    /// Until when the host keeps which answers, in Unix milliseconds.
    kept: BTreeMap<String, u64>,
    flights: Flights,
    proofs: Proofs,
    hedges: HedgeBudget,
}

#[derive(Debug, Default)]
struct KeySet {
    entry: JwksEntry,
    fetching_since_ms: Option<u64>,
}

/// A request that waits for something.
#[derive(Debug)]
struct Pending {
    /// Its facts, as they came.
    text: String,
    turns: u32,
    address: Option<Verdict>,
    is_address_counted: bool,
    key: Option<KeyFound>,
    signature_holds: Option<bool>,
    question: Option<LimitQuestion>,
    limited: Option<Limited>,
    plan: Option<Box<ForwardPlan>>,
    /// Of the signature that the host is asked about.
    proof: Option<ProofId>,
    /// Whether it has waited for another's answer.
    has_waited: bool,
}

#[derive(Debug)]
enum KeyFound {
    Key(Box<PublicKey>),
    Unknown,
    Unavailable,
}

impl Isolate {
    pub(crate) const fn new() -> Self {
        Self {
            config: None,
            settings: Store::new(),
            records: Store::new(),
            key_sets: BTreeMap::new(),
            addresses: AddressLimiter::new(),
            states: States::new(),
            limiter: Breaker::new(),
            origin: Breaker::new(),
            canary: Breaker::new(),
            pending: BTreeMap::new(),
            last_handle: 0,
            chores: Vec::new(),
            kept: BTreeMap::new(),
            flights: Flights::new(),
            proofs: Proofs::new(),
            hedges: HedgeBudget::new(),
        }
    }

    /// The fetch is over that others wait for, and there is nothing for them.
    pub(crate) fn landed_unshared(&mut self, key: &str, now_ms: u64) {
        self.flights.landed_unshared(key, now_ms);
    }

    /// Whether a second request may be sent beside one that is late.
    pub(crate) fn may_hedge(&mut self) -> bool {
        self.hedges.spend()
    }

    fn is_kept_fresh(&self, key: &str, now_ms: u64) -> bool {
        let until_ms = self.kept.get(key);
        until_ms.is_some_and(|until_ms| now_ms < *until_ms)
    }

    /// The host keeps an answer until then; 0 where it does not any more.
    pub(crate) fn keeps(&mut self, key: &str, until_ms: u64) {
        if until_ms == 0 {
            self.kept.remove(key);
        } else {
            self.kept.insert(key.to_owned(), until_ms);
            self.flights.landed(key);
        }
    }

    pub(crate) fn configure(&mut self, config: Config) {
        self.config = Some(Rc::new(config));
    }

    /// A request has come.
    pub(crate) fn begin(&mut self, text: &str) -> Step {
        let pending = Pending {
            text: text.to_owned(),
            turns: 0,
            address: None,
            is_address_counted: false,
            key: None,
            signature_holds: None,
            question: None,
            limited: None,
            plan: None,
            proof: None,
            has_waited: false,
        };
        let Some(facts) = Facts::parse(text) else {
            return Step::broken();
        };
        let now_ms = facts.now_unix_ms();
        self.go_on(pending, &facts, now_ms)
    }

    /// What a request waited for is there.
    pub(crate) fn resume(&mut self, handle: u32, now_ms: u64) -> Step {
        self.resume_with(handle, now_ms, |_| {})
    }

    pub(crate) fn proved(&mut self, handle: u32, holds: bool, now_ms: u64) -> Step {
        let proof = self.pending.get(&handle).and_then(|one| one.proof);
        if let Some(proof) = proof.filter(|_| holds) {
            self.proofs.add(proof);
        }
        self.resume_with(handle, now_ms, |pending| {
            pending.signature_holds = Some(holds);
        })
    }

    /// The limiter's answer; nothing where it gave none in time.
    pub(crate) fn limited(&mut self, handle: u32, answer: Option<&str>, now_ms: u64) -> Step {
        let Some(question) = self
            .pending
            .get(&handle)
            .and_then(|one| one.question.clone())
        else {
            return Step::broken();
        };
        let verdicts = answer
            .and_then(parse_answer)
            .filter(|verdicts| verdicts.len() == question.charges.len());
        let limited = if let Some(verdicts) = verdicts {
            self.limiter.succeeded();
            Limited::Decided(verdicts)
        } else {
            self.limiter.failed(now_ms);
            self.without_limiter(&question, now_ms)
        };
        self.resume_with(handle, now_ms, |pending| pending.limited = Some(limited))
    }

    /// Reads pass; what has an effect is limited by what came to this isolate.
    fn without_limiter(&mut self, question: &LimitQuestion, now_ms: u64) -> Limited {
        match question.silence {
            Silence::Passes => Limited::Silent,
            Silence::IsDecidedHere => {
                let now = now_ms.saturating_mul(1_000);
                Limited::Decided(self.states.decide(question, now))
            }
        }
    }

    fn resume_with(&mut self, handle: u32, now_ms: u64, learn: impl FnOnce(&mut Pending)) -> Step {
        let Some(mut pending) = self.pending.remove(&handle) else {
            return Step::broken();
        };
        learn(&mut pending);
        let text = core::mem::take(&mut pending.text);
        let Some(facts) = Facts::parse(&text) else {
            return Step::broken();
        };
        pending.text.clone_from(&text);
        self.go_on(pending, &facts, now_ms)
    }

    fn go_on(&mut self, mut pending: Pending, facts: &Facts<'_>, now_ms: u64) -> Step {
        let request_id = facts.request_id();
        pending.turns = pending.turns.saturating_add(1);
        match self.advance(&mut pending, &facts.for_policy(), now_ms) {
            Ok(step) => {
                if step.waits() {
                    return step.for_request(self.keep(pending));
                }
                step
            }
            Err(problem) => Step::Answer {
                answer: problem.answer(request_id),
                log: log_line(request_id, None, Some(problem.code())),
            },
        }
    }

    fn keep(&mut self, pending: Pending) -> u32 {
        if self.pending.len() >= PENDING_MAX {
            self.pending.pop_first();
        }
        self.last_handle = self.last_handle.wrapping_add(1);
        self.pending.insert(self.last_handle, pending);
        self.last_handle
    }

    #[allow(
        clippy::too_many_lines,
        reason = "an arm for each thing that the decision may ask for"
    )]
    fn advance(
        &mut self,
        pending: &mut Pending,
        facts: &RequestFacts<'_>,
        now_ms: u64,
    ) -> Result<Step, Problem> {
        let route_key = match open(facts)? {
            Opening::Answer(answer) => {
                let log = log_line(facts.request_id, None, None);
                return Ok(Step::Answer { answer, log });
            }
            Opening::LookUp(route_key) => route_key,
        };
        let config = Rc::clone(self.config.as_ref().ok_or_else(misconfigured)?);
        if pending.turns > TURNS_MAX {
            return Err(unroutable());
        }
        let settings = match self.settings(now_ms)? {
            Ok(settings) => settings,
            Err(step) => return Ok(step),
        };
        let (record, mut wildcard) = (self.record(&route_key, now_ms)?, None);
        loop {
            let tenant = match (&record, &wildcard) {
                (Err(step), _) | (_, Some(Err(step))) => return Ok(step.clone()),
                (Ok(Some(record)), _) | (_, Some(Ok(Some(record)))) => Tenant::Known(record),
                (Ok(None), Some(Ok(None))) => Tenant::Unknown,
                (Ok(None), None) => Tenant::NotUnderKey,
            };
            if let Tenant::Known(_) = tenant {
                self.look_at_address(pending, facts, &settings, now_ms);
            }
            let known = Known {
                region: &config.region,
                settings: &settings,
                tenant,
                address: pending.address,
                key: pending.key.as_ref().map(KeyFound::for_policy),
                signature_holds: pending.signature_holds,
                limited: pending.limited.as_ref(),
            };
            match decide(facts, &known)? {
                Next::Answer(answer) => {
                    let log = log_line(facts.request_id, None, None);
                    return Ok(Step::Answer { answer, log });
                }
                Next::Record(key) => wildcard = Some(self.record(&key, now_ms)?),
                Next::Key(wanted) => {
                    let url = wanted.issuer.jwks_url.clone();
                    let algorithm = wanted.issuer.algorithm;
                    let key_id = wanted.key_id.as_deref();
                    match self.key(&url, key_id, algorithm, now_ms) {
                        Ok(found) => pending.key = Some(found),
                        Err(step) => return Ok(step),
                    }
                }
                Next::Verify(check) => {
                    let proof = Proofs::id(&check);
                    if !self.proofs.has(&proof) {
                        pending.proof = Some(proof);
                        return Ok(Step::verify(&check));
                    }
                    pending.signature_holds = Some(true);
                }
                Next::Limit(question) => {
                    if self.limiter.may_try(now_ms) {
                        let step = Step::limit(&question);
                        pending.question = Some(question);
                        return Ok(step);
                    }
                    pending.limited = Some(self.without_limiter(&question, now_ms));
                }
                Next::Forward(plan) => {
                    let key = plan.cache_key();
                    if self.is_kept_fresh(&key, now_ms) {
                        return Ok(Step::kept(&plan, &key));
                    }
                    // Before the origin is looked at: who waits must not use up its trial.
                    if !pending.has_waited && self.flights.is_under_way(&key, now_ms) {
                        pending.has_waited = true;
                        return Ok(Step::Wait { handle: 0, key });
                    }
                    let refused = self.check_origin(&plan, &config, now_ms);
                    if refused.is_err() && self.kept.contains_key(&key) {
                        // An old answer is better than none.
                        return Ok(Step::kept(&plan, &key));
                    }
                    refused?;
                    if plan.reads_body() {
                        pending.plan = Some(plan);
                        return Ok(Step::Body { handle: 0 });
                    }
                    // An answer to HEAD is nobody else's: it has no body.
                    let is_waited_for = plan.method() == "GET" && self.flights.begin(&key, now_ms);
                    self.hedges.earn();
                    let manner = Manner {
                        is_waited_for,
                        has_old_answer: self.kept.contains_key(&key),
                    };
                    return Step::forward(&plan, &[], (&config, manner), now_ms);
                }
            }
        }
    }

    /// The body has come.
    pub(crate) fn sealed(&mut self, handle: u32, body: &[u8], now_ms: u64) -> Step {
        let plan = self.pending.remove(&handle).and_then(|one| one.plan);
        let (Some(plan), Some(config)) = (plan, &self.config) else {
            return Step::broken();
        };
        let id = plan.identity().request_id;
        Step::forward(&plan, body, (config, Manner::default()), now_ms)
            .unwrap_or_else(|problem| refused(&problem, id, &plan))
    }

    /// The body has not come: it broke off, or is too large.
    pub(crate) fn unread(&mut self, handle: u32, is_too_large: bool) -> Step {
        let Some(plan) = self.pending.remove(&handle).and_then(|one| one.plan) else {
            return Step::broken();
        };
        let problem = plan.refusal(if is_too_large {
            souk_policy::decide::body_too_large()
        } else {
            Problem::new(Code::BodyUnreadable, "The body broke off.")
        });
        refused(&problem, plan.identity().request_id, &plan)
    }

    fn look_at_address(
        &mut self,
        pending: &mut Pending,
        facts: &RequestFacts<'_>,
        settings: &Settings,
        now_ms: u64,
    ) {
        if !pending.is_address_counted {
            let limit = settings.address_limit.zip(facts.client_address);
            let now = now_ms.saturating_mul(1_000);
            let check = |(rule, own)| self.addresses.check(rule, own, now);
            // Once for each request, however often it is decided.
            pending.address = limit.map(check);
            pending.is_address_counted = true;
        }
    }

    fn settings(&mut self, now_ms: u64) -> Result<Result<Rc<Settings>, Step>, Problem> {
        match self.settings.get(SETTINGS_KEY, now_ms) {
            Found::Known(settings, refresh) => {
                self.chore_if(refresh, "K", SETTINGS_KEY);
                Ok(Ok(settings.unwrap_or_default()))
            }
            Found::Ask => Ok(Err(Step::kv(SETTINGS_KEY))),
            Found::Unavailable => Err(unroutable()),
        }
    }

    #[allow(clippy::type_complexity, reason = "a record or none, or the way to it")]
    fn record(
        &mut self,
        key: &RouteKey,
        now_ms: u64,
    ) -> Result<Result<Option<Rc<RouteRecord>>, Step>, Problem> {
        match self.records.get(key.as_str(), now_ms) {
            Found::Known(record, refresh) => {
                self.chore_if(refresh, "K", key.as_str());
                Ok(Ok(record))
            }
            Found::Ask => Ok(Err(Step::kv(key.as_str()))),
            Found::Unavailable => Err(unroutable()),
        }
    }

    /// The key, or where to get it.
    fn key(
        &mut self,
        url: &str,
        key_id: Option<&str>,
        algorithm: souk_policy::jose::Algorithm,
        now_ms: u64,
    ) -> Result<KeyFound, Step> {
        if self.key_sets.len() >= KEY_SETS_MAX && !self.key_sets.contains_key(url) {
            self.key_sets.clear();
        }
        let set = self.key_sets.entry(url.to_owned()).or_default();
        let is_fetching = set
            .fetching_since_ms
            .is_some_and(|since| now_ms.saturating_sub(since) < FETCH_MS_MAX);
        match set.entry.look_up(key_id, algorithm, now_ms) {
            Lookup::Use { key, refresh } => {
                let found = KeyFound::Key(Box::new(key.clone()));
                if refresh && !is_fetching {
                    set.begin(now_ms);
                    self.chore_if(true, "J", url);
                }
                Ok(found)
            }
            // Somebody else fetches: the host lets all wait for the same answer.
            Lookup::Fetch | Lookup::Unknown | Lookup::Unavailable if is_fetching => {
                Err(Step::keys(url))
            }
            Lookup::Fetch if set.entry.wants_store(now_ms) => {
                set.entry.asking_store(now_ms);
                set.fetching_since_ms = Some(now_ms);
                Err(Step::stored_keys(url))
            }
            Lookup::Fetch => {
                set.begin(now_ms);
                Err(Step::keys(url))
            }
            Lookup::Unknown => Ok(KeyFound::Unknown),
            Lookup::Unavailable => Ok(KeyFound::Unavailable),
        }
    }

    fn chore_if(&mut self, is_due: bool, kind: &str, name: &str) {
        if is_due {
            self.chores.push(format!("{kind}{name}"));
        }
    }

    pub(crate) fn has_chores(&self) -> bool {
        !self.chores.is_empty()
    }

    /// What to look up or fetch meanwhile: `K` and a key of the store, or `J` and an address of keys.
    pub(crate) fn take_chores(&mut self) -> String {
        core::mem::take(&mut self.chores).join("\n")
    }

    /// What the store holds under a key: nothing, or a text.
    ///
    /// # Errors
    /// The cause, for the log, where the text is not understood.
    pub(crate) fn learn(
        &mut self,
        key: &str,
        value: Option<&str>,
        now_ms: u64,
    ) -> Result<(), String> {
        if key == SETTINGS_KEY {
            let parsed = value.map(Settings::parse).transpose();
            return match parsed {
                Ok(settings) => {
                    self.settings.learn(key, settings, now_ms);
                    Ok(())
                }
                Err(error) => {
                    self.settings.fail(key, now_ms);
                    Err(told(&error))
                }
            };
        }
        match value.map(RouteRecord::parse).transpose() {
            Ok(record) => {
                self.records.learn(key, record, now_ms);
                Ok(())
            }
            Err(error) => {
                self.records.fail(key, now_ms);
                Err(format!("{key}: {}", told(&error)))
            }
        }
    }

    /// The store did not answer.
    pub(crate) fn unlearned(&mut self, key: &str, now_ms: u64) {
        if key == SETTINGS_KEY {
            self.settings.fail(key, now_ms);
        } else {
            self.records.fail(key, now_ms);
        }
    }

    /// Keys that were fetched.
    ///
    /// # Errors
    /// The cause, for the log, where they cannot be used.
    pub(crate) fn learn_keys(
        &mut self,
        url: &str,
        body: &[u8],
        cache_control: Option<&str>,
        now_ms: u64,
    ) -> Result<(), String> {
        let Some(set) = self.key_sets.get_mut(url) else {
            return Ok(());
        };
        set.fetching_since_ms = None;
        let learned = set.entry.fetched(body, cache_control, now_ms);
        learned.map_err(|error| format!("{url}: {error}"))
    }

    /// What the store has of an issuer's keys: nothing, or a text.
    pub(crate) fn learn_stored_keys(&mut self, url: &str, value: Option<&str>, now_ms: u64) {
        if let Some(set) = self.key_sets.get_mut(url) {
            set.fetching_since_ms = None;
            set.entry.stored(value.unwrap_or_default(), now_ms);
        }
    }

    pub(crate) fn keys_failed(&mut self, url: &str) {
        if let Some(set) = self.key_sets.get_mut(url) {
            set.fetching_since_ms = None;
        }
    }

    fn check_origin(
        &mut self,
        plan: &ForwardPlan,
        config: &Config,
        now_ms: u64,
    ) -> Result<(), Problem> {
        let breaker = self.breaker(plan.is_canary() && config.canary_origin_url.is_some());
        if breaker.may_try(now_ms) {
            return Ok(());
        }
        Err(plan.refusal(origin_left_alone(breaker.retry_after_s(now_ms))))
    }

    fn breaker(&mut self, is_canary: bool) -> &mut Breaker {
        if is_canary {
            &mut self.canary
        } else {
            &mut self.origin
        }
    }

    pub(crate) fn origin_succeeded(&mut self, is_canary: bool) {
        self.breaker(is_canary).succeeded();
    }

    pub(crate) fn origin_failed(&mut self, is_canary: bool, now_ms: u64) {
        self.breaker(is_canary).failed(now_ms);
    }
}

impl KeySet {
    fn begin(&mut self, now_ms: u64) {
        self.entry.fetching(now_ms);
        self.fetching_since_ms = Some(now_ms);
    }
}

impl KeyFound {
    fn for_policy(&self) -> IssuerKey<'_> {
        match self {
            Self::Key(key) => IssuerKey::Found(key),
            Self::Unknown => IssuerKey::Unknown,
            Self::Unavailable => IssuerKey::Unavailable,
        }
    }
}

fn refused(problem: &Problem, request_id: RequestId, plan: &ForwardPlan) -> Step {
    Step::Answer {
        answer: problem.answer(request_id),
        log: log_line(request_id, Some(plan), Some(problem.code())),
    }
}

/// An error and its cause.
fn told(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}
