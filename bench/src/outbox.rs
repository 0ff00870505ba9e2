//! A database with an outbox and a tenant.

use crate::postgres::{BenchDatabase, Server};
use crate::relaying::EVENT_BODY;
use anyhow::Result;
use souk_postgres::Database;
use uuid::Uuid;

const FILL: &str = include_str!("../sql/fill_outbox.sql");
const FILL_HISTORY: &str = include_str!("../sql/fill_history.sql");
/// Days of history: as long as it is kept.
const DAYS: u64 = 7;
/// So that millions fit the disk.
const SHORT_BODY: &str = r#"{"specversion":"1.0","source":"/souk/orders","type":"order.placed.v1","subject":"ord_01a1fea6b16976739d9246c99af38a24","data":{"padding":"xxxxxxxxxxxxxxxxxxxx"}}"#;
/// The order that the text of an event tells of, and the event's id, in that text.
const ORDER_IN_BODY: &str = "01a1fea6b16976739d9246c99af38a24";
const EVENT_IN_BODY: &str = "01a1fea6b16976739d9246cad6d4aa23";
/// Events of one order, as many as most have.
const EVENTS_PER_ORDER: u64 = 4;

/// An outbox in a database of its own.
#[derive(Debug)]
pub(crate) struct Outbox<'a> {
    pub(crate) database: BenchDatabase<'a>,
    tenant: Uuid,
}

impl<'a> Outbox<'a> {
    /// Makes the database and its schema.
    pub(crate) async fn open(server: &'a Server) -> Result<Self> {
        let database = server.create_database().await?;
        let owner = Database::connect_lazily(database.url().as_str(), 1)?;
        owner.migrate().await?;
        owner.close().await;
        Ok(Self {
            database,
            tenant: Uuid::now_v7(),
        })
    }

    /// Writes `events` events, four of each order, those of an order far apart.
    pub(crate) async fn fill(&self, events: u64) -> Result<()> {
        self.fill_with(events, EVENT_BODY.trim_end()).await
    }

    async fn fill_with(&self, events: u64, body: &str) -> Result<()> {
        fill(&self.database, self.tenant, events, body).await
    }

    /// As [`Outbox::fill`], with texts of a few words.
    pub(crate) async fn fill_short(&self, events: u64) -> Result<()> {
        self.fill_with(events, SHORT_BODY).await
    }

    /// Writes about `events` events of the last seven days that were published.
    pub(crate) async fn fill_history(&self, events: u64) -> Result<()> {
        let (tenant, per_day) = (self.tenant.to_string(), (events / DAYS).to_string());
        let variables = [
            ("tenant", tenant.as_str()),
            ("per_day", per_day.as_str()),
            ("body", SHORT_BODY),
        ];
        self.database.sql(FILL_HISTORY, &variables).await?;
        Ok(())
    }

    /// Lets the database write what is left to write, before something is measured.
    pub(crate) async fn settle(&self, quick: bool) -> Result<()> {
        if !quick {
            self.database.sql("CHECKPOINT", &[]).await?;
        }
        Ok(())
    }

    /// The URL of the relay's role.
    pub(crate) fn relay_url(&self) -> String {
        self.database.url_by_role("souk_relay")
    }
}

/// Writes `events` events of `tenant` with `body`, four of each order, those of an order far apart.
pub(crate) async fn fill(
    database: &BenchDatabase<'_>,
    tenant: Uuid,
    events: u64,
    body: &str,
) -> Result<()> {
    let tenant = tenant.to_string();
    let orders = events.div_ceil(EVENTS_PER_ORDER).to_string();
    let (events, per_order) = (events.to_string(), EVENTS_PER_ORDER.to_string());
    let variables = [
        ("tenant", tenant.as_str()),
        ("orders", orders.as_str()),
        ("events", events.as_str()),
        ("per_order", per_order.as_str()),
        ("body", body),
        ("order_in_body", ORDER_IN_BODY),
        ("event_in_body", EVENT_IN_BODY),
    ];
    database.sql(FILL, &variables).await?;
    Ok(())
}
