//! The names and limits of `infra/souk.json` (ADR 0020): what Terraform makes the cloud from, for the local cloud and
//! for what looks at a deployment. `infra/README.md` tells what each field means.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The file, as it was when this was built.
const TEXT: &str = include_str!("../../../infra/souk.json");

/// The whole file, as far as Rust reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct Names {
    /// First part of every name.
    pub prefix: String,
    /// By the name that events are routed to, and `doorbell`.
    pub queues: BTreeMap<String, Queue>,
    /// By the schedule's name.
    pub schedules: BTreeMap<String, Schedule>,
    /// By the function that a queue feeds.
    pub consumers: BTreeMap<String, Consumer>,
    /// By the folder under `functions/`.
    pub functions: BTreeMap<String, Function>,
    /// Route keys of the HTTP API, and the function that has each.
    pub routes: BTreeMap<String, String>,
}

/// A queue, and where its messages end that fail too often.
#[derive(Debug, Clone, Deserialize)]
pub struct Queue {
    /// Whether it keeps the order of a group.
    pub fifo: bool,
    /// How often a message is received before it is a dead letter.
    pub receives_max: u32,
    /// For how long a message is hidden from others once it was received.
    pub visibility_timeout_s: u32,
    /// For how long one is kept.
    pub retention_s: u32,
    /// For how long a dead letter is.
    pub dead_letter_retention_s: u32,
}

/// When a function runs, whatever else wakes it.
#[derive(Debug, Clone, Deserialize)]
pub struct Schedule {
    /// The function.
    pub function: String,
    /// In the words of the cloud's scheduler.
    pub rate: String,
}

/// How a queue feeds a function.
#[derive(Debug, Clone, Deserialize)]
pub struct Consumer {
    /// The queue.
    pub queue: String,
    /// Messages of one invocation, at most.
    pub batch_size: u32,
    /// Invocations at the same time, at most; no limit where there is none.
    pub concurrency_max: Option<u32>,
}

/// A function.
#[derive(Debug, Clone, Deserialize)]
pub struct Function {
    /// Seconds after which an invocation is ended.
    pub timeout_s: u32,
    /// Its memory.
    pub memory_mib: u32,
    /// Whether the HTTP API calls it.
    pub http: bool,
    /// Why the local cloud does without it, where it does.
    #[serde(default)]
    pub cloud_only: Option<String>,
    /// The variables that it is given, and where each comes from.
    pub variables: BTreeMap<String, String>,
}

impl Names {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it lacks something: a test sees to it that it does not.
    pub fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(TEXT)
    }

    /// The name of a queue in the cloud, such as `souk-read-models.fifo`.
    pub fn queue_name(&self, key: &str) -> Option<String> {
        self.name_of_queue(key, "")
    }

    /// The name of the queue for its dead letters, such as `souk-read-models-dlq.fifo`.
    pub fn dead_letter_name(&self, key: &str) -> Option<String> {
        self.name_of_queue(key, "-dlq")
    }

    fn name_of_queue(&self, key: &str, more: &str) -> Option<String> {
        let suffix = if self.queues.get(key)?.fifo {
            ".fifo"
        } else {
            ""
        };
        let (prefix, key) = (&self.prefix, key.replace('_', "-"));
        Some(format!("{prefix}-{key}{more}{suffix}"))
    }

    /// The name of a function or a schedule in the cloud, such as `souk-orders`.
    pub fn full_name(&self, short: &str) -> String {
        format!("{}-{short}", self.prefix)
    }

    /// The route keys of the HTTP API that a function has.
    pub fn routes_of<'a>(&'a self, function: &'a str) -> impl Iterator<Item = &'a str> {
        let routes = self.routes.iter();
        let its = routes.filter(move |(_, has_it)| *has_it == function);
        its.map(|(key, _)| key.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_file_is_read_and_names_only_what_is_in_it() {
        let names = Names::read().unwrap();
        for (name, schedule) in &names.schedules {
            assert!(names.functions.contains_key(&schedule.function), "{name}");
        }
        for (function, consumer) in &names.consumers {
            let settings = &names.functions[function];
            let queue = &names.queues[&consumer.queue];
            assert!(
                queue.visibility_timeout_s >= 6 * settings.timeout_s,
                "{function}: a message comes again while it is worked on"
            );
        }
        for (route, function) in &names.routes {
            assert!(names.functions[function].http, "{route}");
        }
    }

    #[test]
    fn names_are_put_together_as_terraform_does() {
        let names = Names::read().unwrap();
        let of = |key| (names.queue_name(key), names.dead_letter_name(key));
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            of("read_models"),
            (
                some("souk-read-models.fifo"),
                some("souk-read-models-dlq.fifo")
            )
        );
        assert_eq!(
            of("doorbell"),
            (some("souk-doorbell"), some("souk-doorbell-dlq"))
        );
        assert_eq!(of("nothing"), (None, None));
        assert_eq!(names.full_name("orders"), "souk-orders");
        assert_eq!(names.routes_of("orders").collect::<Vec<_>>(), ["$default"]);
    }
}
