//! The outbox: events written with the state they tell of, and the lanes through which relays take
//! them out.
//!
//! Nothing is marked on an event. A lane has a cursor, which its holder alone moves: each lease carries
//! a fencing token that rises when the lane changes hands, and what is recorded under an older one
//! changes nothing. Lease times are the database's clock alone.
//!
//! What was committed late, below a cursor that has passed, is found by the transaction that wrote it:
//! the cursor remembers which had ended when it passed. What the cursor passes and the queue has not
//! taken is held, in a table of its own.

use crate::orders::to_column;
use crate::{DatabaseError, TenantTx};
use souk_domain::{Event, lane_of};
mod history;
mod lanes;
mod leasing;
mod quarantine;
mod reading;
mod recording;
mod status;

pub use history::{HistoryEvent, HistoryFilter, HistoryPlace, history};
pub use lanes::{
    Failure, Found, LaneCursor, LaneLease, LaneProgress, LaneRelease, LeaseTerms, Leased,
    LeasedLane, OutboxRead, ParkedEvent, PendingEvent, Progress, ReadLimits, Recorded,
    RecordedLane, Seen,
};
pub use leasing::{lease, release};
pub use quarantine::{
    QuarantineFilter, Quarantined, drop_quarantined, list_quarantined, release_quarantined,
};
pub use reading::read;
pub use recording::{park_late, record};
pub use status::{BACKLOG_PER_LANE_COUNTED_MAX, LaneStatus, OutboxStatus, status};

/// Writes `event` in the transaction of the change that it tells of. `text` is its JSON text, from
/// [`Event::to_json_text`], which has checked its size.
pub async fn append(tx: &mut TenantTx, event: &Event, text: &str) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.outbox_events \
             (event_id, tenant_id, lane, aggregate_id, sequence, event_type, body, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        event.id.as_uuid(),
        tenant,
        i16::from(lane_of(event.subject.as_uuid())),
        event.subject.as_uuid(),
        to_column::<i64>(event.sequence, "a sequence")?,
        event.data.type_name(),
        text,
        event.time.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
