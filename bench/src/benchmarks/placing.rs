//! Placing orders over HTTP: the side that several benchmarks share.

use super::Settings;
use crate::child::ChildServer;
use crate::load::{drive, require_only};
use crate::origin;
use crate::rounds::{Round, in_turns};
use crate::shop::Shop;
use anyhow::{Result, bail};
use core::cell::Cell;
use core::time::Duration;

/// Orders that are written in advance for each second and connection: more than any server takes.
const ORDERS_PER_S_OF_ONE_CONNECTION: usize = 4_000;
/// The same for all connections together.
const ORDERS_PER_S: usize = 9_000;
const ORDERS_PER_S_QUICK: usize = 1_000;
const CREATED: u16 = 201;

/// Pairs of rounds, and how long each round and the run-ups before the first are, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) pairs: usize,
    pub(super) round_s: u64,
    pub(super) run_up_s: (u64, u64),
}

/// Rounds of both in turns.
pub(super) async fn compared(
    settings: &Settings<'_>,
    (ours, peer): (&Placing<'_>, &Placing<'_>),
    plan: Plan,
) -> Result<(Vec<Round>, Vec<Round>)> {
    if !settings.quick {
        ours.round(plan.run_up_s.0).await?;
        peer.round(plan.run_up_s.1).await?;
    }
    in_turns(
        plan.pairs,
        async || ours.round(plan.round_s).await,
        async || peer.round(plan.round_s).await,
    )
    .await
}

/// A shop, and a server that takes its orders.
#[derive(Debug)]
pub(crate) struct Placing<'a> {
    pub(crate) shop: Shop<'a>,
    server: ChildServer,
    connections: usize,
    orders_per_s: usize,
    quick: bool,
    /// Orders that were acknowledged so far.
    acknowledged: Cell<u64>,
}

impl<'a> Placing<'a> {
    /// Opens a shop with the orders function, which has as many connections to the database as the
    /// load generator has to it.
    pub(crate) async fn ours(settings: &Settings<'a>, connections: usize) -> Result<Self> {
        let shop = Shop::open(settings.server).await?;
        let server = origin::start_ours(&shop.app_url(), connections, settings.threads).await?;
        Ok(Self::new(settings, shop, server, connections))
    }

    /// The same with the peer in JavaScript.
    pub(crate) async fn node(settings: &Settings<'a>, connections: usize) -> Result<Self> {
        let shop = Shop::open(settings.server).await?;
        let places = settings.places;
        let url = shop.app_url();
        let server = origin::start_node(&places.node, &places.bench, &url, connections).await?;
        Ok(Self::new(settings, shop, server, connections))
    }

    fn new(
        settings: &Settings<'_>,
        shop: Shop<'a>,
        server: ChildServer,
        connections: usize,
    ) -> Self {
        let full = (connections * ORDERS_PER_S_OF_ONE_CONNECTION).min(ORDERS_PER_S);
        Self {
            shop,
            server,
            connections,
            orders_per_s: settings.pick(full, ORDERS_PER_S_QUICK),
            quick: settings.quick,
            acknowledged: Cell::new(0),
        }
    }

    /// Places orders for `seconds`; every one must be taken.
    pub(crate) async fn round(&self, seconds: u64) -> Result<Round> {
        let count = self.orders_per_s * usize::try_from(seconds)?;
        self.write_back().await?;
        let round = self.send(seconds, self.shop.orders(count)?).await?;
        require_only(&round, CREATED)?;
        Ok(round)
    }

    /// Lets the database write what earlier rounds have left to write. Before requests are signed:
    /// it may take longer than a signature lives.
    pub(crate) async fn write_back(&self) -> Result<()> {
        if !self.quick {
            self.shop.database.sql("CHECKPOINT", &[]).await?;
        }
        Ok(())
    }

    /// Sends `requests` for at most `seconds`, whatever the answers are.
    pub(crate) async fn send(&self, seconds: u64, requests: Vec<Vec<u8>>) -> Result<Round> {
        let before = self.server.cpu_time();
        let limit = Duration::from_secs(seconds);
        let mut round = drive(self.server.address, self.connections, limit, requests).await?;
        round.server_cpu = self
            .server
            .cpu_time()
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        let created = round.answers.get(&CREATED).copied().unwrap_or_default();
        self.acknowledged.set(self.acknowledged.get() + created);
        Ok(round)
    }

    /// Ends the server, and fails unless the tables have every acknowledged order, with all that
    /// belongs to it, exactly once.
    pub(crate) async fn finish(self) -> Result<u64> {
        self.server.stop().await?;
        let acknowledged = self.acknowledged.get();
        let wanted = i64::try_from(acknowledged)?;
        for (what, sql) in [
            ("orders", "SELECT count(*) FROM souk.orders"),
            (
                "stored answers",
                "SELECT count(DISTINCT resource_id) FROM souk.idempotency_keys \
                 WHERE response_status = 201",
            ),
            (
                "events",
                "SELECT count(*) FROM souk.outbox_events WHERE sequence = 1",
            ),
            (
                "orders with lines",
                "SELECT count(DISTINCT order_id) FROM souk.order_lines",
            ),
        ] {
            let found = self.shop.number(sql, &[]).await?;
            if found != wanted {
                bail!("{acknowledged} orders were acknowledged, the tables have {found} {what}");
            }
        }
        require_reserved_as_ordered(&self.shop).await?;
        Ok(acknowledged)
    }
}

async fn require_reserved_as_ordered(shop: &Shop<'_>) -> Result<()> {
    let wrong = "WITH ordered AS ( \
                     SELECT sku, sum(quantity) AS units FROM souk.order_lines GROUP BY sku), \
                 held AS (SELECT sku, sum(reserved) AS units FROM souk.stock_levels GROUP BY sku) \
                 SELECT count(*) FROM held FULL JOIN ordered USING (sku) \
                 WHERE coalesce(held.units, 0) <> coalesce(ordered.units, 0)";
    match shop.number(wrong, &[]).await? {
        0 => Ok(()),
        skus => bail!("{skus} skus have other units reserved than were ordered"),
    }
}
