//! `souk outbox status`

use super::{Outboxes, shown};
use crate::interrupt::Interrupt;
use anyhow::{Context as _, Result};
use core::time::Duration;
use souk_app::outbox::{self, OutboxStatus};
use std::io::{IsTerminal as _, Write as _};

const EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and begins at its upper left corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

pub(super) async fn run(outboxes: &Outboxes, watch: bool, json: bool) -> Result<()> {
    if !watch {
        return print(&look(outboxes).await?, json);
    }
    let interrupt = Interrupt::listen();
    let mut ticks = tokio::time::interval(EVERY);
    while !interrupt.asked() {
        ticks.tick().await;
        let found = look(outboxes).await?;
        if !json && std::io::stdout().is_terminal() {
            print!("{CLEAR}");
        }
        print(&found, json)?;
    }
    Ok(())
}

async fn look(outboxes: &Outboxes) -> Result<Vec<(String, OutboxStatus)>> {
    let mut found = Vec::with_capacity(outboxes.len());
    for (shard, database) in outboxes {
        let status = outbox::status(database).await;
        let status = status.with_context(|| format!("cannot look at the shard {shard}"))?;
        found.push((shard.to_string(), status));
    }
    Ok(found)
}

fn print(found: &[(String, OutboxStatus)], json: bool) -> Result<()> {
    for (shard, status) in found {
        if json {
            println!("{}", shown::as_json(shard, status));
        } else {
            print!("{}", shown::in_words(shard, status));
        }
    }
    std::io::stdout().flush()?;
    Ok(())
}
