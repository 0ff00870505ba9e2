//! Queues and the functions that they feed.

/// SQS wants it in the name of a FIFO queue.
pub(super) const FIFO_SUFFIX: &str = ".fifo";
/// Received more often than this, a message goes to the DLQ by itself. A consumer gives a message up before, and says
/// why; in a FIFO queue those behind it are received as often without being tried.
const CONSUMER_RECEIVES_MAX: u32 = 30;

/// A queue, the one for what fails too often, and the function that it feeds.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) queue: &'static str,
    pub(super) dlq: &'static str,
    pub(super) function: &'static str,
    pub(super) function_timeout_s: i32,
    pub(super) receives_max: u32,
    /// At once; none where AWS's own limits are enough.
    pub(super) functions_max: Option<i32>,
}

pub(super) const DOORBELL: Feed = Feed {
    queue: "souk-doorbell",
    dlq: "souk-doorbell-dlq",
    function: "souk-outbox-relay",
    function_timeout_s: 30,
    receives_max: 5,
    // Two relays share the lanes; more would only wait for each other.
    functions_max: Some(2),
};
pub(super) const READ_MODELS: Feed = Feed {
    queue: "souk-read-models.fifo",
    dlq: "souk-read-models-dlq.fifo",
    function: "souk-read-models",
    function_timeout_s: 30,
    receives_max: CONSUMER_RECEIVES_MAX,
    functions_max: None,
};
pub(super) const ORDER_PROCESS: Feed = Feed {
    queue: "souk-order-process.fifo",
    dlq: "souk-order-process-dlq.fifo",
    function: "souk-order-process",
    function_timeout_s: 30,
    receives_max: CONSUMER_RECEIVES_MAX,
    functions_max: None,
};
pub(super) const WEBHOOKS: Feed = Feed {
    queue: "souk-webhooks.fifo",
    dlq: "souk-webhooks-dlq.fifo",
    function: "souk-webhooks",
    // Some attempts one after the other; each takes up to 15 s.
    function_timeout_s: 60,
    receives_max: CONSUMER_RECEIVES_MAX,
    functions_max: None,
};

impl Feed {
    /// How long a message stays hidden from others.
    ///
    /// Source: AWS Lambda Developer Guide, "Configuring a queue to use with Lambda": six times the function's
    /// timeout, since a batch that is throttled is tried again for so long, and a message that comes again while
    /// its function still runs is handled twice at once.
    pub(super) const fn visibility_timeout_s(&self) -> i32 {
        self.function_timeout_s.saturating_mul(6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const FEEDS: [&Feed; 4] = [&DOORBELL, &READ_MODELS, &ORDER_PROCESS, &WEBHOOKS];

    #[test]
    fn a_message_stays_hidden_six_times_as_long_as_its_function_may_run() {
        for feed in FEEDS {
            let least_s = i64::from(feed.function_timeout_s) * 6;
            let hidden_s = i64::from(feed.visibility_timeout_s());
            assert!(hidden_s >= least_s, "{}: {hidden_s} s", feed.queue);
            // What SQS takes.
            assert!(hidden_s <= 12 * 3_600, "{}: {hidden_s} s", feed.queue);
        }
    }

    #[test]
    fn a_queue_and_its_dlq_are_of_one_kind_and_nobody_elses() {
        let mut names = BTreeSet::new();
        for feed in FEEDS {
            assert!(
                names.insert(feed.queue) && names.insert(feed.dlq) && names.insert(feed.function)
            );
            assert_eq!(
                feed.queue.ends_with(FIFO_SUFFIX),
                feed.dlq.ends_with(FIFO_SUFFIX)
            );
        }
    }
}
