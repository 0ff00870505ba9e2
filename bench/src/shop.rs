//! A database with one tenant that has enough of everything.

use crate::postgres::{BenchDatabase, Server};
use crate::requests::Requests;
use anyhow::Result;
use souk_domain::TenantId;
use souk_postgres::Database;
use uuid::Uuid;

const SHOP: &str = include_str!("../sql/shop.sql");
/// Skus are named by number, so that every peer makes the same names cheaply.
pub(crate) const SKU_FIRST: u32 = 1_001;
/// Skus of a shop.
pub(crate) const SKUS: u32 = 1_000;

/// A tenant in a database of its own.
#[derive(Debug)]
pub(crate) struct Shop<'a> {
    /// Where.
    pub(crate) database: BenchDatabase<'a>,
    /// Who.
    pub(crate) tenant: TenantId,
}

impl<'a> Shop<'a> {
    /// Makes the database, its schema, the tenant, and [`SKUS`] skus with a price in euro and a
    /// billion units each in one bucket.
    pub(crate) async fn open(server: &'a Server) -> Result<Self> {
        let database = server.create_database().await?;
        let owner = Database::connect_lazily(database.url().as_str(), 1)?;
        owner.migrate().await?;
        owner.close().await;
        let shop = Self {
            database,
            tenant: TenantId::from_uuid(Uuid::now_v7()),
        };
        let last = (SKU_FIRST + SKUS - 1).to_string();
        shop.sql(SHOP, &[("first", &SKU_FIRST.to_string()), ("last", &last)])
            .await?;
        Ok(shop)
    }

    /// Runs statements by the superuser; the tenant is `:'tenant'`.
    pub(crate) async fn sql(&self, sql: &str, variables: &[(&str, &str)]) -> Result<String> {
        let tenant = self.tenant_uuid();
        let mut all = vec![("tenant", tenant.as_str())];
        all.extend(variables);
        self.database.sql(sql, &all).await
    }

    /// The number that `sql` asks for.
    pub(crate) async fn number(&self, sql: &str, variables: &[(&str, &str)]) -> Result<i64> {
        let tenant = self.tenant_uuid();
        let mut all = vec![("tenant", tenant.as_str())];
        all.extend(variables);
        self.database.number(sql, &all).await
    }

    /// The tenant as Postgres writes it.
    pub(crate) fn tenant_uuid(&self) -> String {
        self.tenant.as_uuid().to_string()
    }

    /// The URL of the functions' role.
    pub(crate) fn app_url(&self) -> String {
        self.database.url_by_role("souk_app")
    }

    /// `count` signed orders of two different skus each, in the mix that every peer places.
    pub(crate) fn orders(&self, count: usize) -> Result<Vec<Vec<u8>>> {
        let requests = Requests::of(self.tenant)?;
        let half = SKUS / 2;
        let order = |_| {
            let first = SKU_FIRST + fastrand::u32(..half);
            let second = SKU_FIRST + half + fastrand::u32(..half);
            requests.order(&[
                (format!("SKU-{first}"), fastrand::u32(1..=3)),
                (format!("SKU-{second}"), fastrand::u32(1..=3)),
            ])
        };
        (0..count).map(order).collect()
    }
}
