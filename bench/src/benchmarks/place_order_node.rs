//! `place-order-node`: the same endpoint, written in Fastify and node-postgres.

use super::placing::{Placing, Plan, compared};
use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::report::Limit;
use crate::rounds::{Comparison, Measure};
use anyhow::Result;

/// How many at the same time: the limit is on the first.
const CONNECTIONS: [usize; 2] = [8, 1];

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let mut comparisons = Vec::new();
    for connections in settings.some_of(&CONNECTIONS) {
        comparisons.push(compare_over(settings, connections).await?);
    }
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    let node = tokio::process::Command::new(&settings.places.node)
        .arg("--version")
        .output()
        .await?;
    let version = String::from_utf8_lossy(&node.stdout).trim().to_owned();
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::AtLeast(2.0),
        notes: vec![
            "the peer checks no signature and knows no discounts, taxes and shipping; the limit is \
             on 8 connections"
                .to_owned(),
        ],
        facts: serde_json::json!({ "node": version, "server_threads": settings.threads }),
        comparisons,
    })
}

async fn compare_over(settings: &Settings<'_>, connections: usize) -> Result<Comparison> {
    let (pairs, round_s) = settings.pick((6, 4), (1, 1));
    let ours = Placing::ours(settings, connections).await?;
    let peer = Placing::node(settings, connections).await?;
    let plan = Plan {
        pairs,
        round_s,
        // The peer's compiler needs more of a run-up.
        run_up_s: (2, 5),
    };
    let (of_ours, of_peer) = compared(settings, (&ours, &peer), plan).await?;
    ours.finish().await?;
    peer.finish().await?;
    Comparison::new(
        &format!("{connections} connections"),
        Measure::Throughput,
        (
            "HTTP, the edge's signature, axum, app, Postgres, one process",
            &of_ours,
        ),
        (
            "HTTP, Fastify, node-postgres, Postgres, one process",
            &of_peer,
        ),
    )
}
