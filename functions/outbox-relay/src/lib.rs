//! The outbox relay's border to SQS.

mod sqs_publisher;

pub use sqs_publisher::SqsPublisher;
