//! Reconciles one tenant.

use super::chase::chase;
use super::report::ReconcileReport;
use super::second_look::Looker;
use crate::{AppError, PaymentProvider, Tools};
use souk_domain::payment::{ProviderMovement, ProviderPaymentId, Transfer};
use souk_domain::reconcile::{BookedPayment, Books, DifferenceKind, Suspects, fee_of, suspects};
use souk_domain::{LedgerTransferId, PaymentIntentId, TenantId, Timestamp};
use souk_postgres::{books, ledger};
use std::collections::{BTreeMap, BTreeSet};

/// Movements in one window at most: a longer one is reported as incomplete.
pub const MOVEMENTS_MAX: usize = 100_000;
/// Where so many payments were booked in a window in which the PSP has moved nothing at all, it is more
/// likely that another account is being asked than that all of them are wrong.
const PAYMENTS_OF_ANOTHER_ACCOUNT: usize = 10;
/// Payments whose books are read at a time.
const BOOKS_PER_READ: usize = 500;

/// A span of time: from its beginning up to, not including, its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// Compares the PSP's movements in `window` with the books of `tenant`. What is safe is healed: what the
/// PSP shows and Souk has missed is merged as if it had been told, and fees are booked. What both
/// contradict each other about is put into review. Refunds and payments that have been under way for too long
/// are looked after.
///
/// Safe to run twice, at the same time, and over windows that overlap: everything is booked once, and
/// what is under way between the two looks shows as nothing.
///
/// # Errors
/// [`AppError::Database`]. A PSP that does not answer is told in the report.
pub async fn reconcile_tenant(
    tools: &Tools,
    provider: &impl PaymentProvider,
    tenant: TenantId,
    window: Window,
) -> Result<ReconcileReport, AppError> {
    let mut report = ReconcileReport::new(tenant, window.from, window.until);
    let movements = movements(provider, tenant, window, &mut report).await;
    let books = load_books(tools, tenant, window, &movements).await?;
    report.movements = u64::try_from(movements.len()).unwrap_or(u64::MAX);
    report.payments = u64::try_from(books.payments.len()).unwrap_or(u64::MAX);
    for movement in &movements {
        let code = movement.net.currency().code().to_owned();
        let sum = report.net_minor.entry(code).or_default();
        *sum = sum.saturating_add(movement.net.amount_minor());
    }
    if movements.is_empty() && books.payments.len() >= PAYMENTS_OF_ANOTHER_ACCOUNT {
        let silent = format!(
            "the PSP has moved nothing, and {} payments are booked: is this its account?",
            books.payments.len()
        );
        report.incomplete.push(silent);
        return Ok(report);
    }
    let complete = report.incomplete.is_empty();
    let Suspects {
        payments,
        fees,
        differences,
    } = suspects(&movements, &books);
    let by_payment: BTreeMap<&ProviderPaymentId, PaymentIntentId> = books
        .payments
        .iter()
        .map(|(id, booked)| (id, booked.intent))
        .collect();
    report.fees_booked = book_fees(tools, tenant, &fees, &by_payment).await?;
    let looker = Looker {
        tools,
        provider,
        tenant,
        movements: &movements,
    };
    for difference in differences {
        // What was cut off may have had the movement.
        if difference.kind == DifferenceKind::FeeUnfounded && !complete {
            continue;
        }
        let resolution = looker.to_review(difference.intent, difference.kind).await?;
        report.found(difference, resolution);
    }
    for payment in payments {
        let booked = books.payments.get(&payment).cloned();
        looker.look(&payment, booked, &mut report).await?;
    }
    chase(&looker, &mut report).await?;
    Ok(report)
}

/// All movements of the window, page after page.
async fn movements(
    provider: &impl PaymentProvider,
    tenant: TenantId,
    window: Window,
    report: &mut ReconcileReport,
) -> Vec<ProviderMovement> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = provider.movements(tenant, window.from, window.until, after.as_deref());
        match page.await {
            Ok(page) => {
                all.extend(page.movements);
                after = page.next;
            }
            Err(error) => {
                report.incomplete.push(format!("movements: {error}"));
                return all;
            }
        }
        if after.is_none() {
            return all;
        }
        if all.len() >= MOVEMENTS_MAX {
            let more = format!("movements: more than {MOVEMENTS_MAX}; reconcile shorter windows");
            report.incomplete.push(more);
            return all;
        }
    }
}

/// The books of every payment that has moved or was booked in the window.
async fn load_books(
    tools: &Tools,
    tenant: TenantId,
    window: Window,
    movements: &[ProviderMovement],
) -> Result<Books, AppError> {
    let span = (window.from, window.until);
    let moved: BTreeSet<String> = movements
        .iter()
        .filter_map(|movement| movement.payment.as_ref())
        .map(ToString::to_string)
        .collect();
    let moved: Vec<String> = moved.into_iter().collect();
    let ids: Vec<String> = movements
        .iter()
        .map(|movement| movement.id.clone())
        .collect();
    let mut tx = tools.db.begin(tenant).await?;
    let limit = u32::try_from(MOVEMENTS_MAX).unwrap_or(u32::MAX);
    let intents = books::booked_between(&mut tx, span, limit).await?;
    let mut all: Vec<BookedPayment> = Vec::new();
    for chunk in moved.chunks(BOOKS_PER_READ) {
        all.extend(books::booked_payments(&mut tx, chunk, &[]).await?);
    }
    for chunk in intents.chunks(BOOKS_PER_READ) {
        all.extend(books::booked_payments(&mut tx, &[], chunk).await?);
    }
    let fees = books::booked_fees(&mut tx, span, &ids).await?;
    tx.commit().await?;
    let named = all.into_iter().filter_map(|booked| {
        let payment = booked.payment.clone()?;
        Some((payment, booked))
    });
    Ok(Books {
        payments: named.collect(),
        fees,
    })
}

/// Books the fees of movements, each as of the moment when it was taken.
async fn book_fees(
    tools: &Tools,
    tenant: TenantId,
    movements: &[ProviderMovement],
    intents: &BTreeMap<&ProviderPaymentId, PaymentIntentId>,
) -> Result<u64, AppError> {
    let mut booked = 0_u64;
    let now = tools.clock.now();
    for chunk in movements.chunks(BOOKS_PER_READ) {
        let mut tx = tools.db.begin(tenant).await?;
        for movement in chunk {
            let intent = movement
                .payment
                .as_ref()
                .and_then(|id| intents.get(id).copied());
            let Some(transfer) = Transfer::fee(intent, &movement.id, fee_of(movement)) else {
                continue;
            };
            let id = LedgerTransferId::from_uuid(tools.ids.uuid_v7(now));
            let new = ledger::book(&mut tx, id, &transfer, movement.created_at).await?;
            booked = booked.saturating_add(u64::from(new));
        }
        tx.commit().await?;
    }
    Ok(booked)
}
