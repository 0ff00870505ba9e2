//! Which limits a request counts against, and what its caller is told about them
//! (draft-ietf-httpapi-ratelimit-headers-10).

use crate::authenticate::Caller;
use crate::gcra::{Rule, Verdict};
use crate::operations::Operation;
use crate::problem::{Code, Problem};
use crate::route::RouteRecord;
use std::fmt::Write as _;

/// Milliseconds that the limiter may take to answer.
pub const LIMITER_BUDGET_MS: u32 = 25;
/// The header that tells of the limits.
pub const POLICY_HEADER: &str = "ratelimit-policy";
/// The header that tells how much of them is left.
pub const LIMIT_HEADER: &str = "ratelimit";
const US_IN_S: u64 = 1_000_000;

/// What becomes of a request when the limiter does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It passes: it only reads.
    Passes,
    /// The host's own memory decides, which knows only what came to this host.
    IsDecidedHere,
}

/// A limit that a request counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// `tenant` or `key`, as callers are told.
    pub name: &'static str,
    /// Under which its state is kept.
    pub key: String,
    /// How often.
    pub rule: Rule,
}

/// What the limiter is asked: all charges or none are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitQuestion {
    /// Which limiter has the states: all of one tenant's are with one.
    pub limiter: String,
    /// One or two.
    pub charges: Vec<Charge>,
    /// How much of each.
    pub cost: u32,
    /// What if it does not answer within [`LIMITER_BUDGET_MS`].
    pub silence: Silence,
}

/// What the limiter has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limited {
    /// A verdict for each charge.
    Decided(Vec<Verdict>),
    /// Nothing, and nobody in its place.
    Silent,
}

/// What the limiter is asked about a caller's request; nothing where nothing is limited.
pub fn question(
    record: &RouteRecord,
    operation: &Operation,
    caller: &Caller,
) -> Option<LimitQuestion> {
    let limits = &record.policy.limits;
    let mut charges = Vec::new();
    if let Some(rule) = limits.tenant {
        charges.push(Charge {
            name: "tenant",
            key: "tenant".to_owned(),
            rule,
        });
    }
    if let Some(rule) = limits.key {
        charges.push(Charge {
            name: "key",
            key: format!("key:{}", caller.principal),
            rule,
        });
    }
    (!charges.is_empty()).then(|| LimitQuestion {
        limiter: record.tenant_id.to_string(),
        charges,
        cost: operation.cost(),
        silence: if operation.has_effect() {
            Silence::IsDecidedHere
        } else {
            Silence::Passes
        },
    })
}

/// Decides a question from states: `tat_us_of` gives what was kept under a charge's key. Only where all
/// charges allow it is anything taken, so that who is refused by one limit does not use up another.
pub fn decide_charges(
    question: &LimitQuestion,
    now_us: u64,
    tat_us_of: impl Fn(&str) -> Option<u64>,
) -> Vec<Verdict> {
    let check = |cost: u32| -> Vec<Verdict> {
        let charges = question.charges.iter();
        charges
            .map(|charge| charge.rule.check(tat_us_of(&charge.key), now_us, cost))
            .collect()
    };
    let verdicts = check(question.cost);
    if verdicts.iter().all(|verdict| verdict.allowed) {
        return verdicts;
    }
    let untaken = check(0);
    let told = verdicts.into_iter().zip(untaken);
    told.map(|(verdict, rest)| Verdict {
        allowed: verdict.allowed,
        retry_us: verdict.retry_us,
        ..rest
    })
    .collect()
}

/// What a request's limits mean for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ruling {
    /// For the answer, whatever it is.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What it was refused by, if it was.
    pub(crate) refused: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    name: &'static str,
    retry_after_s: u64,
}

pub(crate) fn ruling(question: &LimitQuestion, limited: &Limited) -> Ruling {
    let Limited::Decided(verdicts) = limited else {
        return Ruling {
            headers: Vec::new(),
            refused: None,
        };
    };
    let (mut policy, mut left) = (String::new(), String::new());
    let mut refused: Option<Refusal> = None;
    for (charge, verdict) in question.charges.iter().zip(verdicts) {
        let separator = if policy.is_empty() { "" } else { ", " };
        let (name, burst) = (charge.name, charge.rule.burst());
        let window_s = charge.rule.tolerance_us().div_ceil(US_IN_S);
        let reset_s = verdict.reset_us.div_ceil(US_IN_S);
        let _infallible = write!(policy, "{separator}\"{name}\";q={burst};w={window_s}");
        let remaining = verdict.remaining;
        let _infallible = write!(left, "{separator}\"{name}\";r={remaining};t={reset_s}");
        if !verdict.allowed {
            let wait_us = verdict.retry_us.unwrap_or(charge.rule.tolerance_us());
            let retry_after_s = wait_us.div_ceil(US_IN_S).max(1);
            if refused.is_none_or(|other| other.retry_after_s < retry_after_s) {
                refused = Some(Refusal {
                    name,
                    retry_after_s,
                });
            }
        }
    }
    Ruling {
        headers: vec![(POLICY_HEADER, policy), (LIMIT_HEADER, left)],
        refused,
    }
}

impl Refusal {
    /// 429 (RFC 6585, section 4).
    pub(crate) fn problem(self, headers: Vec<(&'static str, String)>) -> Problem {
        let detail = format!("The limit of this {} is used up.", self.name);
        let problem = Problem::new(Code::RateLimited, detail)
            .with_header("retry-after", self.retry_after_s.to_string());
        headers.into_iter().fold(problem, |problem, (name, value)| {
            problem.with_header(name, value)
        })
    }
}

/// The 429 of an address.
pub(crate) fn address_refused(verdict: &Verdict) -> Problem {
    let retry_after_s = verdict
        .retry_us
        .unwrap_or_default()
        .div_ceil(US_IN_S)
        .max(1);
    Problem::new(
        Code::RateLimited,
        "Too many requests come from this address.",
    )
    .with_header("retry-after", retry_after_s.to_string())
}
