//! `souk dlq list`

use super::Which;
use super::queues::Queues;
use super::walk::{Choice, Verdict, Walk};
use anyhow::Result;

pub(super) async fn run(queues: &Queues, which: &Which, bodies: bool) -> Result<()> {
    let mut walk = Walk::new(queues, None);
    let mut choice = Choice::new(which, None, false);
    let listed = async {
        while let Some(letters) = walk.next(&mut choice).await? {
            for (letter, verdict) in letters {
                if verdict == Verdict::Take {
                    println!("{}", letter.shown(bodies));
                }
                if verdict != Verdict::Known {
                    walk.keep(&letter);
                }
            }
        }
        anyhow::Ok(())
    }
    .await;
    let behind = walk.end().await?;
    if behind > 0 {
        eprintln!("about {behind} more messages were not looked at");
    }
    listed
}
