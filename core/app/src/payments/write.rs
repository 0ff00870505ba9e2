//! Writes what happened to a payment: the payment, the order's payment status, the books, the events.

use crate::record_payment::{RecordedPayment, record_payment};
use crate::{AppError, Caller, Tools};
use souk_domain::payment::{Payment, PaymentTransition, Transfer};
use souk_domain::{
    Event, EventData, EventId, LedgerTransferId, Principal, RequestId, Subject, TenantId, Timestamp,
};
use souk_postgres::{TenantTx, ledger, outbox, payments};

/// Souk itself, when it acts for a tenant in the name of nobody.
pub(super) fn souk_itself(tools: &Tools, tenant: TenantId, now: Timestamp) -> Caller {
    Caller {
        tenant,
        principal: Principal::payments(),
        request_id: RequestId::from_uuid(tools.ids.uuid_v7(now)),
        traceparent: None,
        consistency: None,
    }
}

/// Writes a transition of the payment `before`, or of a new one, in a transaction that has locked its
/// order's row. What the order refuses puts the payment into review: the money has moved all the same.
///
/// # Errors
/// [`AppError::Database`], [`AppError::Event`].
pub(super) async fn write(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    before: Option<&Payment>,
    (mut transition, now): (PaymentTransition, Timestamp),
) -> Result<Payment, AppError> {
    let mut refused = false;
    for change in &transition.order_changes {
        let payment = RecordedPayment {
            order: transition.payment.intent.order,
            change: *change,
            at: now,
        };
        match record_payment(tools, tx, caller, payment).await {
            Ok(_) => {}
            Err(AppError::Order(error)) => {
                tracing::warn!(
                    payment_intent.id = %transition.payment.intent.id,
                    %error,
                    "the order refuses what happened to its payment"
                );
                refused = true;
            }
            Err(error) => return Err(error),
        }
    }
    if refused {
        transition = transition.refused_by_order(now);
    }
    let payment = transition.payment;
    match before {
        None => payments::insert(tx, &payment).await?,
        Some(before) => payments::update(tx, before, &payment, now).await?,
    }
    book(tools, tx, &transition.transfers, now).await?;
    let told = u64::try_from(transition.events.len()).unwrap_or(u64::MAX);
    let first = payment.intent.version.saturating_sub(told);
    let subject = Subject::from(payment.intent.id);
    tell(tools, tx, caller, (subject, first, now), transition.events).await?;
    Ok(payment)
}

/// Books transfers. One that was booked before is not booked again.
pub(super) async fn book(
    tools: &Tools,
    tx: &mut TenantTx,
    transfers: &[Transfer],
    now: Timestamp,
) -> Result<(), AppError> {
    for transfer in transfers {
        let id = LedgerTransferId::from_uuid(tools.ids.uuid_v7(now));
        ledger::book(tx, id, transfer, now).await?;
    }
    Ok(())
}

/// Tells events of a subject, the first with the sequence after `version`.
pub(super) async fn tell(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    (subject, version, now): (Subject, u64, Timestamp),
    events: Vec<EventData>,
) -> Result<(), AppError> {
    let mut sequence = version;
    for data in events {
        sequence = sequence.saturating_add(1);
        let event = Event {
            id: EventId::from_uuid(tools.ids.uuid_v7(now)),
            tenant_id: caller.tenant,
            subject,
            sequence,
            time: now,
            correlation_id: caller.request_id,
            causation_id: None,
            traceparent: caller.traceparent.clone(),
            data,
        };
        let text = event.to_json_text()?;
        outbox::append(tx, &event, &text).await?;
    }
    Ok(())
}
