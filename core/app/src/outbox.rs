//! The outbox as an operator sees it: how it stands, what was published, and what no queue takes. All by
//! the role `souk_relay`.

pub use souk_postgres::outbox::{
    HistoryEvent, HistoryFilter, HistoryPlace, LaneStatus, OutboxStatus, QuarantineFilter,
    Quarantined, drop_quarantined, history, list_quarantined, release_quarantined, status,
};
