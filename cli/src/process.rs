//! `souk process`: what is done about an order by itself.

use crate::operator::{Operator, tenant_tools};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use souk_app::process::{LoggedStep, ProcessView, show_process};
use souk_app::tenants::list_tenants;
use souk_domain::{OrderId, TenantId};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints where the process of an order stands, and its steps.
    Show {
        order: OrderId,
        /// Whose order it is. Without it all tenants are asked.
        #[arg(long)]
        tenant: Option<TenantId>,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Command::Show { order, tenant } = arguments.command;
    let tools = tenant_tools()?;
    let tenants = if let Some(tenant) = tenant {
        vec![tenant]
    } else {
        let rows = list_tenants(&arguments.operator.of_directory()?).await?;
        rows.into_iter().map(|row| row.id).collect()
    };
    for tenant in tenants {
        if let Some(view) = show_process(&tools, tenant, order).await? {
            print(tenant, order, &view);
            return Ok(());
        }
    }
    bail!("nothing has been done about the order {order}")
}

fn print(tenant: TenantId, order: OrderId, view: &ProcessView) {
    let process = &view.process;
    let deadline = process
        .deadline
        .map_or_else(|| "-".to_owned(), |at| at.to_string());
    println!("order     {order}");
    println!("tenant    {tenant}");
    println!("capture   {}", process.policy);
    println!("state     {} {}", process.state.as_str(), process.detail);
    println!("deadline  {deadline}");
    for step in &view.steps {
        println!("{}", line(step));
    }
}

/// Number, time, step, outcome, cause and detail, separated by tabs.
fn line(step: &LoggedStep) -> String {
    let outcome = step
        .outcome
        .as_deref()
        .unwrap_or("under way, or interrupted");
    let (at, name, cause) = (step.decided_at, &step.step, &step.cause);
    format!(
        "{}\t{at}\t{name}\t{outcome}\t{cause}\t{}",
        step.sequence, step.detail
    )
}
