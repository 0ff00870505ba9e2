//! A consumer that runs without a cloud: a batch as Lambda hands it over, and what is answered.
//!
//! ```sh
//! cargo run --package souk-runtime --example consumer
//! ```
//!
//! It prints a shipping label for each order that is confirmed and tears it up when the order is cancelled. One
//! message of the batch is no event, one handler fails. The database is asked only for what has to be parked, and
//! nothing here has.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example"
)]

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use core::time::Duration;
use souk_app::{Database, Shards};
use souk_domain::{OrderCancelledV1, OrderConfirmedV1, kinds};
use souk_runtime::consumer::{Consumer, HandlerError, QueueKind, SqsSource};
use std::cell::RefCell;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// Whose effect is the same however often it is had: it needs no note of what was applied. Others take
/// `souk_app::apply_once`.
#[derive(Debug, Default)]
struct Printer {
    labels: RefCell<BTreeSet<String>>,
}

impl Printer {
    fn print(&self, confirmed: &OrderConfirmedV1) -> Result<(), HandlerError> {
        let order = confirmed.order_id.to_string();
        if order.ends_with('3') {
            return Err(std::io::Error::other("out of paper").into());
        }
        println!("label for {order}");
        self.labels.borrow_mut().insert(order);
        Ok(())
    }

    fn tear_up(&self, cancelled: &OrderCancelledV1) {
        let order = cancelled.order_id.to_string();
        if self.labels.borrow_mut().remove(&order) {
            println!("no label for {order}");
        }
    }
}

/// An order's n-th event, as it lies in a queue; its group is the order.
fn message(order: u8, sequence: u8, event_type: &str, at: &str) -> SqsMessage {
    let id = |prefix: &str, number: u8| format!("{prefix}_{number:032x}");
    let body = serde_json::json!({
        "specversion": "1.0",
        "id": id("evt", order * 16 + sequence),
        "source": "/souk/orders",
        "type": event_type,
        "subject": id("ord", order),
        "time": "2026-11-21T08:00:00Z",
        "datacontenttype": "application/json",
        "tenant_id": id("ten", 1),
        "sequence": sequence,
        "correlation_id": id("req", 1),
        "data": { "order_id": id("ord", order), at: "2026-11-21T08:00:00Z" },
    });
    raw(
        &format!("order {order}, event {sequence}"),
        order,
        &body.to_string(),
    )
}

fn raw(message_id: &str, group: u8, body: &str) -> SqsMessage {
    let mut message = SqsMessage::default();
    message.message_id = Some(message_id.to_owned());
    message.body = Some(body.to_owned());
    let group_id = "MessageGroupId".to_owned();
    message.attributes.insert(group_id, group.to_string());
    message
}

fn batch() -> SqsEvent {
    let mut batch = SqsEvent::default();
    batch.records = vec![
        message(1, 2, "order.confirmed.v1", "confirmed_at"),
        message(2, 2, "order.confirmed.v1", "confirmed_at"),
        message(3, 2, "order.confirmed.v1", "confirmed_at"),
        message(3, 3, "order.cancelled.v1", "cancelled_at"),
        message(2, 3, "order.cancelled.v1", "cancelled_at"),
        raw("garbage", 4, "this is no event"),
    ];
    batch
}

/// Which messages of the batch are to come again, and which labels there are in the end.
async fn work(printer: &Printer) -> SqsBatchResponse {
    let database = Database::connect_lazily("postgres://souk_app@127.0.0.1/souk", 1).unwrap();
    // Without URLs of queues: what fails comes again by its visibility timeout.
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .build();
    let queue = SqsSource::new(aws_sdk_sqs::Client::from_conf(sqs), None, None);
    let labels = Consumer::new("labels", QueueKind::Fifo, Shards::single(database), queue)
        .on(kinds::ORDER_CONFIRMED_V1, async |_event, confirmed| {
            printer.print(&confirmed)
        })
        .on(kinds::ORDER_CANCELLED_V1, async |_event, cancelled| {
            printer.tear_up(&cancelled);
            Ok(())
        });
    let deadline = Instant::now() + Duration::from_secs(30);
    labels.consume(batch(), deadline).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let printer = Printer::default();
    let response = work(&printer).await;
    for failure in response.batch_item_failures {
        println!("to come again: {}", failure.item_identifier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_failed_order_and_the_garbage_come_again() {
        let printer = Printer::default();
        let response = work(&printer).await;
        let failed: Vec<_> = response
            .batch_item_failures
            .iter()
            .map(|failure| failure.item_identifier.as_str())
            .collect();
        assert_eq!(failed, ["order 3, event 2", "order 3, event 3", "garbage"]);
        let labels = printer.labels.into_inner();
        assert_eq!(labels.len(), 1, "{labels:?}");
    }
}
