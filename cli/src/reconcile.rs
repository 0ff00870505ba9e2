//! `souk reconcile`: compares the PSP with the books.

use crate::operator::tenant_tools;
use anyhow::{Result, bail};
use clap::Args;
use souk_app::reconcile::{Finding, ReconcileReport, Resolution, Window, reconcile_tenant};
use souk_domain::{TenantId, Timestamp};
use souk_runtime::config::Lookup;
use souk_runtime::stripe::Stripe;
use std::fmt::{self, Write as _};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    tenant: TenantId,
    /// Movements from here on, such as 2026-11-20T00:00:00Z,
    #[arg(long)]
    from: Timestamp,
    /// up to here.
    #[arg(long)]
    until: Timestamp,
    /// Prints the report as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let tools = tenant_tools()?;
    let provider = Stripe::configured(&Lookup::environment())?;
    let window = Window {
        from: arguments.from,
        until: arguments.until,
    };
    let report = reconcile_tenant(&tools, &provider, arguments.tenant, window).await?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table(&report)?);
    }
    if !report.incomplete.is_empty() {
        bail!("the report is not complete");
    }
    Ok(())
}

/// The report for people: what was compared, then a line for each difference, in columns.
fn table(report: &ReconcileReport) -> Result<String, fmt::Error> {
    let head = [
        "difference",
        "resolution",
        "payment intent",
        "source",
        "ours",
        "theirs",
    ];
    let head = head.map(str::to_owned);
    let rows: Vec<[String; 6]> = report.findings.iter().map(row).collect();
    let mut widths = [0_usize; 6];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!(
        "{} from {} until {}\n{} movements, {} payments compared, {} fees booked\n",
        report.tenant,
        report.from,
        report.until,
        report.movements,
        report.payments,
        report.fees_booked
    );
    for (currency, minor) in &report.net_minor {
        writeln!(text, "net {minor} {currency} in minor units")?;
    }
    if !rows.is_empty() {
        for row in [&head].into_iter().chain(&rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
    }
    let [healed, review, open] =
        [Resolution::Healed, Resolution::Review, Resolution::Open].map(|of| report.count(of));
    writeln!(text, "{healed} healed, {review} in review, {open} open")?;
    for missed in &report.incomplete {
        writeln!(text, "not looked at: {missed}")?;
    }
    Ok(text)
}

fn row(finding: &Finding) -> [String; 6] {
    let difference = &finding.difference;
    let intent = difference.intent.map(|id| id.to_string());
    let payment = difference.payment.as_ref().map(ToString::to_string);
    let code = difference.currency.code();
    [
        difference.kind.as_str().to_owned(),
        finding.resolution.as_str().to_owned(),
        intent.or(payment).unwrap_or_default(),
        difference.source.clone(),
        format!("{} {code}", difference.ours_minor),
        format!("{} {code}", difference.theirs_minor),
    ]
}
