//! Timelines in JSON.

use serde::Serialize;
use souk_app::{StoredResponse, TimelineEntry, TimelinePage};
use souk_domain::{EventId, RequestId, Timestamp};
use souk_runtime::answer::json_response;

#[derive(Serialize)]
struct TimelineJson<'a> {
    entries: Vec<EntryJson<'a>>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    /// Its place, from 1 without gaps: the order's version afterwards.
    sequence: u64,
    /// Such as `order.placed.v1`.
    #[serde(rename = "type")]
    event_type: &'a str,
    event_id: Option<EventId>,
    occurred_at: Timestamp,
    principal: Option<&'a str>,
    request_id: Option<RequestId>,
    /// The event's data.
    data: &'a serde_json::Value,
}

impl<'a> From<&'a TimelineEntry> for EntryJson<'a> {
    fn from(entry: &'a TimelineEntry) -> Self {
        Self {
            sequence: entry.sequence,
            event_type: &entry.event_type,
            event_id: entry.event_id,
            occurred_at: entry.occurred_at,
            principal: entry.principal.as_deref(),
            request_id: entry.request_id,
            data: &entry.data,
        }
    }
}

/// 200 with a page of an order's timeline.
pub(crate) fn timeline_response(page: &TimelinePage) -> StoredResponse {
    let json = TimelineJson {
        entries: page.entries.iter().map(EntryJson::from).collect(),
        next_cursor: page.next_after.map(|sequence| sequence.to_string()),
    };
    json_response(200, &json)
}
