//! What all commands on an order that exists have in common.

use crate::once::{Changed, run_once};
use crate::record_event::new_event;
use crate::{Answer, AppError, Caller, ExpectedVersion, Once, Tools};
use souk_domain::{Order, OrderError, OrderId, Timestamp, Transition};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, orders, outbox, stock};

/// A command on an order that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCommand {
    /// What makes it repeatable.
    pub once: Once,
    /// Which order.
    pub order: OrderId,
    /// In which version.
    pub expected: ExpectedVersion,
}

impl OrderCommand {
    /// A command on `order`, whichever version it has.
    pub const fn on(order: OrderId, once: Once) -> Self {
        Self {
            once,
            order,
            expected: ExpectedVersion::Any,
        }
    }
}

/// Locks the order, lets `decide` make the transition, and writes it with stock, event, timeline,
/// idempotency record and answer in one transaction.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`], and refusals of the
/// domain that may change ([`AppError::is_final`]). None of them uses the key up. Final refusals are
/// answers: [`AppError::OrderNotFound`], [`AppError::VersionMismatch`], the others of the domain.
pub(crate) async fn change_order(
    tools: &Tools,
    caller: &Caller,
    command: &OrderCommand,
    decide: impl FnOnce(Order, Timestamp) -> Result<Transition, OrderError> + Send,
    respond: impl Fn(Result<&Order, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let act = async |tx: &mut TenantTx, now| {
        let order = orders::load_for_update(tx, command.order)
            .await?
            .ok_or(AppError::OrderNotFound)?;
        let current = order.version();
        if !command.expected.fits(Some(current)) {
            return Err(AppError::VersionMismatch { current });
        }
        let transition = decide(order, now)?;
        write_transition(tools, tx, caller, &transition, now).await?;
        Ok(Changed {
            resource_id: command.order.to_string(),
            response: respond(Ok(&transition.order)),
        })
    };
    run_once(tools, caller, &command.once, act, |e| respond(Err(e))).await
}

/// Writes a transition, with stock, timeline and outbox event, of an order whose row `tx` has locked.
/// The order's row comes before the stock: every command takes its locks in this order, and stock in the
/// order of skus.
pub(crate) async fn write_transition(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    transition: &Transition,
    now: Timestamp,
) -> Result<(), AppError> {
    let event = new_event(tools, caller, transition, now);
    let event_text = event.to_json_text()?;
    if let Some(settlement) = &transition.settlement {
        stock::settle(tx, settlement).await?;
    }
    orders::update(tx, &transition.order, &event, &caller.principal).await?;
    outbox::append(tx, &event, &event_text).await?;
    Ok(())
}
