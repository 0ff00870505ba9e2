//! `cargo xtask stack`: the stack in the foreground, or just long enough to see that it works.

use super::console::Console;
use super::{Facts, Stack, demo};
use crate::package::artefacts;
use crate::postgres::Data;
use crate::process::{StopSignals, tail};
use crate::repo::Repo;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use tokio::time::Instant;

/// Starts the stack, places the demo order and stays until Ctrl-C.
pub(crate) async fn serve(repo: &Repo, state: &Path) -> Result<()> {
    run(repo, state, true).await
}

/// Starts the stack, places the demo order and stops.
pub(crate) async fn check(repo: &Repo, state: &Path) -> Result<()> {
    run(repo, state, false).await
}

async fn run(repo: &Repo, state: &Path, stay: bool) -> Result<()> {
    let mut signals = StopSignals::new()?;
    let began = Instant::now();
    let stack = Stack::claim(repo, state, Console::new(true), Data::Kept)?;
    let ran = tokio::select! {
        ran = bring_up(repo, &stack, began) => ran.map(|_| true),
        () = signals.recv() => Ok(false),
    };
    let ran = match ran {
        Ok(true) if stay => {
            stack.console.say("\nCtrl-C stops everything.\n");
            stack.console.go_live();
            signals.recv().await;
            Ok(true)
        }
        Ok(false) if !stay => Err(anyhow::anyhow!("stopped before the order was placed")),
        other => other,
    };
    if ran.is_err() {
        show_logs(state);
    }
    let stopped = stack.stop().await.context("not everything stopped cleanly");
    ran?;
    stopped?;
    println!("Stopped after {:.1?}.", began.elapsed());
    Ok(())
}

async fn bring_up(repo: &Repo, stack: &Stack, began: Instant) -> Result<Facts> {
    // First, while nothing else uses the machine: compiling takes all of it.
    let artefacts = artefacts(repo).await?;
    let facts = stack.start(artefacts).await?;
    let demo = demo::run(repo, &facts).await?;
    println!("The local cloud is up after {:.1?}.\n", began.elapsed());
    println!("{}\n", demo.story());
    println!("{}", demo.repeat_by_hand(repo, &facts)?);
    Ok(facts)
}

/// The ends of all parts' logs, for one who has to find out what went wrong.
pub(crate) fn show_logs(state: &Path) {
    for path in crate::files::entries(&state.join("log")).unwrap_or_default() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !lines.is_empty() {
            eprintln!("{}:\n{}", path.display(), tail(&lines));
        }
    }
}
