//! Which events are meant: by tenant, type and time.

use clap::Args;
use serde::Deserialize;
use souk_domain::{TenantId, Timestamp};

/// Only those; all where nothing is said.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EventFilter {
    /// Only events of this tenant.
    #[arg(long)]
    pub(crate) tenant: Option<TenantId>,
    /// Only events of these types, such as order.placed.v1.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only what happened from then on, such as 2026-11-21T00:00:00Z.
    #[arg(long)]
    pub(crate) since: Option<Timestamp>,
    /// Only what happened before then.
    #[arg(long)]
    pub(crate) until: Option<Timestamp>,
}

/// What an envelope says of itself, as far as it can be read: a message that nobody understands has to
/// be looked at as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EventFacts {
    pub(crate) id: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Envelope {
    id: Option<String>,
    r#type: Option<String>,
    tenant_id: Option<String>,
    subject: Option<String>,
    time: Option<String>,
}

impl EventFacts {
    /// Reads what `body` has of it.
    pub(crate) fn of(body: &str) -> Self {
        let Ok(envelope) = serde_json::from_str::<Envelope>(body) else {
            return Self::default();
        };
        Self {
            id: envelope.id,
            event_type: envelope.r#type,
            tenant: envelope.tenant_id.and_then(|id| id.parse().ok()),
            subject: envelope.subject,
            time: envelope.time.and_then(|at| at.parse().ok()),
        }
    }
}

impl EventFilter {
    /// The type, where there is only one.
    pub(crate) fn only_type(&self) -> Option<String> {
        match self.types.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Whether these are meant. What is not known of an event is not what was asked for.
    pub(crate) fn admits(&self, facts: &EventFacts) -> bool {
        let tenant = self.tenant.is_none() || facts.tenant == self.tenant;
        let named = |name: &String| self.types.contains(name);
        let event_type = self.types.is_empty() || facts.event_type.as_ref().is_some_and(named);
        let since = self
            .since
            .is_none_or(|since| facts.time.is_some_and(|at| at >= since));
        let until = self
            .until
            .is_none_or(|until| facts.time.is_some_and(|at| at < until));
        tenant && event_type && since && until
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const BODY: &str = r#"{"id":"evt_1","type":"order.placed.v1","subject":"ord_1",
        "tenant_id":"ten_019aa52b6a6d7c31a4b0a4dbb0e2f6c1","time":"2026-11-21T10:00:00Z","data":{}}"#;

    #[test]
    fn a_filter_lets_pass_what_it_names() {
        let facts = EventFacts::of(BODY);
        assert!(facts.tenant.is_some() && facts.time.is_some());
        let at = |text: &str| Some(text.parse().unwrap());
        let open = EventFilter::default();
        assert!(open.admits(&facts));
        let with = |change: fn(&mut EventFilter)| {
            let mut filter = EventFilter {
                tenant: facts.tenant,
                types: vec!["order.placed.v1".to_owned()],
                since: at("2026-11-21T10:00:00Z"),
                until: at("2026-11-21T10:00:01Z"),
            };
            change(&mut filter);
            filter.admits(&facts)
        };
        assert!(with(|_| {}));
        assert!(!with(
            |f| f.tenant = Some(TenantId::from_uuid(uuid::Uuid::nil()))
        ));
        assert!(!with(|f| f.types = vec!["order.placed.v2".to_owned()]));
        assert!(!with(
            |f| f.since = Some("2026-11-21T10:00:01Z".parse().unwrap())
        ));
        assert!(!with(
            |f| f.until = Some("2026-11-21T10:00:00Z".parse().unwrap())
        ));
    }

    #[test]
    fn what_cannot_be_read_is_let_pass_by_an_open_filter_only() {
        for body in ["", "no JSON", "[]", r#"{"type":7}"#, "{}"] {
            let facts = EventFacts::of(body);
            assert_eq!(facts, EventFacts::default(), "{body}");
            assert!(EventFilter::default().admits(&facts));
            let typed = EventFilter {
                types: vec!["order.placed.v1".to_owned()],
                ..EventFilter::default()
            };
            assert!(!typed.admits(&facts));
        }
    }
}
