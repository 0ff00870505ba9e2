//! Endpoints.

use crate::orders::{timestamp, to_column};
use crate::{DatabaseError, TenantTx};
use souk_domain::WebhookEndpointId;
use souk_domain::webhook::{
    DisabledBy, EndpointSettings, EndpointState, EventFilter, EventPattern, Health, WebhookEndpoint,
};
use time::OffsetDateTime;
use uuid::Uuid;

struct EndpointRow {
    endpoint_id: Uuid,
    url: String,
    description: String,
    event_types: Vec<String>,
    ordered: bool,
    disabled_by: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    events: i64,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<EndpointRow> for WebhookEndpoint {
    type Error = DatabaseError;

    fn try_from(row: EndpointRow) -> Result<Self, DatabaseError> {
        let patterns = row
            .event_types
            .iter()
            .map(|pattern| pattern.parse::<EventPattern>())
            .collect::<Result<_, _>>()
            .and_then(EventFilter::new);
        let filter = patterns.map_err(|e| DatabaseError::corrupt("event pattern", e))?;
        let state = match row.disabled_by.zip(row.disabled_at) {
            None => EndpointState::Enabled,
            Some((by, at)) => EndpointState::Disabled {
                by: by
                    .parse::<DisabledBy>()
                    .map_err(|e| DatabaseError::corrupt("disabled_by", e))?,
                at: timestamp(at)?,
            },
        };
        let number = |value: i64| {
            u64::try_from(value).map_err(|e| DatabaseError::corrupt("number of an endpoint", e))
        };
        Ok(Self {
            id: WebhookEndpointId::from_uuid(row.endpoint_id),
            settings: EndpointSettings {
                url: row
                    .url
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("endpoint's URL", e))?,
                description: row
                    .description
                    .parse()
                    .map_err(|e| DatabaseError::corrupt("description", e))?,
                filter,
                ordered: row.ordered,
            },
            state,
            health: Health {
                failing_since: row.failing_since.map(timestamp).transpose()?,
            },
            events: number(row.events)?,
            version: number(row.version)?,
            created_at: timestamp(row.created_at)?,
            updated_at: timestamp(row.updated_at)?,
        })
    }
}

/// What of an endpoint its row has, in the form of its columns.
struct Columns {
    event_types: Vec<String>,
    status: &'static str,
    disabled_by: Option<&'static str>,
    disabled_at: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    events: i64,
    version: i64,
}

impl Columns {
    fn of(endpoint: &WebhookEndpoint) -> Result<Self, DatabaseError> {
        let (status, disabled_by, disabled_at) = match endpoint.state {
            EndpointState::Enabled => ("enabled", None, None),
            EndpointState::Disabled { by, at } => {
                let at = at.as_offset_date_time();
                ("disabled", Some(by.as_str()), Some(at))
            }
        };
        let patterns = endpoint.settings.filter.patterns();
        Ok(Self {
            event_types: patterns.iter().map(ToString::to_string).collect(),
            status,
            disabled_by,
            disabled_at,
            failing_since: endpoint
                .health
                .failing_since
                .map(|at| at.as_offset_date_time()),
            events: to_column(endpoint.events, "a number of events")?,
            version: to_column(endpoint.version, "a version")?,
        })
    }
}

/// How many endpoints the tenant has.
pub async fn count(tx: &mut TenantTx) -> Result<u64, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM souk.webhook_endpoints
           WHERE tenant_id = $1 AND status <> 'deleted'"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    u64::try_from(count).map_err(|e| DatabaseError::corrupt("count", e))
}

/// Writes a new endpoint.
pub async fn insert(tx: &mut TenantTx, endpoint: &WebhookEndpoint) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let columns = Columns::of(endpoint)?;
    let settings = &endpoint.settings;
    sqlx::query!(
        "INSERT INTO souk.webhook_endpoints \
             (tenant_id, endpoint_id, url, description, event_types, ordered, status, events, \
              version, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tenant,
        endpoint.id.as_uuid(),
        settings.url.as_str(),
        settings.description.as_str(),
        &columns.event_types,
        settings.ordered,
        columns.status,
        columns.events,
        columns.version,
        endpoint.created_at.as_offset_date_time(),
        endpoint.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Writes the endpoint as it is now. The caller has its row locked.
pub async fn update(tx: &mut TenantTx, endpoint: &WebhookEndpoint) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let columns = Columns::of(endpoint)?;
    let settings = &endpoint.settings;
    sqlx::query!(
        "UPDATE souk.webhook_endpoints \
         SET url = $3, description = $4, event_types = $5, ordered = $6, status = $7, \
             disabled_by = $8, disabled_at = $9, failing_since = $10, events = $11, version = $12, \
             updated_at = $13 \
         WHERE tenant_id = $1 AND endpoint_id = $2",
        tenant,
        endpoint.id.as_uuid(),
        settings.url.as_str(),
        settings.description.as_str(),
        &columns.event_types,
        settings.ordered,
        columns.status,
        columns.disabled_by,
        columns.disabled_at,
        columns.failing_since,
        columns.events,
        columns.version,
        endpoint.updated_at.as_offset_date_time(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Lets the endpoint, whose row the caller has locked, not be found any more, and forgets its secrets.
pub async fn delete(tx: &mut TenantTx, endpoint: &WebhookEndpoint) -> Result<(), DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    sqlx::query!(
        "UPDATE souk.webhook_endpoints SET status = 'deleted', version = version + 1 \
         WHERE tenant_id = $1 AND endpoint_id = $2",
        tenant,
        endpoint.id.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "DELETE FROM souk.webhook_secrets WHERE tenant_id = $1 AND endpoint_id = $2",
        tenant,
        endpoint.id.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The endpoint, if the tenant has it.
pub async fn load(
    tx: &mut TenantTx,
    id: WebhookEndpointId,
) -> Result<Option<WebhookEndpoint>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        EndpointRow,
        "SELECT endpoint_id, url, description, event_types, ordered, disabled_by, disabled_at, \
             failing_since, events, version, created_at, updated_at \
         FROM souk.webhook_endpoints \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND status <> 'deleted'",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(WebhookEndpoint::try_from).transpose()
}

/// The same, locked against other changes until the transaction ends.
pub async fn load_for_update(
    tx: &mut TenantTx,
    id: WebhookEndpointId,
) -> Result<Option<WebhookEndpoint>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let row = sqlx::query_as!(
        EndpointRow,
        "SELECT endpoint_id, url, description, event_types, ordered, disabled_by, disabled_at, \
             failing_since, events, version, created_at, updated_at \
         FROM souk.webhook_endpoints \
         WHERE tenant_id = $1 AND endpoint_id = $2 AND status <> 'deleted' FOR NO KEY UPDATE",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(WebhookEndpoint::try_from).transpose()
}

/// At most `limit` endpoints in the order in which they were entered, from after `after` on.
pub async fn list(
    tx: &mut TenantTx,
    after: Option<WebhookEndpointId>,
    limit: u16,
) -> Result<Vec<WebhookEndpoint>, DatabaseError> {
    let tenant = tx.tenant().as_uuid();
    let rows = sqlx::query_as!(
        EndpointRow,
        "SELECT endpoint_id, url, description, event_types, ordered, disabled_by, disabled_at, \
             failing_since, events, version, created_at, updated_at \
         FROM souk.webhook_endpoints \
         WHERE tenant_id = $1 AND endpoint_id > $2 AND status <> 'deleted' \
         ORDER BY endpoint_id LIMIT $3",
        tenant,
        after.map_or(Uuid::nil(), |after| after.as_uuid()),
        i64::from(limit),
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(WebhookEndpoint::try_from).collect()
}

/// All of them: few, see `ENDPOINTS_MAX`.
pub async fn all(tx: &mut TenantTx) -> Result<Vec<WebhookEndpoint>, DatabaseError> {
    list(tx, None, u16::MAX).await
}
