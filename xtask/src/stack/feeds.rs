//! Queues and the functions that they feed, as `infra/souk.json` has them.

use anyhow::{Context, Result};
use souk_names::Names;

/// SQS wants it in the name of a FIFO queue.
pub(super) const FIFO_SUFFIX: &str = ".fifo";

/// A queue, the one for what fails too often, and the function that it feeds.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) queue: String,
    pub(super) dlq: String,
    /// Its short name.
    pub(super) function: &'static str,
    pub(super) visibility_timeout_s: u32,
    pub(super) receives_max: u32,
    pub(super) batch_size: i32,
    /// At once; none where AWS's own limits are enough.
    pub(super) functions_max: Option<i32>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Feeds {
    pub(super) doorbell: Feed,
    pub(super) read_models: Feed,
    pub(super) order_process: Feed,
    pub(super) webhooks: Feed,
}

impl Feeds {
    /// Those of `names`, which has no others.
    pub(super) fn of(names: &Names) -> Result<Self> {
        let feeds = Self {
            doorbell: feed(names, "outbox-relay")?,
            read_models: feed(names, "read-models")?,
            order_process: feed(names, "order-process")?,
            webhooks: feed(names, "webhooks")?,
        };
        anyhow::ensure!(
            names.consumers.len() == 4 && names.queues.len() == 4,
            "infra/souk.json has queues that the local cloud does not make"
        );
        Ok(feeds)
    }
}

fn feed(names: &Names, function: &'static str) -> Result<Feed> {
    let lacks = || format!("infra/souk.json does not say what feeds {function}");
    let consumer = names.consumers.get(function).with_context(lacks)?;
    let queue = names.queues.get(&consumer.queue).with_context(lacks)?;
    Ok(Feed {
        queue: names.queue_name(&consumer.queue).with_context(lacks)?,
        dlq: names
            .dead_letter_name(&consumer.queue)
            .with_context(lacks)?,
        function,
        visibility_timeout_s: queue.visibility_timeout_s,
        receives_max: queue.receives_max,
        batch_size: consumer.batch_size.try_into()?,
        functions_max: consumer.concurrency_max.map(i32::try_from).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_queue_and_its_dlq_are_of_one_kind_and_nobody_elses() {
        let names = Names::read().expect("the file is read");
        let feeds = Feeds::of(&names).expect("it has all");
        let mut seen = BTreeSet::new();
        for feed in [
            feeds.doorbell,
            feeds.read_models,
            feeds.order_process,
            feeds.webhooks,
        ] {
            // What SQS takes.
            assert!(feed.visibility_timeout_s <= 12 * 3_600, "{}", feed.queue);
            assert_eq!(
                feed.queue.ends_with(FIFO_SUFFIX),
                feed.dlq.ends_with(FIFO_SUFFIX)
            );
            assert!(seen.insert(feed.queue) && seen.insert(feed.dlq));
        }
    }
}
