//! `souk cost`: what orders cost in the cloud in a month, each line traceable to a dated file of prices
//! and of what an order uses.

mod amount;
mod chart;
mod model;

use anyhow::{Context as _, Result};
use clap::Args;
use model::{Cost, Model};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The file of this version.
const MODEL: &str = include_str!("../../infra/prices/cost-model.json");
/// Orders in a month that are compared where no number is asked for.
const SCALES: [u64; 5] = [0, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// For how many orders.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Prints every line for so many orders a month, instead of totals for several numbers
    #[arg(long, value_name = "N")]
    orders_per_month: Option<u64>,
    /// Only this profile, such as prod
    #[arg(long)]
    profile: Option<String>,
    /// Another file of prices and usage, in the form of infra/prices/cost-model.json
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Draws the totals into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let text = match &arguments.model {
        Some(path) => {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => MODEL.to_owned(),
    };
    let model = Model::parse(&text)?;
    let profiles = model.profiles(arguments.profile.as_deref())?;
    if let Some(path) = &arguments.svg {
        let drawn = chart::draw(&model, &profiles, &SCALES)?;
        fs::write(path, drawn).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let scales = arguments
        .orders_per_month
        .map_or_else(|| SCALES.to_vec(), |orders| vec![orders]);
    let costs = profiles
        .iter()
        .flat_map(|profile| scales.iter().map(move |orders| (profile, *orders)))
        .map(|(profile, orders)| model.cost(profile, orders))
        .collect::<Result<Vec<_>>>()?;
    if arguments.json {
        let all: Vec<_> = costs.iter().map(Cost::to_json).collect();
        let told = json!({ "as_of": model.as_of, "region": model.region, "currency": model.currency, "costs": all });
        println!("{told:#}");
        return Ok(());
    }
    println!(
        "{} a month, list prices of {} in {}",
        model.currency, model.as_of, model.region
    );
    if arguments.orders_per_month.is_some() {
        costs.iter().for_each(print_lines);
    } else {
        print_totals(&profiles, &costs);
    }
    Ok(())
}

fn print_totals(profiles: &[String], costs: &[Cost]) {
    print!("\n{:<12}", "orders");
    for orders in SCALES {
        print!("{orders:>14}");
    }
    println!();
    for (profile, costs) in profiles.iter().zip(costs.chunks(SCALES.len())) {
        print!("{profile:<12}");
        for cost in costs {
            print!("{:>14}", cost.total.cents());
        }
        println!();
    }
}

fn print_lines(cost: &Cost) {
    println!(
        "\n{}, {} orders: {}",
        cost.profile,
        cost.orders,
        cost.total.cents()
    );
    for line in &cost.lines {
        println!(
            "{:>12}  {:<44} {:>16} {} at {} for {}; {}",
            line.cost.cents(),
            line.what,
            line.quantity.cents(),
            line.unit,
            line.price,
            line.of,
            line.source,
        );
    }
}
