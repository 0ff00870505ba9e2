//! Messages that a consumer could not take, kept until it can.

use crate::orders::{timestamp, to_column};
use crate::{Database, DatabaseError, TenantTx};
use souk_domain::{EventHead, EventId, TenantId, Timestamp};
use uuid::Uuid;

/// Why a message is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ParkReason {
    /// The event's type, or its version, is not known here.
    UnknownType,
    /// The consumer does not handle events of its type.
    UnhandledType,
    /// An earlier event of its aggregate is parked.
    Behind,
}

impl ParkReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::UnknownType, Self::UnhandledType, Self::Behind];

    /// As the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownType => "unknown_type",
            Self::UnhandledType => "unhandled_type",
            Self::Behind => "behind",
        }
    }
}

/// A parked message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Its event.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// Its aggregate.
    pub subject: String,
    /// Its position among the aggregate's events.
    pub sequence: u64,
    /// Why it is here.
    pub reason: String,
    /// The message as it came.
    pub body: String,
    /// Since when.
    pub parked_at: Timestamp,
    /// When it was last sent to its consumer again, and has not been applied since.
    pub released_at: Option<Timestamp>,
    /// How often it was.
    pub releases: u32,
}

/// How many messages of a kind are parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedCount {
    /// Whose.
    pub tenant: TenantId,
    /// For which consumer.
    pub consumer: String,
    /// Of which type.
    pub event_type: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub messages: u64,
    /// Of these, released and not applied yet.
    pub released: u64,
    /// Since when the oldest is parked.
    pub oldest: Timestamp,
}

/// Parks a message for `consumer`. One that is parked already stays, and counts as not released: it has come and
/// could not be taken again.
pub async fn park(
    tx: &mut TenantTx,
    consumer: &str,
    head: &EventHead,
    reason: ParkReason,
    body: &str,
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "INSERT INTO souk.parked_messages (tenant_id, consumer, event_id, event_type, subject, \
             sequence, occurred_at, reason, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT ON CONSTRAINT parked_messages_pkey \
         DO UPDATE SET reason = excluded.reason, released_at = NULL",
        tenant,
        consumer,
        head.id.as_uuid(),
        head.type_name,
        head.subject,
        to_column::<i64>(head.sequence, "a sequence")?,
        head.time.as_offset_date_time(),
        reason.as_str(),
        body,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The message is parked no longer: it was applied, or given up. Returns whether it was there.
pub async fn unpark(
    tx: &mut TenantTx,
    consumer: &str,
    event: EventId,
) -> Result<bool, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let deleted = sqlx::query!(
        "DELETE FROM souk.parked_messages \
         WHERE tenant_id = $1 AND consumer = $2 AND event_id = $3",
        tenant,
        consumer,
        event.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// At most `limit` messages that are parked for `consumer`, in the order in which they are to be released: by
/// aggregate, and in sequence within it. Only those after `after`, and of `event_type` if one is given.
pub async fn page(
    tx: &mut TenantTx,
    consumer: &str,
    event_type: Option<&str>,
    after: Option<(&str, u64)>,
    limit: u16,
) -> Result<Vec<ParkedMessage>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let (after_subject, after_sequence) = after.unwrap_or(("", 0));
    let rows = sqlx::query!(
        "SELECT event_id, event_type, subject, sequence, reason, body, parked_at, released_at, releases \
         FROM souk.parked_messages \
         WHERE tenant_id = $1 AND consumer = $2 AND ($3::text IS NULL OR event_type = $3) \
           AND (subject, sequence) > ($4::text, $5::bigint) \
         ORDER BY subject, sequence LIMIT $6",
        tenant,
        consumer,
        event_type,
        after_subject,
        to_column::<i64>(after_sequence, "a sequence")?,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ParkedMessage {
                event_id: EventId::from_uuid(row.event_id),
                event_type: row.event_type,
                subject: row.subject,
                sequence: to_column(row.sequence, "a sequence")?,
                reason: row.reason,
                body: row.body,
                parked_at: timestamp(row.parked_at)?,
                released_at: row.released_at.map(timestamp).transpose()?,
                releases: to_column(row.releases, "a count")?,
            })
        })
        .collect()
}

/// Notes that these messages were sent to their consumer again.
pub async fn mark_released(
    tx: &mut TenantTx,
    consumer: &str,
    events: &[EventId],
) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let events: Vec<Uuid> = events.iter().map(EventId::as_uuid).collect();
    sqlx::query!(
        "UPDATE souk.parked_messages SET released_at = now(), releases = releases + 1 \
         WHERE tenant_id = $1 AND consumer = $2 AND event_id = ANY ($3)",
        tenant,
        consumer,
        &events,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What is parked in a database, of all tenants. For the role `souk_sweeper`, which does not see what the messages
/// say. At most `limit` kinds, those parked for longest first.
pub async fn counts(db: &Database, limit: u16) -> Result<Vec<ParkedCount>, DatabaseError> {
    let mut tx = db.begin_without_tenant().await?;
    let rows = sqlx::query!(
        r#"SELECT tenant_id, consumer, event_type, reason, count(*) AS "messages!",
                  count(released_at) AS "released!", min(parked_at) AS "oldest!"
           FROM souk.parked_messages GROUP BY tenant_id, consumer, event_type, reason
           ORDER BY min(parked_at), tenant_id, consumer, event_type, reason LIMIT $1"#,
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(ParkedCount {
                tenant: TenantId::from_uuid(row.tenant_id),
                consumer: row.consumer,
                event_type: row.event_type,
                reason: row.reason,
                messages: to_column(row.messages, "a count")?,
                released: to_column(row.released, "a count")?,
                oldest: timestamp(row.oldest)?,
            })
        })
        .collect()
}
