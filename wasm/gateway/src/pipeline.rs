//! From a request to what is to be done about it.

use crate::arrival::Arrival;
use crate::keys::{self, Key};
use crate::memory::{self, with};
use crate::{answer, limits, stores, variables};
use souk_policy::ForwardPlan;
use souk_policy::config::Config;
use souk_policy::decide::{Known, Next, Opening, RequestFacts, Tenant, decide, open};
use souk_policy::gcra::Verdict;
use souk_policy::jose;
use souk_policy::problem::{Answer, Problem, misconfigured, origin_left_alone, unroutable};
use souk_policy::settings::Settings;
use std::rc::Rc;

/// Things that a request waits for at most.
const TURNS_MAX: u32 = 16;

/// How the decision ends.
pub(crate) enum Outcome {
    /// Give this answer.
    Answer(Answer),
    /// Read the body where there is one, seal, forward.
    Forward(Box<ForwardPlan>),
}

/// Gets what the decision lacks until it has all.
pub(crate) async fn run(arrival: &Arrival, facts: &RequestFacts<'_>) -> Result<Outcome, Problem> {
    let route_key = match open(facts)? {
        Opening::Answer(answer) => return Ok(Outcome::Answer(answer)),
        Opening::LookUp(route_key) => route_key,
    };
    let config = config().await?;
    let settings = stores::settings().await?;
    let (record, mut wildcard) = (stores::record(&route_key).await?, None);
    let (mut address, mut is_address_counted) = (None, false);
    let (mut key, mut signature_holds, mut limited): (Option<Key>, _, _) = (None, None, None);
    for _ in 0..TURNS_MAX {
        let tenant = match (&record, &wildcard) {
            (Some(record), _) | (None, Some(Some(record))) => Tenant::Known(record),
            (None, Some(None)) => Tenant::Unknown,
            (None, None) => Tenant::NotUnderKey,
        };
        if matches!(tenant, Tenant::Known(_)) && !is_address_counted {
            // Once for each request, however often it is decided.
            address = counted_address(arrival, &settings);
            is_address_counted = true;
        }
        let known = Known {
            region: &config.region,
            settings: &settings,
            tenant,
            address,
            key: key.as_ref().map(Key::for_policy),
            signature_holds,
            limited: limited.as_ref(),
        };
        match decide(facts, &known)? {
            Next::Answer(answer) => return Ok(Outcome::Answer(answer)),
            Next::Record(key) => wildcard = Some(stores::record(&key).await?),
            Next::Key(wanted) => key = Some(keys::find(&wanted).await),
            Next::Verify(check) => signature_holds = Some(jose::holds(&check)),
            Next::Limit(question) => limited = Some(limits::ask(&question).await),
            Next::Forward(plan) => {
                check_origin(&plan, &config, arrival.now_unix_ms())?;
                return Ok(Outcome::Forward(plan));
            }
        }
    }
    Err(unroutable())
}

/// The settings, read once in the life of an instance, and again where they were wrong.
async fn config() -> Result<Rc<Config>, Problem> {
    if let Some(config) = memory::config() {
        return Ok(config);
    }
    match variables::config().await {
        Ok(config) => {
            let config = Rc::new(config);
            with(|memory| memory.config = Some(config.clone()));
            Ok(config)
        }
        Err(error) => {
            answer::report("edge_misconfigured", &error.to_string());
            Err(misconfigured())
        }
    }
}

fn counted_address(arrival: &Arrival, settings: &Settings) -> Option<Verdict> {
    let (rule, address) = settings.address_limit.zip(arrival.client_address())?;
    let now_us = arrival.now_unix_ms().saturating_mul(1_000);
    Some(with(|memory| memory.addresses.check(rule, address, now_us)))
}

fn check_origin(plan: &ForwardPlan, config: &Config, now_ms: u64) -> Result<(), Problem> {
    let is_canary = plan.is_canary() && config.canary_origin_url.is_some();
    with(|memory| {
        let breaker = memory.breaker(is_canary);
        if breaker.may_try(now_ms) {
            Ok(())
        } else {
            Err(plan.refusal(origin_left_alone(breaker.retry_after_s(now_ms))))
        }
    })
}
