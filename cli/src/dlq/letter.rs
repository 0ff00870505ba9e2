//! A message as it lies in a dead letter queue.

use crate::event_filter::EventFacts;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use serde_json::{Value, json};
use souk_domain::Timestamp;
use souk_runtime::consumer::{
    ATTRIBUTE_CONSUMER, ATTRIBUTE_ERROR, ATTRIBUTE_FIRST_FAILED_AT, ATTRIBUTE_REASON,
    ATTRIBUTE_TYPE,
};
use std::collections::BTreeMap;

/// The attribute that names the redrive which sent a message last.
pub(super) const REDRIVE: &str = "souk-redrive";

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// Of this stay in this queue: sent again, it gets another one.
    pub(super) message_id: String,
    /// By which this receipt of it is ended.
    pub(super) receipt: String,
    pub(super) body: String,
    /// Of a FIFO queue.
    pub(super) group: Option<String>,
    pub(super) facts: EventFacts,
    pub(super) attributes: BTreeMap<String, MessageAttributeValue>,
    sent_at: Option<Timestamp>,
    receives: Option<u64>,
}

impl Letter {
    /// None for what has not even an id and a receipt, which SQS does not give.
    pub(super) fn new(message: Message) -> Option<Self> {
        let body = message.body.unwrap_or_default();
        let system = message.attributes.unwrap_or_default();
        let text = |name: MessageSystemAttributeName| system.get(&name).cloned();
        let attributes: BTreeMap<_, _> = message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .collect();
        let mut facts = EventFacts::of(&body);
        if facts.event_type.is_none() {
            let told = attributes
                .get(ATTRIBUTE_TYPE)
                .and_then(|value| value.string_value());
            facts.event_type = told.map(str::to_owned);
        }
        let sent_at = text(MessageSystemAttributeName::SentTimestamp)
            .and_then(|ms| ms.parse().ok())
            .and_then(|ms| Timestamp::from_unix_ms(ms).ok());
        facts.time = facts.time.or(sent_at);
        Some(Self {
            message_id: message.message_id?,
            receipt: message.receipt_handle?,
            group: text(MessageSystemAttributeName::MessageGroupId),
            receives: text(MessageSystemAttributeName::ApproximateReceiveCount)
                .and_then(|count| count.parse().ok()),
            sent_at,
            body,
            facts,
            attributes,
        })
    }

    /// A text attribute of the message.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.string_value()
    }

    /// What is known of it.
    pub(super) fn shown(&self, with_body: bool) -> Value {
        let facts = &self.facts;
        let mut shown = json!({
            "message_id": self.message_id,
            "event_id": facts.id,
            "event_type": facts.event_type,
            "tenant_id": facts.tenant,
            "subject": facts.subject,
            "time": facts.time,
            "group": self.group,
            "sent_at": self.sent_at,
            "receives": self.receives,
            "reason": self.attribute(ATTRIBUTE_REASON),
            "error": self.attribute(ATTRIBUTE_ERROR),
            "first_failed_at": self.attribute(ATTRIBUTE_FIRST_FAILED_AT),
            "given_up_by": self.attribute(ATTRIBUTE_CONSUMER),
            "redrive": self.attribute(REDRIVE),
        });
        if let (true, Value::Object(members)) = (with_body, &mut shown) {
            members.insert("body".to_owned(), json!(self.body));
        }
        shown
    }
}
