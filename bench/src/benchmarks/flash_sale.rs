//! `flash-sale`: everybody wants one sku at the same moment.

use super::placing::Placing;
use super::{Outcome, Settings};
use crate::load::require_only;
use crate::machine::Machine;
use crate::report::Limit;
use crate::requests::Requests;
use crate::rounds::{Comparison, Measure, Round, Side, in_turns};
use anyhow::{Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;

/// Buyers at the same time, each over a connection of its own.
const CONNECTIONS: usize = 48;
/// What a sku that is to be sold fast is spread over.
const BUCKETS: u32 = 32;
/// What is looked at to choose it.
const CHOICES: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Enough for every round.
const UNITS: u64 = 1_000_000_000;
/// What there is in the sale that sells out, in orders of one unit; no multiple of the buckets.
const SCARCE_UNITS: u64 = 5_001;
const CREATED: u16 = 201;
const ORDERS_PER_S: usize = 9_000;
const ORDERS_PER_S_QUICK: usize = 1_000;

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let connections = settings.pick(CONNECTIONS, 8);
    let placing = Placing::ours(settings, connections).await?;
    for buckets in CHOICES {
        stock(&placing, &hot_sku(buckets), UNITS, buckets).await?;
    }
    let compared = compare(settings, &placing).await?;
    let choices = choices(settings, &placing).await?;
    let sold_out = sell_out(settings, &placing).await?;
    let orders = placing.finish().await?;
    let mut notes = vec![format!(
        "{connections} connections; oversell 0 in {orders} orders; {sold_out}"
    )];
    notes.extend(choices.iter().map(|(buckets, side)| {
        format!(
            "{buckets:>3} buckets: {:>6.0} /s, p50 {:>6.0} µs, p99 {:>6.0} µs",
            side.per_second_median, side.p50_us_median, side.p99_us
        )
    }));
    Ok(Outcome {
        machine,
        ratio: compared.ratio,
        limit: Limit::AtLeast(3.0),
        notes,
        facts: json!({ "oversold_units": 0, "orders": orders, "by_buckets": choices }),
        comparisons: vec![compared],
    })
}

async fn compare(settings: &Settings<'_>, placing: &Placing<'_>) -> Result<Comparison> {
    let (pairs, seconds) = settings.pick((6, 4), (1, 1));
    let (in_buckets, in_one_row) = (hot_sku(BUCKETS), hot_sku(1));
    if !settings.quick {
        buy(settings, placing, &in_buckets, 2).await?;
        buy(settings, placing, &in_one_row, 2).await?;
    }
    let (ours, peer) = in_turns(
        pairs,
        async || buy(settings, placing, &in_buckets, seconds).await,
        async || buy(settings, placing, &in_one_row, seconds).await,
    )
    .await?;
    Comparison::new(
        "one hot sku",
        Measure::Throughput,
        (&format!("{BUCKETS} buckets"), &ours),
        ("one row", &peer),
    )
}

/// Every number of buckets in turn, twice, there and back.
async fn choices(settings: &Settings<'_>, placing: &Placing<'_>) -> Result<BTreeMap<u32, Side>> {
    let seconds = settings.pick(3, 1);
    let some = settings.pick(CHOICES.as_slice(), &[1, 64]);
    let mut rounds: BTreeMap<u32, Vec<Round>> = BTreeMap::new();
    for buckets in some.iter().chain(some.iter().rev()) {
        let round = buy(settings, placing, &hot_sku(*buckets), seconds).await?;
        rounds.entry(*buckets).or_default().push(round);
    }
    let side = |(buckets, rounds): (u32, Vec<Round>)| {
        Ok((buckets, Side::new(&format!("{buckets} buckets"), &rounds)?))
    };
    rounds.into_iter().map(side).collect()
}

/// Sells more than there is, and sees that each unit is sold once and the rest of the buyers is told
/// so: with every unit gone at the end, none left in a bucket that nobody looked into.
async fn sell_out(settings: &Settings<'_>, placing: &Placing<'_>) -> Result<String> {
    let units = settings.pick(SCARCE_UNITS, 301);
    let sku = "SALE";
    stock(placing, sku, units, BUCKETS).await?;
    let wanted = units + units / 2;
    placing.write_back().await?;
    let requests = orders_of_one(placing, sku, usize::try_from(wanted)?)?;
    let round = placing.send(25, requests).await?;
    let taken = round.answers.get(&CREATED).copied().unwrap_or_default();
    ensure!(
        round.operations() == wanted,
        "the sale did not end: {:?}",
        round.answers
    );
    ensure!(
        taken == units && round.answers.len() == 2,
        "{units} units were there: {:?}",
        round.answers
    );
    let left = "SELECT sum(available) FROM souk.stock_levels WHERE sku = 'SALE'";
    ensure!(placing.shop.number(left, &[]).await? == 0, "units are left");
    Ok(format!(
        "of {wanted} buyers of {units} units {taken} were served, {:?}",
        round.answers
    ))
}

fn hot_sku(buckets: u32) -> String {
    format!("HOT-{buckets}")
}

/// Enters a sku with `units`, spread over `buckets`.
async fn stock(placing: &Placing<'_>, sku: &str, units: u64, buckets: u32) -> Result<()> {
    let sql = include_str!("../../sql/hot_sku.sql");
    let (units, buckets) = (units.to_string(), buckets.to_string());
    let variables = [
        ("sku", sku),
        ("units", units.as_str()),
        ("buckets", buckets.as_str()),
    ];
    placing.shop.sql(sql, &variables).await?;
    Ok(())
}

async fn buy(
    settings: &Settings<'_>,
    placing: &Placing<'_>,
    sku: &str,
    seconds: u64,
) -> Result<Round> {
    let per_s = settings.pick(ORDERS_PER_S, ORDERS_PER_S_QUICK);
    placing.write_back().await?;
    let requests = orders_of_one(placing, sku, per_s * usize::try_from(seconds)?)?;
    let round = placing.send(seconds, requests).await?;
    require_only(&round, CREATED)?;
    Ok(round)
}

fn orders_of_one(placing: &Placing<'_>, sku: &str, count: usize) -> Result<Vec<Vec<u8>>> {
    let requests = Requests::of(placing.shop.tenant)?;
    let lines = [(sku.to_owned(), 1)];
    (0..count).map(|_| requests.order(&lines)).collect()
}
