//! `souk audit`: lists and verifies the audit log.

use crate::operator::Operator;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use souk_app::tenants::{list_audit, verify_audit};
use souk_domain::{AuditHead, TenantId};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks every entry against the one before it. Fails, and names the first bad one, when the log
    /// was tampered with. Prints its head: keep that where whoever can write the log cannot write.
    Verify {
        /// A head that was printed earlier: a log that was cut off since does not have it.
        #[arg(long, value_name = "SEQ:HASH")]
        anchor: Option<AuditHead>,
    },
    /// Prints entries as JSON, one a line.
    List {
        /// Of this tenant only.
        #[arg(long)]
        tenant: Option<TenantId>,
        /// After this entry.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u16,
    },
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let tools = arguments.operator.of_directory()?;
    match arguments.command {
        Command::Verify { anchor } => {
            let report = verify_audit(&tools, anchor).await?;
            println!("{} entries, all as they were written", report.head.seq);
            println!("head {}", report.head);
        }
        Command::List {
            tenant,
            after,
            limit,
        } => {
            for entry in list_audit(&tools, tenant, after, limit).await? {
                let line = json!({
                    "seq": entry.seq,
                    "at": entry.fact.at,
                    "actor": entry.fact.actor,
                    "action": entry.fact.action,
                    "tenant": entry.fact.tenant,
                    "detail": entry.fact.detail,
                    "hash": entry.hash,
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}
