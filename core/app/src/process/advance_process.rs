//! Advances the process of one order as far as it goes now.

use super::perform::{self, Performed};
use super::step_detail::step_detail;
use crate::change_order::write_transition;
use crate::place_order::RESERVATION_TTL_S;
use crate::{AppError, Caller, PaymentProvider, Tools};
use souk_domain::process::{CapturePolicy, OrderFacts, ProcessFacts, ProcessStep, next_step};
use souk_domain::{Order, OrderId, Principal, RequestId, TenantId, Timestamp, Transition};
use souk_postgres::processes::{self, NewStep, ProcessState, Standing};
use souk_postgres::{TenantTx, orders, stock};
use time::Duration;

/// Steps in one run at most: what is left then is done in the next.
pub const PROCESS_STEPS_PER_RUN_MAX: u32 = 12;
/// How long a step may take before it counts as interrupted. Longer than any call to the provider.
const ACTING_FOR: Duration = Duration::minutes(2);
/// When a step that has not done what it should is tried again.
const RETRY_AFTER: Duration = Duration::minutes(1);

/// How processes that begin now are led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessSettings {
    /// When the money is taken.
    pub capture_policy: CapturePolicy,
}

/// What made somebody look at a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessCause {
    /// For the log: an event's type, or `deadline`.
    pub name: String,
    /// The request at the beginning of the chain, if there is one.
    pub request_id: Option<RequestId>,
    /// W3C Trace Context of it, if there is any.
    pub traceparent: Option<String>,
}

impl ProcessCause {
    /// The passing of time.
    pub fn deadline() -> Self {
        Self {
            name: "deadline".to_owned(),
            request_id: None,
            traceparent: None,
        }
    }
}

/// Where a run has left a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// At this, which is no step to take: it waits, needs a person, or is done.
    Rests {
        /// What.
        at: ProcessStep,
        /// Steps taken in this run.
        steps: u32,
    },
    /// It is to be looked at again soon: a step has not had its effect, or there were too many.
    Later {
        /// Steps taken in this run.
        steps: u32,
    },
    /// Somebody else is doing a step. Whoever does looks again afterwards, and a deadline looks after
    /// both.
    Elsewhere,
    /// The tenant has no such order.
    NoSuchOrder,
}

/// Looks at the order and its payments, does what is to be done, and looks again, until there is nothing
/// to do now.
///
/// Safe to call at any time, by any number of callers, for any reason: what is decided depends on how
/// things are, and each step is written down before it is done. Steps on the order alone are done in
/// the transaction that decides them. Those at the provider are decided in one, done by the use cases of
/// payments while none is open, and noted in another; who dies in between leaves a deadline.
///
/// # Errors
/// [`AppError::Database`]. Whoever called calls again; so does the deadline.
pub async fn advance_process(
    tools: &Tools,
    provider: &impl PaymentProvider,
    settings: ProcessSettings,
    (tenant, order): (TenantId, OrderId),
    cause: &ProcessCause,
) -> Result<Advanced, AppError> {
    let run = Run {
        tools,
        settings,
        order,
        cause,
        caller: caller(tools, tenant, cause),
    };
    let mut steps = 0;
    let mut last: Option<ProcessStep> = None;
    while steps < PROCESS_STEPS_PER_RUN_MAX {
        let (sequence, step) = match run.decide(last.as_ref()).await? {
            Decided::Rests(at) => return Ok(Advanced::Rests { at, steps }),
            Decided::Elsewhere => return Ok(Advanced::Elsewhere),
            Decided::NoSuchOrder => return Ok(Advanced::NoSuchOrder),
            Decided::Stalled => return Ok(Advanced::Later { steps }),
            Decided::Done => {
                steps = steps.saturating_add(1);
                last = None;
                continue;
            }
            Decided::Act { sequence, step } => (sequence, step),
        };
        steps = steps.saturating_add(1);
        let performed =
            perform::perform(tools, provider, &run.caller, (order, sequence), &step).await;
        run.note(sequence, &performed).await?;
        if let Performed::Failed(error) = performed {
            return Err(error);
        }
        last = Some(step);
    }
    Ok(Advanced::Later { steps })
}

/// Who acts, in the chain of what caused it.
fn caller(tools: &Tools, tenant: TenantId, cause: &ProcessCause) -> Caller {
    let now = tools.clock.now();
    let fresh = || RequestId::from_uuid(tools.ids.uuid_v7(now));
    Caller {
        tenant,
        principal: Principal::order_process(),
        request_id: cause.request_id.unwrap_or_else(fresh),
        traceparent: cause.traceparent.clone(),
        consistency: None,
    }
}

/// What one look at the process has led to.
enum Decided {
    Rests(ProcessStep),
    /// A step on the order, in the same transaction.
    Done,
    /// A step at the provider, which is to be done now.
    Act {
        sequence: u64,
        step: ProcessStep,
    },
    /// The step that was just done is to be done again: it has changed nothing.
    Stalled,
    Elsewhere,
    NoSuchOrder,
}

struct Run<'a> {
    tools: &'a Tools,
    settings: ProcessSettings,
    order: OrderId,
    cause: &'a ProcessCause,
    caller: Caller,
}

impl Run<'_> {
    /// One transaction: order and process are locked, in this order, as everywhere.
    async fn decide(&self, last: Option<&ProcessStep>) -> Result<Decided, AppError> {
        let mut tx = self.tools.db.begin(self.caller.tenant).await?;
        let decided = self.decide_in(&mut tx, last).await;
        match decided {
            Ok(Decided::Elsewhere | Decided::NoSuchOrder) | Err(_) => {
                if let Err(error) = tx.rollback().await {
                    tracing::warn!(%error, "rollback failed; the server ends the transaction itself");
                }
            }
            Ok(Decided::Rests(_) | Decided::Done | Decided::Act { .. } | Decided::Stalled) => {
                tx.commit().await?;
            }
        }
        decided
    }

    async fn decide_in(
        &self,
        tx: &mut TenantTx,
        last: Option<&ProcessStep>,
    ) -> Result<Decided, AppError> {
        let now = self.tools.clock.now();
        let Some(order) = orders::load_for_update(tx, self.order).await? else {
            return Ok(Decided::NoSuchOrder);
        };
        let policy = self.settings.capture_policy;
        let process = processes::open(tx, self.order, policy, now).await?;
        if process.state == ProcessState::Acting && process.deadline.is_some_and(|t| t > now) {
            return Ok(Decided::Elsewhere);
        }
        let facts = ProcessFacts {
            policy: process.policy,
            order: OrderFacts::from(&order),
            payments: processes::payments(tx, self.order).await?,
        };
        let step = next_step(&facts, now);
        let sequence = process.version.saturating_add(1);
        match step {
            ProcessStep::Wait { on, until } => {
                self.stand(tx, ProcessState::Waiting, on.as_str(), until)
                    .await?;
                Ok(Decided::Rests(step))
            }
            ProcessStep::Review(cause) => {
                self.stand(tx, ProcessState::Review, cause.as_str(), None)
                    .await?;
                Ok(Decided::Rests(step))
            }
            ProcessStep::Done => {
                self.stand(tx, ProcessState::Done, "", None).await?;
                Ok(Decided::Rests(step))
            }
            ProcessStep::Confirm | ProcessStep::Cancel { .. } | ProcessStep::Reinstate => {
                self.change(tx, order, (sequence, &step), now).await?;
                Ok(Decided::Done)
            }
            ProcessStep::Capture { .. } | ProcessStep::Void { .. } | ProcessStep::Refund { .. }
                if last == Some(&step) =>
            {
                let until = Some(now.plus(RETRY_AFTER)?);
                self.stand(tx, ProcessState::Waiting, "next_try", until)
                    .await?;
                Ok(Decided::Stalled)
            }
            ProcessStep::Capture { .. } | ProcessStep::Void { .. } | ProcessStep::Refund { .. } => {
                let standing = Standing {
                    state: ProcessState::Acting,
                    detail: step.as_str(),
                    deadline: Some(now.plus(ACTING_FOR)?),
                };
                self.log(tx, (sequence, &step, None), standing, now).await?;
                Ok(Decided::Act { sequence, step })
            }
        }
    }

    /// Does a step that concerns the order alone, and its stock.
    async fn change(
        &self,
        tx: &mut TenantTx,
        order: Order,
        (sequence, step): (u64, &ProcessStep),
        now: Timestamp,
    ) -> Result<(), AppError> {
        let (transition, outcome) = match step {
            ProcessStep::Confirm => (order.confirm(now)?, "done"),
            ProcessStep::Cancel { reason } => (order.cancel(Some(reason.clone()), now)?, "done"),
            ProcessStep::Reinstate => reinstate(tx, order, now).await?,
            ProcessStep::Capture { .. }
            | ProcessStep::Void { .. }
            | ProcessStep::Refund { .. }
            | ProcessStep::Wait { .. }
            | ProcessStep::Review(_)
            | ProcessStep::Done => return Ok(()),
        };
        write_transition(self.tools, tx, &self.caller, &transition, now).await?;
        // Whoever dies now is followed by the next sweep.
        let standing = Standing {
            state: ProcessState::Waiting,
            detail: "",
            deadline: Some(now),
        };
        self.log(tx, (sequence, step, Some(outcome)), standing, now)
            .await
    }

    async fn log(
        &self,
        tx: &mut TenantTx,
        (sequence, step, outcome): (u64, &ProcessStep, Option<&str>),
        standing: Standing<'_>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let detail = step_detail(step);
        let step = NewStep {
            sequence,
            step: step.as_str(),
            detail: &detail,
            cause: &self.cause.name,
            outcome,
        };
        Ok(processes::log_step(tx, self.order, &step, standing, now).await?)
    }

    async fn stand(
        &self,
        tx: &mut TenantTx,
        state: ProcessState,
        detail: &str,
        deadline: Option<Timestamp>,
    ) -> Result<(), AppError> {
        let now = self.tools.clock.now();
        let standing = Standing {
            state,
            detail,
            deadline,
        };
        Ok(processes::stand(tx, self.order, standing, now).await?)
    }

    /// Writes down how a step at the provider ended.
    async fn note(&self, sequence: u64, performed: &Performed) -> Result<(), AppError> {
        let now = self.tools.clock.now();
        let (outcome, look_at) = match performed {
            Performed::Asked => ("asked".to_owned(), now),
            Performed::Declined(reason) => (reason.clone(), now),
            Performed::Failed(error) => (error.to_string(), now.plus(RETRY_AFTER)?),
        };
        let mut tx = self.tools.db.begin(self.caller.tenant).await?;
        processes::finish_step(&mut tx, self.order, sequence, &outcome, (now, look_at)).await?;
        Ok(tx.commit().await?)
    }
}

/// Reserves the order's stock again and places it again, or notes in the order that it is sold out.
async fn reinstate(
    tx: &mut TenantTx,
    order: Order,
    now: Timestamp,
) -> Result<(Transition, &'static str), AppError> {
    match stock::reserve(tx, &order.units_by_sku()).await? {
        Ok(allocations) => {
            let until = now.plus(Duration::seconds(RESERVATION_TTL_S))?;
            Ok((order.reinstate(allocations, until, now)?, "done"))
        }
        Err(_sold_out) => Ok((order.refuse_reinstatement(now)?, "sold_out")),
    }
}
