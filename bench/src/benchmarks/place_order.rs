//! `place-order` and `place-order-bound`: the whole way of an order against pgbench.

use super::placing::Placing;
use super::{Outcome, Settings};
use crate::machine::Machine;
use crate::pgbench::{Script, pgbench};
use crate::report::Limit;
use crate::requests::PRINCIPAL;
use crate::rounds::{Comparison, Measure, in_turns};
use crate::shop::Shop;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// How many at the same time: the limit is on the first.
const CONNECTIONS: [usize; 2] = [8, 1];
const BOUND_FUNCTION: &str = include_str!("../../sql/place_order_bound.sql");
/// As long as the ones that Souk writes for such an order.
const EVENT_BODY: &str = include_str!("../../sql/event_body.json");
const RESPONSE_BODY: &str = include_str!("../../sql/response_body.json");
const RESPONSE_HEADERS: &str = r#"{"content-type":"application/json","etag":"\"1\"","location":"/v1/orders/ord_019aa52b6a6d7c31a4b0a4dbb0e2f6c1"}"#;
const OURS: &str = "HTTP, the edge's signature, axum, app, Postgres";

/// Against pgbench that sends the statement that Souk sends.
pub(super) async fn against_the_same_statement(settings: &Settings<'_>) -> Result<Outcome> {
    let peer = Peer {
        script: "place_order.pgbench",
        what: "pgbench, the same statement",
        function: None,
    };
    compare(settings, &peer, Limit::AtLeast(0.85)).await
}

/// Against pgbench that calls one function for all of it.
pub(super) async fn against_the_machine(settings: &Settings<'_>) -> Result<Outcome> {
    let peer = Peer {
        script: "place_order_bound.pgbench",
        what: "pgbench, one SQL function that does it all",
        function: Some(BOUND_FUNCTION),
    };
    compare(settings, &peer, Limit::AtLeast(0.6)).await
}

struct Peer {
    script: &'static str,
    what: &'static str,
    function: Option<&'static str>,
}

async fn compare(settings: &Settings<'_>, peer: &Peer, limit: Limit) -> Result<Outcome> {
    let machine = Machine::look();
    let mut comparisons = Vec::new();
    for connections in settings.some_of(&CONNECTIONS) {
        comparisons.push(compare_over(settings, peer, connections).await?);
    }
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    Ok(Outcome {
        machine,
        ratio,
        limit,
        notes: vec![
            "ours shares the machine with its load generator, one thread; the limit is on 8 connections"
                .to_owned(),
        ],
        facts: serde_json::json!({ "server_threads": settings.threads }),
        comparisons,
    })
}

async fn compare_over(
    settings: &Settings<'_>,
    peer: &Peer,
    connections: usize,
) -> Result<Comparison> {
    let (pairs, seconds) = settings.pick((8, 4), (1, 1));
    let ours = Placing::ours(settings, connections).await?;
    let shop = Shop::open(settings.server).await?;
    if let Some(function) = peer.function {
        shop.sql(function, &[]).await?;
    }
    let file: PathBuf = settings.places.bench.join("sql").join(peer.script);
    let variables = [
        ("tenant", shop.tenant_uuid()),
        ("principal", PRINCIPAL.to_owned()),
        ("event_body", EVENT_BODY.trim_end().to_owned()),
        ("response_body", RESPONSE_BODY.trim_end().to_owned()),
        ("response_headers", RESPONSE_HEADERS.to_owned()),
    ];
    let script = Script {
        file: &file,
        variables: &variables,
    };
    let of_peer = async |seconds| {
        if !settings.quick {
            shop.database.sql("CHECKPOINT", &[]).await?;
        }
        pgbench(&shop.database, script, connections, seconds).await
    };
    if !settings.quick {
        // Plans, caches and first pages are nobody's figures.
        ours.round(2).await?;
        of_peer(2).await?;
    }
    let (of_ours, of_peer) = in_turns(
        pairs,
        async || ours.round(seconds).await,
        async || of_peer(seconds).await,
    )
    .await?;
    // JSON that Postgres itself has written has blanks that Souk's has not.
    let percent = if peer.function.is_some() { 20 } else { 5 };
    require_same_lengths(&ours.shop, &shop, percent).await?;
    ours.finish().await?;
    Comparison::new(
        &format!("{connections} connections"),
        Measure::Throughput,
        (OURS, &of_ours),
        (peer.what, &of_peer),
    )
}

/// Fails unless both sides have written documents of the same lengths, within `percent`: the peer is to
/// have as much to write, also when Souk's own documents have grown.
async fn require_same_lengths(ours: &Shop<'_>, peer: &Shop<'_>, percent: i64) -> Result<()> {
    for (what, sql) in [
        (
            "events",
            "SELECT round(avg(length(body))) FROM souk.outbox_events",
        ),
        (
            "stored answers",
            "SELECT round(avg(length(response_body) + length(response_headers::text))) \
             FROM souk.idempotency_keys",
        ),
        (
            "orders",
            "SELECT round(avg(length(o::text))) FROM souk.orders o",
        ),
    ] {
        let (own, others) = (ours.number(sql, &[]).await?, peer.number(sql, &[]).await?);
        if (own - others).abs() * 100 > own * percent {
            bail!("{what} have {own} characters here and {others} at the peer: mend bench/sql");
        }
    }
    Ok(())
}
