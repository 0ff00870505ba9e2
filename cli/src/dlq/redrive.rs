//! `souk dlq redrive`

use super::letter::{Letter, REDRIVE};
use super::queues::Queues;
use super::tally::Tally;
use super::walk::{Choice, Left, Verdict, Walk};
use super::{How, Which};
use crate::operator::random_bytes;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::sqs::{self, entry_id};
use anyhow::{Result, bail};
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use souk_runtime::consumer::DEAD_LETTER_ATTRIBUTES;

const VERB: &str = "sent again";

pub(super) async fn run(queues: &Queues, which: &Which, how: &How) -> Result<()> {
    let run = hex::encode(random_bytes::<8>()?);
    let mut redrive = Redrive {
        queues,
        choice: Choice::new(which, Some(run.clone()), true),
        run,
        dry_run: how.dry_run,
        pace: Pace::new(how.rate),
        tally: Tally::default(),
    };
    let mut progress = Progress::new(queues.count().await?);
    let mut walk = Walk::new(queues, Some(how));
    let walked = async {
        while let Some(letters) = walk.next(&mut redrive.choice).await? {
            redrive.batch(&mut walk, letters).await?;
            let tally = &redrive.tally;
            progress.show(tally.seen, tally.seen, || tally.so_far(VERB));
        }
        anyhow::Ok(())
    }
    .await;
    progress.end();
    let behind = walk.end().await?;
    let tally = &redrive.tally;
    println!("{}", tally.sentences(VERB, how.dry_run, behind));
    walked?;
    if tally.doubled > 0 || tally.count_of(Left::Refused) > 0 {
        bail!("not all was done: run the command again");
    }
    Ok(())
}

struct Redrive<'a> {
    queues: &'a Queues,
    choice: Choice,
    run: String,
    dry_run: bool,
    pace: Pace,
    tally: Tally,
}

impl Redrive<'_> {
    /// Sends what was chosen of one received batch. A request has each group at most once, and a group
    /// goes on only after the queue has taken what comes first.
    async fn batch(&mut self, walk: &mut Walk<'_>, letters: Vec<(Letter, Verdict)>) -> Result<()> {
        let mut chosen = Vec::new();
        for (letter, verdict) in letters {
            match verdict {
                Verdict::Known => continue,
                Verdict::Take => chosen.push(letter),
                Verdict::Leave(why) => {
                    walk.keep(&letter);
                    self.tally.note_left(why);
                }
            }
            self.tally.seen = self.tally.seen.saturating_add(1);
        }
        if self.dry_run {
            for letter in &chosen {
                walk.keep(letter);
                self.tally.note_done(letter.facts.event_type.as_deref());
            }
            return Ok(());
        }
        for wave in sqs::waves(chosen, |letter| letter.group.clone()) {
            let (waiting, ready): (Vec<_>, Vec<_>) = wave
                .into_iter()
                .partition(|letter| self.choice.is_left(letter));
            for letter in &waiting {
                walk.keep(letter);
                self.tally.note_left(Left::Behind);
            }
            for request in sqs::requests(&ready, |letter| letter.body.len()) {
                self.request(walk, request).await?;
            }
        }
        Ok(())
    }

    async fn request(&mut self, walk: &mut Walk<'_>, letters: &[Letter]) -> Result<()> {
        self.pace.let_pass(letters.len()).await;
        let entries = letters
            .iter()
            .enumerate()
            .map(|(place, letter)| entry(place, letter, &self.run));
        let outcomes = self.queues.send(entries.collect::<Result<_, _>>()?).await;
        let mut taken = Vec::with_capacity(letters.len());
        for (letter, outcome) in letters.iter().zip(outcomes) {
            match outcome {
                Ok(()) => taken.push(letter),
                Err(reason) => {
                    walk.keep(letter);
                    self.choice.leave_group_of(letter);
                    self.tally.note_left(Left::Refused);
                    self.tally.refusal.get_or_insert(reason);
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        let outcomes = self.queues.delete(&taken).await?;
        for (letter, outcome) in taken.iter().zip(outcomes) {
            self.tally.note_done(letter.facts.event_type.as_deref());
            if let Err(reason) = outcome {
                walk.keep(letter);
                self.tally.doubled = self.tally.doubled.saturating_add(1);
                self.tally.refusal.get_or_insert(reason);
            }
        }
        Ok(())
    }
}

/// The message as it was, without the reason of its failure.
///
/// A FIFO queue forgets for five minutes nothing that it has taken: under the event's own id it would
/// swallow a message that it has delivered and its consumer has just given up, and we would delete the
/// last copy. The id of the message in this queue is another for each time that it was given up, and the
/// same for each repetition of an interrupted redrive.
fn entry(
    place: usize,
    letter: &Letter,
    run: &str,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let told = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(run)
        .build()?;
    let kept = letter
        .attributes
        .iter()
        .filter(|(name, _)| *name != REDRIVE && !DEAD_LETTER_ATTRIBUTES.contains(&name.as_str()));
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(entry_id(place))
        .message_body(&letter.body)
        .message_attributes(REDRIVE, told);
    for (name, value) in kept {
        entry = entry.message_attributes(name, value.clone());
    }
    if let Some(group) = &letter.group {
        entry = entry
            .message_group_id(group)
            .message_deduplication_id(format!("redrive-{}", letter.message_id));
    }
    entry.build()
}
