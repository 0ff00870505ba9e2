//! `souk dlq drop`

use super::letter::Letter;
use super::queues::Queues;
use super::tally::Tally;
use super::walk::{Choice, Left, Verdict, Walk};
use super::{How, Which};
use crate::pace::Pace;
use crate::progress::Progress;
use anyhow::{Context as _, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

const VERB: &str = "deleted";

pub(super) async fn run(
    queues: &Queues,
    which: &Which,
    how: &How,
    save: Option<&Path>,
) -> Result<()> {
    let mut choice = Choice::new(which, None, false);
    let mut work = Work {
        queues,
        file: open(save.filter(|_| !how.dry_run))?,
        dry_run: how.dry_run,
        pace: Pace::new(how.rate),
        tally: Tally::default(),
    };
    let mut progress = Progress::new(queues.count().await?);
    let mut walk = Walk::new(queues, Some(how));
    let walked = async {
        while let Some(letters) = walk.next(&mut choice).await? {
            work.batch(&mut walk, letters).await?;
            let tally = &work.tally;
            progress.show(tally.seen, tally.seen, || tally.so_far(VERB));
        }
        anyhow::Ok(())
    }
    .await;
    progress.end();
    let behind = walk.end().await?;
    println!("{}", work.tally.sentences(VERB, how.dry_run, behind));
    walked?;
    if work.tally.count_of(Left::Refused) > 0 {
        bail!("not all was done: run the command again");
    }
    Ok(())
}

fn open(path: Option<&Path>) -> Result<Option<File>> {
    let Some(path) = path else {
        return Ok(None);
    };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(file))
}

struct Work<'a> {
    queues: &'a Queues,
    file: Option<File>,
    dry_run: bool,
    pace: Pace,
    tally: Tally,
}

impl Work<'_> {
    async fn batch(&mut self, walk: &mut Walk<'_>, letters: Vec<(Letter, Verdict)>) -> Result<()> {
        let mut chosen = Vec::new();
        for (letter, verdict) in &letters {
            match verdict {
                Verdict::Known => continue,
                Verdict::Take => chosen.push(letter),
                Verdict::Leave(why) => {
                    walk.keep(letter);
                    self.tally.note_left(*why);
                }
            }
            self.tally.seen = self.tally.seen.saturating_add(1);
        }
        if self.dry_run {
            for letter in chosen {
                walk.keep(letter);
                self.tally.note_done(letter.facts.event_type.as_deref());
            }
            return Ok(());
        }
        if chosen.is_empty() {
            return Ok(());
        }
        self.pace.let_pass(chosen.len()).await;
        self.save(&chosen)
            .context("cannot save what would be deleted")?;
        let outcomes = self.queues.delete(&chosen).await?;
        for (letter, outcome) in chosen.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.tally.note_done(letter.facts.event_type.as_deref()),
                Err(reason) => {
                    walk.keep(letter);
                    self.tally.note_left(Left::Refused);
                    self.tally.refusal.get_or_insert(reason);
                }
            }
        }
        Ok(())
    }

    /// On the disk, before anything is deleted.
    fn save(&mut self, letters: &[&Letter]) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        for letter in letters {
            writeln!(file, "{}", letter.shown(true))?;
        }
        file.sync_data()?;
        Ok(())
    }
}
