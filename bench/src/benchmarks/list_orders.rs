//! `list-orders`: a list is as fast for who has a million orders as for who has a thousand.

use super::{Outcome, Settings};
use crate::child::ChildServer;
use crate::load::Connection;
use crate::machine::Machine;
use crate::origin;
use crate::report::Limit;
use crate::requests::Requests;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::shop::Shop;
use anyhow::{Context as _, Result, ensure};
use core::time::Duration;
use serde_json::{Value, json};
use souk_domain::TenantId;
use std::time::Instant;
use time::OffsetDateTime;
use uuid::Uuid;

const ORDERS_MANY: u32 = 1_000_000;
const ORDERS_FEW: u32 = 1_000;
const ORDERS_MANY_QUICK: u32 = 5_000;
/// Orders of a page: what a list gives at most.
const LIMIT: usize = 100;

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let shop = Shop::open(settings.server).await?;
    let (many, few) = (shop.tenant, TenantId::from_uuid(Uuid::now_v7()));
    let count_many = settings.pick(ORDERS_MANY, ORDERS_MANY_QUICK);
    eprintln!("filling {count_many} orders, which takes a while");
    fill(&shop, many, count_many).await?;
    fill(&shop, few, ORDERS_FEW).await?;
    shop.sql("VACUUM ANALYZE", &[]).await?;
    let server = origin::start_ours(&shop.app_url(), 2, 2).await?;
    let mut comparisons = Vec::new();
    let half_a_year_ago = OffsetDateTime::now_utc() - time::Duration::days(182);
    let middle = half_a_year_ago.date();
    let lists = [
        ("/v1/orders?limit=100".to_owned(), 0),
        (
            format!("/v1/orders?limit=100&placed_before={middle}T00:00:00Z"),
            2,
        ),
        ("/v1/orders?limit=20&status=cancelled".to_owned(), 0),
        ("/v1/orders?limit=20&status=cancelled".to_owned(), 4),
        (
            "/v1/orders?limit=100&customer_reference=customer-7".to_owned(),
            0,
        ),
    ];
    for (list, pages_before) in &lists {
        comparisons.push(compare(settings, &server, (many, few), list, *pages_before).await?);
    }
    server.stop().await?;
    let ratio = comparisons
        .iter()
        .map(|comparison| comparison.ratio)
        .fold(f64::NEG_INFINITY, f64::max);
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::AtMost(1.3),
        notes: vec!["the limit is on the worst of them".to_owned()],
        facts: json!({ "orders_many": count_many, "orders_few": ORDERS_FEW }),
        comparisons,
    })
}

/// Orders as they would have come in over months, in the order of their ids.
async fn fill(shop: &Shop<'_>, tenant: TenantId, count: u32) -> Result<()> {
    let sql = include_str!("../../sql/fill_orders.sql");
    let (tenant, count) = (tenant.as_uuid().to_string(), count.to_string());
    let variables = [("tenant", tenant.as_str()), ("count", count.as_str())];
    shop.database.sql(sql, &variables).await?;
    Ok(())
}

async fn compare(
    settings: &Settings<'_>,
    server: &ChildServer,
    (many, few): (TenantId, TenantId),
    list: &str,
    pages_before: usize,
) -> Result<Comparison> {
    let pairs = settings.pick(10, 2);
    let mut of_many = Pages::open(server, many, list, pages_before).await?;
    let mut of_few = Pages::open(server, few, list, pages_before).await?;
    ensure!(
        of_many.orders == of_few.orders,
        "pages of other lengths: {} and {} orders",
        of_many.orders,
        of_few.orders
    );
    let requests = settings.pick(200, 10);
    let (ours, peer) = in_turns(
        pairs,
        async || of_many.round(requests).await,
        async || of_few.round(requests).await,
    )
    .await?;
    let page = match pages_before {
        0 => "first page".to_owned(),
        pages => format!("page {}", pages + 1),
    };
    Comparison::new(
        &format!("GET {list}, {page} of {} orders", of_many.orders),
        Measure::P50,
        ("many orders", &ours),
        ("a thousand orders", &peer),
    )
}

/// One page of a list, again and again over one connection.
struct Pages {
    connection: Connection,
    requests: Requests,
    path: String,
    orders: usize,
}

impl Pages {
    async fn open(
        server: &ChildServer,
        tenant: TenantId,
        list: &str,
        pages_before: usize,
    ) -> Result<Self> {
        let mut pages = Self {
            connection: Connection::open(server.address).await?,
            requests: Requests::of(tenant)?,
            path: list.to_owned(),
            orders: 0,
        };
        let mut page = pages.get().await?;
        for _ in 0..pages_before {
            let cursor = page
                .get("next_cursor")
                .and_then(Value::as_str)
                .with_context(|| format!("{list} has no further page"))?;
            pages.path = format!("{list}&cursor={cursor}");
            page = pages.get().await?;
        }
        let orders = page.as_object().and_then(|page| {
            let mut members = page.values();
            members.find_map(Value::as_array).map(Vec::len)
        });
        pages.orders = orders.context("a page has orders")?;
        ensure!(
            (1..=LIMIT).contains(&pages.orders),
            "{} orders in {}",
            pages.orders,
            pages.path
        );
        Ok(pages)
    }

    async fn get(&mut self) -> Result<Value> {
        let request = self.requests.get(&self.path)?;
        let status = self.connection.ask(&request).await?;
        let body = String::from_utf8_lossy(self.connection.body());
        ensure!(status == 200, "{} answers {status}: {body}", self.path);
        Ok(serde_json::from_str(&body)?)
    }

    async fn round(&mut self, requests: usize) -> Result<Round> {
        let mut round = Round::new()?;
        let mut elapsed = Duration::ZERO;
        // One signature lives long enough for a round.
        let request = self.requests.get(&self.path)?;
        for _ in 0..requests {
            let sent = Instant::now();
            let status = self.connection.ask(&request).await?;
            let latency = sent.elapsed();
            round.note(status, latency);
            elapsed += latency;
        }
        crate::load::require_only(&round, 200)?;
        round.elapsed = elapsed;
        Ok(round)
    }
}
