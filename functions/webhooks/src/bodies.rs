//! Bodies of requests.

use souk_app::webhooks::{REPLAYED_MAX, ReplayRange, Rotation};
use souk_domain::Timestamp;
use souk_domain::webhook::{
    DeliveryStatus, Description, EVENT_PATTERNS_MAX, EndpointSettings, EndpointUrl, EventFilter,
    OVERLAP_HOURS_DEFAULT, OVERLAP_HOURS_MAX, TargetRules,
};
use souk_runtime::fields::Field;

/// Body of `POST /v1/webhook-endpoints` and of `PUT /v1/webhook-endpoints/{id}`.
pub(crate) fn endpoint(body: &Field<'_>, rules: &TargetRules) -> Option<EndpointSettings> {
    let object = body.object(&["url", "description", "event_types", "ordered"])?;
    let url = object.required("url", |field| {
        let url: EndpointUrl = field.parse()?;
        match rules.check(&url) {
            Ok(()) => Some(url),
            Err(error) => field.refuse(error),
        }
    });
    let description = object.optional("description", Field::parse::<Description>);
    let filter = object.optional("event_types", |list| {
        let patterns = list.list(0..=EVENT_PATTERNS_MAX, Field::parse)?;
        EventFilter::new(patterns).map_or_else(|error| list.refuse(error), Some)
    });
    let ordered = object.optional("ordered", Field::boolean);
    Some(EndpointSettings {
        url: url?,
        description: description?.unwrap_or_default(),
        filter: filter?.unwrap_or_default(),
        ordered: ordered?.unwrap_or_default(),
    })
}

/// Body of `POST /v1/webhook-endpoints/{id}/rotate-secret`.
pub(crate) fn rotation(body: &Field<'_>) -> Option<Rotation> {
    let object = body.object(&["overlap_hours"])?;
    let hours = object.optional("overlap_hours", |field| {
        let hours = field.integer(0..=i64::from(OVERLAP_HOURS_MAX))?;
        u16::try_from(hours).ok()
    });
    Some(Rotation {
        overlap_hours: hours?.unwrap_or(OVERLAP_HOURS_DEFAULT),
    })
}

/// Body of `POST /v1/webhook-endpoints/{id}/replays`: the range, and where a page of it begins.
pub(crate) fn replay(body: &Field<'_>) -> Option<(ReplayRange, Option<String>)> {
    let object = body.object(&["since", "until", "statuses", "limit", "cursor"])?;
    let since = object.required("since", Field::parse::<Timestamp>);
    let until = object.required("until", Field::parse::<Timestamp>);
    let statuses = object.optional("statuses", |list| {
        list.list(1..=3, |item| {
            let status: DeliveryStatus = item.parse()?;
            if status == DeliveryStatus::Pending {
                return item.refuse("is on its way anyhow");
            }
            Some(status)
        })
    });
    let limit = object.optional("limit", |field| {
        let limit = field.integer(1..=i64::from(REPLAYED_MAX))?;
        u16::try_from(limit).ok()
    });
    let cursor = object.optional("cursor", |field| field.text().map(str::to_owned));
    let missed = vec![DeliveryStatus::Failed, DeliveryStatus::Skipped];
    let range = ReplayRange {
        since: since?,
        until: until?,
        statuses: statuses?.unwrap_or(missed),
        after: None,
        limit: limit?.unwrap_or(REPLAYED_MAX),
    };
    if range.since >= range.until {
        return body.refuse_at("/until", "is not after since");
    }
    Some((range, cursor?))
}
