//! Metrics in CloudWatch's Embedded Metric Format: one JSON object a line on standard output, which Lambda hands to
//! CloudWatch Logs, which makes metrics of it. No agent, no call to an API, nothing to wait for before the freeze.
//!
//! ```
//! use souk_domain::Timestamp;
//! use souk_runtime::metrics::{Histogram, MetricDocument, Unit};
//!
//! let mut lag = Histogram::default();
//! for milliseconds in [12, 15, 340] {
//!     lag.record(milliseconds);
//! }
//! MetricDocument::new("Souk", Timestamp::from_unix_ms(1_795_000_000_000)?)
//!     .dimension("Function", "souk-outbox-relay")
//!     .property("shard", "a")
//!     .metric("Published", Unit::Count, 3)
//!     .histogram("CommitToQueueLag", Unit::Milliseconds, &lag)
//!     .emit();
//! # Ok::<(), souk_domain::TimestampError>(())
//! ```
//!
//! A dimension is part of a metric's identity, and each combination of values is a metric that is paid for: it is the
//! name of a function or a consumer, never an id. What only helps to read the line is a property.
//!
//! Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format"; `Values` and `Counts` as in
//! `MetricDatum` of the CloudWatch API, which CloudWatch reads here as well.

mod histogram;

pub use histogram::Histogram;

use serde_json::{Map, Value, json};
use souk_domain::Timestamp;
use std::collections::BTreeSet;
use std::io::Write as _;

/// Metrics of one document; what is more goes into further ones.
pub const METRICS_MAX: usize = 100;
/// Values of one metric in one document.
pub const VALUES_MAX: usize = 100;
/// Dimension keys of one document.
pub const DIMENSIONS_MAX: usize = 9;
/// Characters of a namespace, a metric's name or a dimension's key.
pub const NAME_CHARS_MAX: usize = 255;
/// Characters of a dimension's value.
pub const DIMENSION_VALUE_CHARS_MAX: usize = 1024;
/// Bytes of a document: what a log event may have.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// The metadata's place in the document, which nothing else may have.
const METADATA: &str = "_aws";

/// What a metric's numbers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Hundredths of a whole.
    Percent,
    /// No unit.
    None,
}

impl Unit {
    /// As CloudWatch writes it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

/// Why CloudWatch would not make metrics of a document: it says nothing then, and they are missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// A name or a dimension's value is empty or too long.
    #[error("{0:?} is empty or too long")]
    Text(String),
    /// Two members of the document have this name, or it is the metadata's.
    #[error("the name {0:?} is taken")]
    NameTaken(&'static str),
    /// More dimensions than a document may have.
    #[error("{0} dimensions, {DIMENSIONS_MAX} at most")]
    TooManyDimensions(usize),
    /// Dimensions and properties alone leave no room for a metric.
    #[error("a document of {0} bytes, {DOCUMENT_BYTES_MAX} at most")]
    TooLarge(usize),
}

/// Metrics of one moment that share their dimensions.
#[derive(Debug, Clone)]
pub struct MetricDocument {
    namespace: &'static str,
    at: Timestamp,
    dimensions: Vec<(&'static str, String)>,
    properties: Vec<(&'static str, Value)>,
    metrics: Vec<(&'static str, Unit, Value)>,
}

impl MetricDocument {
    /// Of `namespace`, at `at`; nothing is in it yet.
    pub const fn new(namespace: &'static str, at: Timestamp) -> Self {
        Self {
            namespace,
            at,
            dimensions: Vec::new(),
            properties: Vec::new(),
            metrics: Vec::new(),
        }
    }

    /// With a dimension, which all of its metrics have.
    #[must_use]
    pub fn dimension(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.dimensions.push((key, value.into()));
        self
    }

    /// With something to read, which is no metric and costs nothing.
    #[must_use]
    pub fn property(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.properties.push((name, value.into()));
        self
    }

    /// With a metric of one value.
    #[must_use]
    pub fn metric(mut self, name: &'static str, unit: Unit, value: u64) -> Self {
        self.metrics.push((name, unit, json!(value)));
        self
    }

    /// With a metric of many values, counted. One without any is left out: CloudWatch refuses empty arrays.
    #[must_use]
    pub fn histogram(mut self, name: &'static str, unit: Unit, values: &Histogram) -> Self {
        if let Some(target) = values.target() {
            self.metrics.push((name, unit, target));
        }
        self
    }

    /// The lines to write, each a document within the limits; none where there is no metric.
    pub fn lines(&self) -> Result<Vec<String>, MetricError> {
        self.check()?;
        let mut lines = Vec::new();
        let mut rest = self.metrics.as_slice();
        while !rest.is_empty() {
            let mut taken = rest.len().min(METRICS_MAX);
            let line = loop {
                let (now, _) = rest.split_at(taken);
                let line = self.document(now).to_string();
                if line.len() <= DOCUMENT_BYTES_MAX {
                    break line;
                }
                if taken == 1 {
                    return Err(MetricError::TooLarge(line.len()));
                }
                taken = taken.div_ceil(2);
            };
            lines.push(line);
            rest = rest.split_at(taken).1;
        }
        Ok(lines)
    }

    /// Writes the lines on standard output. Metrics that cannot be written are logged and forgotten: nobody's work
    /// fails for them.
    pub fn emit(&self) {
        let mut text = match self.lines() {
            Ok(lines) if lines.is_empty() => return,
            Ok(lines) => lines.join("\n"),
            Err(error) => {
                tracing::error!(%error, metrics.namespace = self.namespace, "metrics are lost");
                return;
            }
        };
        text.push('\n');
        let mut stdout = std::io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        drop(stdout);
        if let Err(error) = written {
            tracing::error!(%error, metrics.namespace = self.namespace, "metrics are lost");
        }
    }

    fn check(&self) -> Result<(), MetricError> {
        if self.dimensions.len() > DIMENSIONS_MAX {
            return Err(MetricError::TooManyDimensions(self.dimensions.len()));
        }
        let keys = self.dimensions.iter().map(|(key, _)| *key);
        let others = self.properties.iter().map(|(name, _)| *name);
        let metrics = self.metrics.iter().map(|(name, _, _)| *name);
        let mut taken = BTreeSet::from([METADATA]);
        for name in keys.chain(others).chain(metrics) {
            within(name, NAME_CHARS_MAX)?;
            if !taken.insert(name) {
                return Err(MetricError::NameTaken(name));
            }
        }
        for (_, value) in &self.dimensions {
            within(value, DIMENSION_VALUE_CHARS_MAX)?;
        }
        within(self.namespace, NAME_CHARS_MAX)
    }

    fn document(&self, metrics: &[(&'static str, Unit, Value)]) -> Value {
        let keys: Vec<_> = self.dimensions.iter().map(|(key, _)| *key).collect();
        let definitions: Vec<_> = metrics
            .iter()
            .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit.as_str() }))
            .collect();
        let metadata = json!({
            "Timestamp": self.at.unix_ms(),
            "CloudWatchMetrics": [{
                "Namespace": self.namespace,
                "Dimensions": [keys],
                "Metrics": definitions,
            }],
        });
        let mut members = Map::from_iter([(METADATA.to_owned(), metadata)]);
        for (key, value) in &self.dimensions {
            members.insert((*key).to_owned(), json!(value));
        }
        for (name, value) in &self.properties {
            members.insert((*name).to_owned(), value.clone());
        }
        for (name, _, target) in metrics {
            members.insert((*name).to_owned(), target.clone());
        }
        Value::Object(members)
    }
}

fn within(text: &str, chars_max: usize) -> Result<(), MetricError> {
    if text.trim().is_empty() || text.chars().count() > chars_max {
        return Err(MetricError::Text(text.chars().take(64).collect()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
