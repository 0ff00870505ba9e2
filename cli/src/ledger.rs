//! `souk ledger`: the books of tenants.

use crate::operator::{Operator, tenant_tools};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use souk_app::payments::{LedgerFinding, ledger_balances, verify_ledger};
use souk_app::tenants::list_tenants;
use souk_domain::TenantId;

/// Findings of a tenant that are printed, of each kind.
const FINDINGS_MAX: u16 = 100;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks that every transfer is balanced, and that what is booked of each payment is what the
    /// payment says. Fails, and names what is wrong, where something is.
    Verify {
        /// Of this tenant only.
        tenant: Option<TenantId>,
    },
    /// Prints what each account holds, in minor units: tenant, currency, account and amount, separated by
    /// tabs. Debits are positive.
    Balances {
        /// Of this tenant only.
        tenant: Option<TenantId>,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let tools = tenant_tools()?;
    match arguments.command {
        Command::Verify { tenant } => {
            let (mut tenants, mut wrong) = (0_usize, 0_usize);
            for tenant in tenants_of(arguments.operator, tenant).await? {
                for finding in verify_ledger(&tools, tenant, FINDINGS_MAX).await? {
                    println!("{tenant}\t{}", told(&finding));
                    wrong = wrong.saturating_add(1);
                }
                tenants = tenants.saturating_add(1);
            }
            if wrong > 0 {
                bail!("{wrong} findings in the ledgers of {tenants} tenants");
            }
            println!("the ledgers of {tenants} tenants add up");
        }
        Command::Balances { tenant } => {
            for tenant in tenants_of(arguments.operator, tenant).await? {
                for balance in ledger_balances(&tools, tenant).await? {
                    let (currency, account) = (balance.currency.code(), balance.account);
                    println!("{tenant}\t{currency}\t{account}\t{}", balance.amount_minor);
                }
            }
        }
    }
    Ok(())
}

async fn tenants_of(operator: Operator, one: Option<TenantId>) -> Result<Vec<TenantId>> {
    if let Some(tenant) = one {
        return Ok(vec![tenant]);
    }
    let rows = list_tenants(&operator.of_directory()?).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn told(finding: &LedgerFinding) -> String {
    match finding {
        LedgerFinding::Unbalanced {
            transfer,
            source,
            sum,
        } => format!("unbalanced\t{transfer}\t{source}\t{sum}"),
        LedgerFinding::Differs {
            intent,
            what,
            booked,
            shown,
        } => format!("differs\t{intent}\t{what}\tbooked {booked}\tshown {shown}"),
    }
}
