//! The outbox relay's border to SQS, and to CloudWatch.

mod metrics;
mod sqs_publisher;

pub use metrics::emit_metrics;
pub use sqs_publisher::SqsPublisher;
