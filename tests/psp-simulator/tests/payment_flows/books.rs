//! What must hold in the end.

use crate::flow::{Flow, is_for_people};
use crate::shop::{ORDERED, UNITS};
use core::fmt;
use souk_app::get_order;
use souk_app::payments::verify_ledger;
use souk_domain::payment::IntentStatus;
use souk_domain::{OrderStatus, PaymentStatus};
use std::collections::BTreeMap;

/// What many flows have come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) flows: u64,
    pub(crate) deaths: u64,
    captured_minor: i64,
    refunded_minor: i64,
    statuses: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        self.deaths += other.deaths;
        self.captured_minor += other.captured_minor;
        self.refunded_minor += other.refunded_minor;
        for (status, count) in &other.statuses {
            *self.statuses.entry(status.clone()).or_default() += count;
        }
        for (fault, count) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += count;
        }
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = self.faults.get("None").copied().unwrap_or(0);
        let calls: u64 = self.faults.values().sum();
        writeln!(
            f,
            "{} flows, {} processes died, {calls} calls of the PSP, {} of them went wrong",
            self.flows,
            self.deaths,
            calls - clean
        )?;
        writeln!(
            f,
            "captured {} and refunded {} cents: at the PSP, in the ledger and on the intents alike",
            self.captured_minor, self.refunded_minor
        )?;
        writeln!(f, "intents: {:?}", self.statuses)?;
        write!(f, "faults: {:?}", self.faults)
    }
}

fn holds(what: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if what { Ok(()) } else { Err(words()) }
}

/// Checks a flow that has come to rest.
pub(crate) async fn check(flow: &Flow<'_>) -> Result<Tally, String> {
    let described = flow.describe().await;
    let says = |what: &str| format!("{what}: {described}");
    let totals = flow.simulator.totals();
    let mut tally = Tally {
        flows: 1,
        faults: totals.faults.clone(),
        ..Tally::default()
    };
    let mut people = false;
    let (mut captured, mut refunded, mut kept) = (0, 0, 0);
    let total = flow
        .intents()
        .await
        .first()
        .map(|own| own.amount.amount_minor());
    for intent in flow.intents().await {
        *tally.statuses.entry(intent.status.to_string()).or_default() += 1;
        let paid = totals.intents.get(&intent.id.to_string()).cloned();
        let paid = paid.unwrap_or_default();
        holds(paid.payments_with_money <= 1, || says("paid twice"))?;
        holds(intent.status != IntentStatus::Processing, || says("no end"))?;
        let for_people = is_for_people(intent.status);
        people |= for_people;
        captured += paid.captured_minor;
        refunded += paid.refunded_minor;
        kept += paid.captured_minor - paid.refunded_minor;
        if intent.status == IntentStatus::Conflicted {
            continue;
        }
        holds(
            paid.captured_minor == intent.captured.amount_minor(),
            || says("captured at the PSP is not what the intent shows"),
        )?;
        holds(
            paid.refunded_minor == intent.refunded.amount_minor(),
            || says("refunded at the PSP is not what the intent shows"),
        )?;
        holds(paid.held_minor == intent.capturable.amount_minor(), || {
            says("held at the PSP is not what the intent shows")
        })?;
    }
    tally.captured_minor = captured;
    tally.refunded_minor = refunded;
    let orphans = totals.intents.keys().filter(|id| {
        // A payment that nobody here knows.
        !described.contains(id.as_str())
    });
    holds(orphans.count() == 0, || says("a payment of no intent"))?;
    if !people && let Some(total) = total {
        holds(kept <= total, || says("more was kept than the order costs"))?;
    }
    books_balance(flow, people)
        .await
        .map_err(|wrong| says(&wrong))?;
    order_is_right(flow, people)
        .await
        .map_err(|wrong| says(&wrong))?;
    // The next flow is not to look after this one.
    flow.shop
        .db
        .execute("UPDATE souk.payment_intents SET due_at = NULL WHERE due_at IS NOT NULL")
        .await;
    Ok(tally)
}

async fn books_balance(flow: &Flow<'_>, people: bool) -> Result<(), String> {
    let customer = &flow.customer;
    let findings = verify_ledger(&customer.tools, customer.caller.tenant, 10).await;
    let findings = findings.map_err(|error| format!("{error:?}"))?;
    holds(findings.is_empty(), || format!("the ledger: {findings:?}"))?;
    if people {
        return Ok(());
    }
    let booked = |account: &str| {
        format!(
            "SELECT coalesce(sum(amount_minor), 0)::bigint FROM souk.ledger_entries \
             WHERE tenant_id = '{}' AND account = '{account}'",
            customer.caller.tenant.as_uuid()
        )
    };
    let probe = &flow.shop.probe;
    let (revenue, cash) = (
        probe.number(&booked("revenue")).await,
        probe.number(&booked("cash_at_psp")).await,
    );
    let refunds = probe.number(&booked("refunds")).await;
    let receivable = probe.number(&booked("receivable")).await;
    let totals = flow.simulator.totals();
    let net: i64 = flow
        .simulator
        .world()
        .movements()
        .iter()
        .map(|own| own.gross - own.fee)
        .sum();
    holds(-revenue == totals.captured_minor, || {
        format!("booked sales {revenue}, captured {}", totals.captured_minor)
    })?;
    holds(refunds == totals.refunded_minor, || {
        format!(
            "booked refunds {refunds}, refunded {}",
            totals.refunded_minor
        )
    })?;
    holds(receivable == 0, || format!("receivable {receivable}"))?;
    holds(cash == net, || format!("booked cash {cash}, there {net}"))
}

async fn order_is_right(flow: &Flow<'_>, people: bool) -> Result<(), String> {
    let customer = &flow.customer;
    let order = get_order(&customer.tools, &customer.caller, customer.order).await;
    let order = order.map_err(|error| format!("{error:?}"))?;
    let tenant = customer.caller.tenant.as_uuid();
    let units = |column: &str| {
        format!("SELECT sum({column})::bigint FROM souk.stock_levels WHERE tenant_id = '{tenant}'")
    };
    let probe = &flow.shop.probe;
    let reserved = probe.number(&units("reserved")).await;
    let all = probe.number(&units("available + reserved + sold")).await;
    holds(all == i64::from(UNITS), || format!("{all} units in all"))?;
    let lives = order.status() != OrderStatus::Cancelled;
    let wanted = if lives { i64::from(ORDERED) } else { 0 };
    holds(reserved == wanted, || {
        format!(
            "{reserved} units held for an order that is {}",
            order.status()
        )
    })?;
    if people {
        return Ok(());
    }
    let totals = flow.simulator.totals();
    let shown = order.record().payment_status;
    let alive: Vec<_> = flow
        .intents()
        .await
        .into_iter()
        .filter(|own| own.status != IntentStatus::Canceled)
        .collect();
    let is_right = match alive.first().map(|own| own.status) {
        Some(IntentStatus::Succeeded) => {
            let (refunded, captured) = (totals.refunded_minor, totals.captured_minor);
            let told = order.record().captured.amount_minor();
            holds(told == captured, || {
                format!("the order shows {told} captured: {:?}", totals.intents)
            })?;
            match shown {
                PaymentStatus::Paid => refunded == 0,
                PaymentStatus::PartiallyRefunded => (1..captured).contains(&refunded),
                PaymentStatus::Refunded => refunded == captured,
                PaymentStatus::Unpaid | PaymentStatus::Authorized | PaymentStatus::Voided => false,
            }
        }
        Some(IntentStatus::RequiresCapture) => shown == PaymentStatus::Authorized,
        _ => matches!(shown, PaymentStatus::Unpaid | PaymentStatus::Voided),
    };
    holds(is_right, || {
        format!("the order shows {shown:?}: {:?}", totals.intents)
    })
}
