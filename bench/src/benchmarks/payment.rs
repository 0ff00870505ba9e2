//! `payment`: intent, confirmation and capture through everything that is ours, against the calls of the
//! PSP that they need, made directly.
//!
//! The PSP is the simulator, in a process of its own; once it answers at once, and once as late as a PSP
//! far away does.

use super::{Outcome, Settings};
use crate::child::ChildServer;
use crate::load::{Connection, require_only};
use crate::machine::Machine;
use crate::origin::{start_ours, start_payments, start_psp};
use crate::report::Limit;
use crate::requests::Requests;
use crate::rounds::{Comparison, Measure, Round, in_turns};
use crate::shop::Shop;
use anyhow::{Context as _, Result, ensure};
use core::time::Duration;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// How late the PSP's answers are; the limit is on the first.
const LATENCIES_MS: [u64; 2] = [0, 100];
const CREATED: u16 = 201;
const OK: u16 = 200;

/// Calls of the PSP for a payment that is confirmed and then captured.
const PSP_KEY: &str = "sk_test_bench";

struct Paying<'a> {
    shop: &'a Shop<'a>,
    payments: ChildServer,
    psp: ChildServer,
    /// Orders that nobody has paid yet.
    orders: RefCell<Vec<String>>,
    raw: Cell<u64>,
}

pub(super) async fn run(settings: &Settings<'_>) -> Result<Outcome> {
    let machine = Machine::look();
    let mut comparisons = Vec::new();
    for latency_ms in settings.some_of(&LATENCIES_MS) {
        comparisons.push(compare_at(settings, latency_ms).await?);
    }
    let ratio = comparisons.first().map_or(f64::NAN, |first| first.ratio);
    Ok(Outcome {
        machine,
        ratio,
        limit: Limit::AtMost(1.5),
        notes: vec![
            "ours are three requests from the edge and two calls of the PSP, each between two \
             transactions with fsync; the peer makes the two calls; 1 connection; the limit is on a PSP \
             that answers at once"
                .to_owned(),
        ],
        facts: serde_json::json!({ "server_threads": settings.threads }),
        comparisons,
    })
}

async fn compare_at(settings: &Settings<'_>, latency_ms: u64) -> Result<Comparison> {
    let shop = Shop::open(settings.server).await?;
    let (pairs, payments) = match (settings.quick, latency_ms) {
        (true, _) => (1, 5),
        (false, 0) => (6, 200),
        (false, _) => (4, 25),
    };
    let psp = start_psp(latency_ms).await?;
    let psp_url = format!("http://{}", psp.address);
    let paying = Paying {
        orders: RefCell::new(orders(settings, &shop, (pairs + 1) * payments).await?),
        payments: start_payments(&shop.app_url(), settings.threads, &psp_url).await?,
        shop: &shop,
        psp,
        raw: Cell::new(0),
    };
    // A run-up.
    paying.ours(payments).await?;
    paying.peer(payments).await?;
    let (of_ours, of_peer) = in_turns(
        pairs,
        async || paying.ours(payments).await,
        async || paying.peer(payments).await,
    )
    .await?;
    let wanted = i64::try_from((pairs + 1) * payments)?;
    let succeeded = "SELECT count(*) FROM souk.payment_intents WHERE status = 'succeeded'";
    let found = shop.number(succeeded, &[]).await?;
    ensure!(found == wanted, "{found} payments of {wanted} succeeded");
    let sold = "SELECT count(DISTINCT payment_intent_id) FROM souk.ledger_transfers";
    let found = shop.number(sold, &[]).await?;
    ensure!(found == wanted, "{found} payments of {wanted} are booked");
    Comparison::new(
        &format!("a PSP that answers after {latency_ms} ms"),
        Measure::P50,
        (
            "intent, confirmation, capture: HTTP, signature, axum, app, Postgres, PSP",
            &of_ours,
        ),
        ("the PSP's two calls", &of_peer),
    )
}

/// Places orders, and returns their ids.
async fn orders(settings: &Settings<'_>, shop: &Shop<'_>, count: usize) -> Result<Vec<String>> {
    let server = start_ours(&shop.app_url(), 2, settings.threads).await?;
    let mut connection = Connection::open(server.address).await?;
    let mut ids = Vec::with_capacity(count);
    for request in shop.orders(count)? {
        let status = connection.ask(&request).await?;
        ensure!(status == CREATED, "an order is answered with {status}");
        ids.push(id_in(connection.body())?);
    }
    server.stop().await?;
    Ok(ids)
}

fn id_in(body: &[u8]) -> Result<String> {
    let value: Value = serde_json::from_slice(body)?;
    let id = value.get("id").and_then(Value::as_str);
    Ok(id.context("an answer has an id")?.to_owned())
}

/// Asks, and adds the time that it took.
async fn timed(
    connection: &mut Connection,
    request: &[u8],
    wanted: u16,
    took: &mut Duration,
) -> Result<()> {
    let sent = Instant::now();
    let status = connection.ask(request).await?;
    *took += sent.elapsed();
    let body = || String::from_utf8_lossy(connection.body()).into_owned();
    ensure!(status == wanted, "answered with {status}: {}", body());
    Ok(())
}

impl Paying<'_> {
    async fn ours(&self, count: usize) -> Result<Round> {
        let requests = Requests::of(self.shop.tenant)?;
        let mut connection = Connection::open(self.payments.address).await?;
        let mut round = Round::new()?;
        let began = Instant::now();
        for _ in 0..count {
            let order = self.orders.borrow_mut().pop().context("an unpaid order")?;
            let mut took = Duration::ZERO;
            let body = format!(r#"{{"order_id":"{order}","capture_method":"manual"}}"#);
            let create = requests.post("/v1/payment-intents", &body)?;
            timed(&mut connection, &create, CREATED, &mut took).await?;
            let intent = format!("/v1/payment-intents/{}", id_in(connection.body())?);
            let body = r#"{"payment_method":"pm_card_visa"}"#;
            let confirm = requests.post(&format!("{intent}/confirm"), body)?;
            timed(&mut connection, &confirm, OK, &mut took).await?;
            let capture = requests.post(&format!("{intent}/capture"), "{}")?;
            timed(&mut connection, &capture, OK, &mut took).await?;
            round.note(OK, took);
        }
        round.elapsed = began.elapsed();
        require_only(&round, OK)?;
        Ok(round)
    }

    async fn peer(&self, count: usize) -> Result<Round> {
        let mut connection = Connection::open(self.psp.address).await?;
        let mut round = Round::new()?;
        let began = Instant::now();
        for _ in 0..count {
            let mut took = Duration::ZERO;
            let create = self.call(
                "/v1/payment_intents",
                "amount=1000&currency=eur&capture_method=manual&payment_method=pm_card_visa\
                 &confirm=true&expand[0]=latest_charge.refunds",
            );
            timed(&mut connection, &create, OK, &mut took).await?;
            let path = format!("/v1/payment_intents/{}/capture", id_in(connection.body())?);
            let capture = self.call(&path, "expand[0]=latest_charge.refunds");
            timed(&mut connection, &capture, OK, &mut took).await?;
            round.note(OK, took);
        }
        round.elapsed = began.elapsed();
        Ok(round)
    }

    fn call(&self, path: &str, form: &str) -> Vec<u8> {
        let number = self.raw.replace(self.raw.get() + 1);
        let length = form.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {PSP_KEY}\r\n\
             stripe-version: 2026-09-30.endive\r\nidempotency-key: raw-{number}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        )
        .into_bytes()
    }
}
