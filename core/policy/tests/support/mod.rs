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
use souk_policy::limit::{Limited, decide_charges};
use souk_policy::problem::{Answer, Problem};
use souk_policy::route::RouteRecord;
use souk_policy::settings::Settings;
use std::collections::BTreeMap;

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
    /// By address.
    pub(crate) jwks: BTreeMap<String, Jwks>,
    /// Whether the limiter answers.
    pub(crate) limiter_is_dead: bool,
    pub(crate) addresses: AddressLimiter,
    pub(crate) tat_us_of: BTreeMap<String, u64>,
    /// What was asked of the store.
    pub(crate) looked_up: Vec<String>,
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
        self.looked_up.push(key.as_str().to_owned());
        let now_us = u64::try_from(facts.now_unix_s).unwrap_or_default() * 1_000_000;
        let address = self.settings.address_limit.zip(facts.client_address);
        let address = address.map(|(rule, own)| self.addresses.check(rule, own, now_us));
        let mut limited = None;
        let (mut key_found, mut signature_holds) = (None, None);
        let mut tenant = match self.records.get(key.as_str()) {
            Some(record) => Tenant::Known(record),
            None => Tenant::NotUnderKey,
        };
        loop {
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
                Next::Limit(_) if self.limiter_is_dead => limited = Some(Limited::Silent),
                Next::Limit(question) => {
                    let states = &self.tat_us_of;
                    let name = |key: &str| format!("{}/{key}", question.limiter);
                    let verdicts =
                        decide_charges(&question, now_us, |key| states.get(&name(key)).copied());
                    for (charge, verdict) in question.charges.iter().zip(&verdicts) {
                        self.tat_us_of.insert(name(&charge.key), verdict.tat_us);
                    }
                    limited = Some(Limited::Decided(verdicts));
                }
            }
        }
    }
}
