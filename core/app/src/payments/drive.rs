//! What all commands on payments have in common.

use super::send::send;
use super::write::write;
use crate::once::{record_refusal, told_again};
use crate::phases::{Attempt, Opening, open_attempt};
use crate::{Answer, AppError, Caller, Once, PaymentProvider, Tools};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use souk_domain::payment::{
    CaptureMethod, OperationKind, OperationOutcome, Payment, PaymentError, PaymentMethodToken,
    PaymentTransition, Reason, ReturnUrl,
};
use souk_domain::{
    Money, OrderId, PaymentIntentId, ProviderOperationId, RefundId, TenantId, Timestamp,
};
use souk_postgres::idempotency::StoredResponse;
use souk_postgres::{TenantTx, orders, payments};

/// The recovery point before the PSP is called.
const SENT: &str = "sent";
/// How long a try may take with all its calls: then the next one takes over.
const LEASE: Duration = Duration::from_secs(60);

/// A use case's tools, with the PSP.
pub(super) struct Desk<'a, P> {
    pub(super) tools: &'a Tools,
    pub(super) provider: &'a P,
    pub(super) caller: &'a Caller,
}

/// What is asked for.
pub(super) enum Wish<'a> {
    Create {
        order: OrderId,
        capture_method: CaptureMethod,
        payment_method: Option<&'a PaymentMethodToken>,
        confirm: bool,
        return_url: Option<&'a ReturnUrl>,
    },
    Confirm {
        intent: PaymentIntentId,
        payment_method: Option<&'a PaymentMethodToken>,
        return_url: Option<&'a ReturnUrl>,
    },
    Capture {
        intent: PaymentIntentId,
        amount_minor: Option<i64>,
        is_final: bool,
    },
    Cancel {
        intent: PaymentIntentId,
        reason: Option<&'a Reason>,
    },
    Refund {
        intent: PaymentIntentId,
        amount_minor: Option<i64>,
        reason: Option<&'a Reason>,
    },
}

/// What a recovery point keeps: the operation, whose id is the PSP's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    intent: PaymentIntentId,
    operation: ProviderOperationId,
    refund: Option<RefundId>,
}

/// What a command has come to.
pub(super) struct Done<'a> {
    pub(super) payment: &'a Payment,
    /// The refund that it asked for.
    pub(super) refund: Option<RefundId>,
}

/// Has the wish once, and answers with the payment as it stands then.
///
/// # Errors
/// [`AppError::KeyInFlight`], [`AppError::KeyReused`], [`AppError::Database`], and refusals of the
/// domain that may change. None of them uses the key up.
pub(super) async fn drive<P: PaymentProvider>(
    desk: Desk<'_, P>,
    once: &Once,
    wish: &Wish<'_>,
    respond: impl Fn(Result<Done<'_>, &AppError>) -> StoredResponse + Send + Sync,
) -> Result<Answer, AppError> {
    let Desk { tools, caller, .. } = desk;
    let (attempt, sent, decided) = match open_attempt(tools, caller, once, LEASE).await? {
        Opening::Replay(answer) => return Ok(told_again(tools, caller, answer).await),
        Opening::GoOn(attempt) => {
            let sent = attempt.state::<Sent>()?;
            (attempt, sent, None)
        }
        Opening::First(attempt, tx) => match Box::pin(decide(&desk, wish, attempt, tx)).await {
            Ok(Decided::Sent(attempt, sent, payment)) => (attempt, sent, Some(payment)),
            Ok(Decided::Done(done)) => {
                let (attempt, tx, payment) = *done;
                let id = payment.intent.id.to_string();
                let done = Done {
                    payment: &payment,
                    refund: None,
                };
                return attempt
                    .finish(tools, tx, Some(&id), respond(Ok(done)))
                    .await;
            }
            Err(error) if error.is_final() => {
                return record_refusal(tools, caller, once, respond(Err(&error))).await;
            }
            Err(error) => return Err(error),
        },
    };
    let settled = Box::pin(call_and_settle(&desk, sent, decided)).await;
    let (tx, payment) = match settled {
        Ok(settled) => settled,
        Err(error) => {
            attempt.stop(tools, caller).await;
            return Err(error);
        }
    };
    let id = sent.resource_id();
    let done = Done {
        payment: &payment,
        refund: sent.refund,
    };
    attempt
        .finish(tools, tx, Some(&id), respond(Ok(done)))
        .await
}

impl Sent {
    fn resource_id(&self) -> String {
        match self.refund {
            Some(refund) => refund.to_string(),
            None => self.intent.to_string(),
        }
    }
}

enum Decided {
    /// It needs the PSP, and is at the recovery point, with the payment as it was committed.
    Sent(Attempt, Sent, Box<Payment>),
    /// It is done, but for the commit.
    Done(Box<(Attempt, TenantTx, Payment)>),
}

/// The first transaction, from the claim to the recovery point. It is undone when it fails, and the key is
/// not used then.
async fn decide<P>(
    desk: &Desk<'_, P>,
    wish: &Wish<'_>,
    mut attempt: Attempt,
    mut tx: TenantTx,
) -> Result<Decided, AppError> {
    let (tools, caller) = (desk.tools, desk.caller);
    let now = tools.clock.now();
    let decided = async {
        let (before, transition) = transition(tools, &mut tx, wish, now).await?;
        write(tools, &mut tx, caller, before.as_ref(), (transition, now)).await
    }
    .await;
    let payment = match decided {
        Ok(payment) => payment,
        Err(error) => {
            if let Err(error) = tx.rollback().await {
                tracing::warn!(%error, "rollback failed; the server ends the transaction itself");
            }
            return Err(error);
        }
    };
    // The newest is the one that was just decided.
    let newest = payment.operations.last().filter(|o| o.is_pending());
    let operation = match (wish, newest) {
        (Wish::Create { confirm: false, .. }, _) | (_, None) => None,
        (_, operation) => operation,
    };
    let Some(operation) = operation else {
        return Ok(Decided::Done(Box::new((attempt, tx, payment))));
    };
    let refund = match operation.kind {
        OperationKind::Refund { refund, .. } => Some(refund),
        OperationKind::Authorize { .. } | OperationKind::Capture { .. } | OperationKind::Void => {
            None
        }
    };
    let sent = Sent {
        intent: payment.intent.id,
        operation: operation.id,
        refund,
    };
    let id = sent.resource_id();
    attempt.reach(tx, SENT, &sent, Some(&id)).await?;
    Ok(Decided::Sent(attempt, sent, Box::new(payment)))
}

/// What the domain makes of the wish; the payment before it, if there was one.
async fn transition(
    tools: &Tools,
    tx: &mut TenantTx,
    wish: &Wish<'_>,
    now: Timestamp,
) -> Result<(Option<Payment>, PaymentTransition), AppError> {
    let fresh = &mut || tools.ids.uuid_v7(now);
    match *wish {
        Wish::Create {
            order,
            capture_method,
            payment_method,
            confirm,
            return_url,
        } => {
            let order = orders::load_for_update(tx, order).await?;
            let order = order.ok_or(AppError::OrderNotFound)?;
            let others = payments::of_order(tx, order.id()).await?;
            if others
                .iter()
                .any(souk_domain::payment::PaymentIntent::is_alive)
            {
                return Err(PaymentError::IntentExists.into());
            }
            let id = PaymentIntentId::from_uuid(fresh());
            let method = payment_method.cloned();
            let created = Payment::create(id, &order, capture_method, method, now)?;
            if !confirm {
                return Ok((None, created));
            }
            let payment = created.payment.clone();
            let confirmed = payment.confirm(None, return_url.cloned(), now, fresh)?;
            Ok((None, created.then(confirmed)))
        }
        Wish::Confirm {
            intent,
            payment_method,
            return_url,
        } => {
            let payment = load_locked(tx, intent).await?;
            let (method, url) = (payment_method.cloned(), return_url.cloned());
            let confirmed = payment.clone().confirm(method, url, now, fresh)?;
            Ok((Some(payment), confirmed))
        }
        Wish::Capture {
            intent,
            amount_minor,
            is_final,
        } => {
            let payment = load_locked(tx, intent).await?;
            let amount = money(&payment, amount_minor);
            let captured = payment.clone().capture(amount, is_final, now, fresh)?;
            Ok((Some(payment), captured))
        }
        Wish::Cancel { intent, reason } => {
            let payment = load_locked(tx, intent).await?;
            let canceled = payment.clone().cancel(reason.cloned(), now, fresh)?;
            Ok((Some(payment), canceled))
        }
        Wish::Refund {
            intent,
            amount_minor,
            reason,
        } => {
            let payment = load_locked(tx, intent).await?;
            let amount = money(&payment, amount_minor);
            let refunded = payment
                .clone()
                .refund(amount, reason.cloned(), now, fresh)?;
            Ok((Some(payment), refunded))
        }
    }
}

fn money(payment: &Payment, amount_minor: Option<i64>) -> Option<Money> {
    amount_minor.map(|minor| Money::new(minor, payment.intent.amount.currency()))
}

/// The payment, with its order's row locked.
pub(super) async fn load_locked(
    tx: &mut TenantTx,
    intent: PaymentIntentId,
) -> Result<Payment, AppError> {
    payments::lock(tx, intent)
        .await?
        .ok_or(AppError::PaymentIntentNotFound)?;
    payments::load(tx, intent)
        .await?
        .ok_or(AppError::PaymentIntentNotFound)
}

/// Calls the PSP, while no transaction is open, and begins the second transaction with what it said.
/// `decided` is the payment that this very try has committed; an earlier try's has to be looked up.
async fn call_and_settle<P: PaymentProvider>(
    desk: &Desk<'_, P>,
    sent: Sent,
    decided: Option<Box<Payment>>,
) -> Result<(TenantTx, Payment), AppError> {
    let Desk {
        tools,
        provider,
        caller,
    } = desk;
    let outcome = call(tools, *provider, caller.tenant, (sent, decided)).await?;
    let mut tx = tools.db.begin(caller.tenant).await?;
    let settled = match outcome {
        Some(outcome) => settle(tools, &mut tx, caller, sent.operation, outcome).await,
        None => load_locked(&mut tx, sent.intent).await,
    };
    match settled {
        Ok(payment) => Ok((tx, payment)),
        Err(error) => {
            if let Err(error) = tx.rollback().await {
                tracing::warn!(%error, "rollback failed; the server ends the transaction itself");
            }
            Err(error)
        }
    }
}

/// Sends the operation. Nothing where it was settled meanwhile.
async fn call<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    (sent, decided): (Sent, Option<Box<Payment>>),
) -> Result<Option<OperationOutcome>, AppError> {
    let is_first = decided.is_some();
    let payment = if let Some(payment) = decided {
        *payment
    } else {
        let mut tx = tools.db.begin(tenant).await?;
        let payment = payments::load(&mut tx, sent.intent).await;
        tx.rollback().await?;
        payment?.ok_or(AppError::PaymentIntentNotFound)?
    };
    let Some(operation) = payment.pending(sent.operation) else {
        return Ok(None);
    };
    Ok(Some(
        send(tools, provider, tenant, (&payment, operation, is_first)).await,
    ))
}

/// Merges the outcome of an operation, in a transaction that is open.
pub(super) async fn settle(
    tools: &Tools,
    tx: &mut TenantTx,
    caller: &Caller,
    operation: ProviderOperationId,
    outcome: OperationOutcome,
) -> Result<Payment, AppError> {
    let now = tools.clock.now();
    let intent = payments::find_operation(tx, operation)
        .await?
        .ok_or(AppError::PaymentIntentNotFound)?;
    let before = load_locked(tx, intent).await?;
    let fresh = &mut || tools.ids.uuid_v7(now);
    let transition = before.clone().settle(operation, outcome, now, fresh);
    write(tools, tx, caller, Some(&before), (transition, now)).await
}
