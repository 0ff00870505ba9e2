//! `policy`: how long a decision takes, natively and in memory.
//!
//! Ours is all that the policy does for a request: its facts are checked, the operation found, the
//! caller authenticated, its limits counted, and what is forwarded signed. The peer is the bare check of an
//! ES256 signature, by the same code as Spin's host uses. A request with a token needs both, so its
//! ratio says what the policy costs beside the check.

use super::{Outcome, Settings};
use crate::deciding::{Class, Deciding};
use crate::machine::Machine;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use anyhow::{Context as _, Result};
use core::time::Duration;
use serde_json::{Map, Value, json};
use std::time::Instant;

/// How it is measured.
#[derive(Debug, Clone, Copy)]
struct Plan {
    pairs: usize,
    /// Of each side.
    round: Duration,
    /// Decisions between two looks at the clock.
    batch: u64,
}

const FULL: Plan = Plan {
    pairs: 11,
    round: Duration::from_millis(300),
    batch: 64,
};
const QUICK: Plan = Plan {
    pairs: 1,
    round: Duration::from_millis(5),
    batch: 2,
};
/// Bare checks in the time of one whole request with a token: a tenth of it at most is the policy's.
const LIMIT: f64 = 0.9;

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let deciding = Deciding::new()?;
    let plan = settings.pick(FULL, QUICK);
    let classes = deciding.classes();
    let mut comparisons = Vec::new();
    let mut facts = Map::new();
    for class in &classes {
        let compared = compare(&deciding, class, plan).await?;
        let ns = 1e9 / compared.ours.per_second_median;
        facts.insert(
            class.name.to_owned(),
            json!({ "ns_per_decision": ns.round() }),
        );
        comparisons.push(compared);
    }
    let with_token = comparisons.last().context("the class with a token")?;
    Ok(Outcome {
        machine,
        ratio: with_token.ratio,
        limit: Limit::AtLeast(LIMIT),
        notes: facts.iter().map(|(name, fact)| told(name, fact)).collect(),
        facts: Value::Object(facts),
        comparisons,
    })
}

fn told(name: &str, fact: &Value) -> String {
    format!("{name}: {} ns for a decision", fact["ns_per_decision"])
}

async fn compare(deciding: &Deciding, class: &Class, plan: Plan) -> Result<Comparison> {
    let ours = || timed(plan, || deciding.decide(class));
    let peer = || timed(plan, || deciding.check());
    ours()?;
    peer()?;
    let (of_ours, of_peer) = in_turns(plan.pairs, async || ours(), async || peer()).await?;
    Comparison::new(
        class.name,
        Measure::Throughput,
        ("the whole decision", &of_ours),
        ("the bare check of an ES256 signature", &of_peer),
    )
}

/// Does it again and again until the time is over.
fn timed(plan: Plan, mut act: impl FnMut() -> Result<()>) -> Result<Round> {
    let (began, mut count) = (Instant::now(), 0);
    loop {
        for _ in 0..plan.batch {
            act()?;
        }
        count += plan.batch;
        let elapsed = began.elapsed();
        if elapsed >= plan.round {
            return Round::of(count, elapsed);
        }
    }
}
