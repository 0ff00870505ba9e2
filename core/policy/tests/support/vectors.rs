//! What `testdata/decisions.json` says. All that a decision depends on is in it, so that no host has to know
//! more than the file.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vectors {
    pub(crate) now_unix_s: i64,
    pub(crate) request_id: String,
    /// The region whose origin the edge forwards to. There is another origin for canaries.
    pub(crate) served_region: String,
    pub(crate) signing_key: Key,
    /// Key sets of issuers by their addresses. Under any other address there is none to be had.
    pub(crate) jwks: BTreeMap<String, Value>,
    /// What `edge:settings` may hold, of which a case names one.
    pub(crate) settings: BTreeMap<String, Stored>,
    /// What lies in the store, by names of its own.
    pub(crate) records: BTreeMap<String, Stored>,
    /// The store's keys, and the names of what lies under them.
    pub(crate) store: BTreeMap<String, String>,
    /// Keys for which the store does not answer.
    pub(crate) unanswered: Vec<String>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Request,
    /// Which settings there are. None otherwise.
    pub(crate) settings: Option<String>,
    #[serde(default)]
    pub(crate) limiter: Limiter,
    /// The same request has come from these addresses before, at the same time.
    #[serde(default)]
    pub(crate) after: Vec<String>,
    pub(crate) expect: Expected,
}

/// Who sends a request is said by `cf-connecting-ip`; without it nobody knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: Text,
    pub(crate) query: Option<Text>,
    pub(crate) headers: Vec<(String, Text)>,
    #[serde(default)]
    pub(crate) body: Text,
}

/// What the limiter has counted. Its states are named after the tenant and the charge, `ten_…/key:shop`, and
/// no two cases share one: a host that does not forget may run all of them.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Limiter {
    /// Microseconds by which theoretical arrival times lie ahead of the clock. Others are at rest.
    Knows(BTreeMap<String, i64>),
    /// It does not answer for these.
    Silent(Vec<String>),
}

impl Default for Limiter {
    fn default() -> Self {
        Self::Knows(BTreeMap::new())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Expected {
    Answered {
        status: u16,
        body: String,
        /// Besides those that all answers have.
        headers: BTreeMap<String, String>,
    },
    Refused {
        status: u16,
        code: String,
        /// Besides those that all problems have.
        headers: BTreeMap<String, String>,
    },
    Forwarded(Forwarded),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a word of the vectors"
)]
pub(crate) struct Forwarded {
    pub(crate) target: Text,
    pub(crate) reads_body: bool,
    pub(crate) stripped: Vec<String>,
    /// Some of the nine that are set, and all that are set for what the tenant's record says besides.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) operation: String,
    /// Whether it may be sent once more after a failure.
    pub(crate) repeatable: bool,
    /// Whether an answer that is kept for anybody will do.
    pub(crate) cacheable: bool,
    /// What is added to the origin's answer, besides what is added to all.
    #[serde(default)]
    pub(crate) answer: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) canary: bool,
    #[serde(default)]
    pub(crate) over_limit: bool,
}

/// What the store has under a key: a record, or a text that need not be one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Stored {
    Text(Text),
    Record(Value),
}

impl Stored {
    pub(crate) fn get(&self) -> String {
        match self {
            Self::Text(text) => text.get(),
            Self::Record(record) => record.to_string(),
        }
    }
}

/// A text, or parts of which some are repeated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Plain(String),
    Parts(Parts),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parts {
    text: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Part {
    Once(String),
    Repeated(Repeated),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeated {
    repeat: String,
    times: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl Text {
    pub(crate) fn get(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Parts(parts) => parts.text.iter().map(Part::get).collect(),
        }
    }
}

impl Part {
    fn get(&self) -> String {
        match self {
            Self::Once(text) => text.clone(),
            Self::Repeated(part) => part.repeat.repeat(part.times),
        }
    }
}
