//! A host for tests: everything that a real one fetches lies in memory, and signatures are checked in
//! pure Rust.
#![allow(
    dead_code,
    clippy::arithmetic_side_effects,
    reason = "tests, of which each program uses a part"
)]

use souk_policy::ForwardPlan;
use souk_policy::address::AddressLimiter;
use souk_policy::decide::{IssuerKey, Known, Next, Opening, RequestFacts, Tenant, decide, open};
use souk_policy::jose::{Jwks, holds};
use souk_policy::limit::{LimitQuestion, Limited, Silence, decide_charges};
use souk_policy::limit_states::States;
use souk_policy::problem::{Answer, Problem, unroutable};
use souk_policy::route::{RouteKey, RouteRecord};
use souk_policy::settings::{SETTINGS_KEY, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    Refused(Problem),
    Forwarded(Box<ForwardPlan>),
}

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) region: String,
    pub(crate) settings: Settings,
    /// By the key of the store.
    pub(crate) records: BTreeMap<String, RouteRecord>,
    /// Keys of the store under which nothing is understood, or for which it does not answer.
    pub(crate) unreadable: BTreeSet<String>,
    /// By address.
    pub(crate) jwks: BTreeMap<String, Jwks>,
    pub(crate) limiter: Limiter,
    pub(crate) addresses: AddressLimiter,
    /// What was asked of the store.
    pub(crate) looked_up: Vec<String>,
}

/// The limiter, and what a host does without it.
#[derive(Default)]
pub(crate) struct Limiter {
    /// It does not answer.
    pub(crate) is_dead: bool,
    /// How often it was asked.
    pub(crate) questions: u32,
    /// By its name and the charge's key.
    pub(crate) tat_us_of: BTreeMap<String, u64>,
    /// What the host counts itself meanwhile.
    own: States,
}

impl Limiter {
    fn ask(&mut self, question: &LimitQuestion, now_us: u64) -> Limited {
        self.questions += 1;
        if self.is_dead {
            return match question.silence {
                Silence::Passes => Limited::Silent,
                Silence::IsDecidedHere => Limited::Decided(self.own.decide(question, now_us)),
            };
        }
        let name = |key: &str| format!("{}/{key}", question.limiter);
        let states = &self.tat_us_of;
        let verdicts = decide_charges(question, now_us, |key| states.get(&name(key)).copied());
        for (charge, verdict) in question.charges.iter().zip(&verdicts) {
            self.tat_us_of.insert(name(&charge.key), verdict.tat_us);
        }
        Limited::Decided(verdicts)
    }
}

impl Host {
    pub(crate) fn run(&mut self, facts: &RequestFacts<'_>) -> Outcome {
        match self.try_run(facts) {
            Ok(outcome) => outcome,
            Err(problem) => Outcome::Refused(problem),
        }
    }

    fn try_run(&mut self, facts: &RequestFacts<'_>) -> Result<Outcome, Problem> {
        let key = match open(facts)? {
            Opening::Answer(answer) => return Ok(Outcome::Answered(answer)),
            Opening::LookUp(key) => key,
        };
        if self.unreadable.contains(SETTINGS_KEY) {
            return Err(unroutable());
        }
        let readable = |key: &RouteKey| {
            let unreadable = self.unreadable.contains(key.as_str());
            if unreadable {
                Err(unroutable())
            } else {
                Ok(())
            }
        };
        self.looked_up.push(key.as_str().to_owned());
        readable(&key)?;
        let now_us = u64::try_from(facts.now_unix_s).unwrap_or_default() * 1_000_000;
        let (mut address, mut is_address_counted) = (None, false);
        let mut limited = None;
        let (mut key_found, mut signature_holds) = (None, None);
        let mut tenant = match self.records.get(key.as_str()) {
            Some(record) => Tenant::Known(record),
            None => Tenant::NotUnderKey,
        };
        loop {
            if matches!(tenant, Tenant::Known(_)) && !is_address_counted {
                let limit = self.settings.address_limit.zip(facts.client_address);
                address = limit.map(|(rule, own)| self.addresses.check(rule, own, now_us));
                is_address_counted = true;
            }
            let known = Known {
                region: &self.region,
                settings: &self.settings,
                tenant,
                address,
                key: key_found,
                signature_holds,
                limited: limited.as_ref(),
            };
            match decide(facts, &known)? {
                Next::Answer(answer) => return Ok(Outcome::Answered(answer)),
                Next::Forward(plan) => return Ok(Outcome::Forwarded(plan)),
                Next::Record(key) => {
                    self.looked_up.push(key.as_str().to_owned());
                    readable(&key)?;
                    let found = self.records.get(key.as_str());
                    tenant = found.map_or(Tenant::Unknown, Tenant::Known);
                }
                Next::Key(wanted) => {
                    let keys = self.jwks.get(&wanted.issuer.jwks_url);
                    key_found = Some(match keys {
                        None => IssuerKey::Unavailable,
                        Some(keys) => keys
                            .find(wanted.key_id.as_deref(), wanted.issuer.algorithm)
                            .map_or(IssuerKey::Unknown, IssuerKey::Found),
                    });
                }
                Next::Verify(check) => signature_holds = Some(holds(&check)),
                Next::Limit(question) => limited = Some(self.limiter.ask(&question, now_us)),
            }
        }
    }
}
