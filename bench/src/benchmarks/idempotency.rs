//! `idempotency`: what the key costs a write.
//!
//! Two shops, two processes of the same orders function, the same requests. In the peer's database
//! `souk.place_order` is replaced by the same function without the claim of the key: no lock, no look
//! for an earlier record, no record with its answer. What the function itself does for a key, a
//! header and a SHA-256 over the body, stays on both sides.

use super::placing::{Placing, Plan, compared};
use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure};
use anyhow::Result;

const WITHOUT_KEY: &str = include_str!("../../sql/place_order_without_key.sql");
/// How many at the same time: the limit is on the first, a client's own latency.
const CONNECTIONS: [usize; 2] = [1, 8];

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let mut comparisons = Vec::new();
    for connections in settings.some_of(&CONNECTIONS) {
        comparisons.push(compare_over(settings, connections).await?);
    }
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::AtMost(1.10),
        notes: vec![
            "p50 of the whole request; the peer's database claims no key and stores no answer; the \
             limit is on 1 connection"
                .to_owned(),
        ],
        facts: serde_json::Value::Null,
        comparisons,
    })
}

async fn compare_over(settings: &Settings<'_>, connections: usize) -> Result<Comparison> {
    let (pairs, round_s) = settings.pick((8, 3), (1, 1));
    let ours = Placing::ours(settings, connections).await?;
    let peer = Placing::ours(settings, connections).await?;
    peer.shop.sql(WITHOUT_KEY, &[]).await?;
    let plan = Plan {
        pairs,
        round_s,
        run_up_s: (2, 2),
    };
    let (of_ours, of_peer) = compared(settings, (&ours, &peer), plan).await?;
    ours.finish().await?;
    let stored = "SELECT count(*) FROM souk.idempotency_keys";
    anyhow::ensure!(
        peer.shop.number(stored, &[]).await? == 0,
        "the write without a key has stored keys"
    );
    Comparison::new(
        &format!("{connections} connections"),
        Measure::P50,
        ("with a key", &of_ours),
        ("the same write without one", &of_peer),
    )
}
