//! The PSP itself: what it knows, and how each call changes it. Without a clock and without a network.

mod calls;
mod disputes;
mod events;
mod movements;
mod payments;
mod refunds;
mod tokens;

pub use calls::{Answer, ApiError, Call, Metadata, NewPayment, Outcome};
pub use disputes::{Dispute, DisputeStatus};
pub use events::Event;
pub use movements::{Movement, fee_of};
pub use payments::{AUTHORIZATION_MS, CAPTURES_MAX, PROCESSING_MS, Payment, Status};
pub use refunds::{PENDING_MS, Refund, RefundStatus};

use crate::faults::{CallFault, Faults};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Idempotency keys are kept for this time.
pub const KEY_MS: i64 = 24 * 60 * 60 * 1_000;
/// A request that comes late comes so late.
const LATE_REQUEST_MS: i64 = 20_000;

/// How the world behaves this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Usual,
    WrongAmount,
    Declined,
    RequiresAction,
}

/// A call by an account under its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub account: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// What.
    pub call: Call,
}

/// An answer that is kept under an idempotency key.
#[derive(Debug, Clone)]
struct Kept {
    call: Call,
    outcome: Outcome,
    at_ms: i64,
}

/// The PSP.
#[derive(Debug)]
pub struct World {
    pub(crate) faults: Faults,
    pub(crate) rng: Rng,
    tag: u32,
    next_id: u64,
    payments: BTreeMap<String, Payment>,
    refunds: BTreeMap<String, Refund>,
    disputes: BTreeMap<String, Dispute>,
    movements: Vec<Movement>,
    events: Vec<Event>,
    deliveries: Vec<events::Delivery>,
    early_open: BTreeSet<String>,
    kept: BTreeMap<(String, String), Kept>,
    /// Requests that are still on their way, and when they come.
    late: Vec<(i64, Request)>,
    /// How often each fault has happened.
    pub(crate) happened: BTreeMap<String, u64>,
}

impl World {
    /// An empty one.
    pub fn new(faults: Faults) -> Self {
        Self {
            rng: Rng::with_seed(faults.seed),
            // Tells simulators apart, so that none's ids are another's.
            tag: Rng::with_seed(faults.seed).u32(..),
            faults,
            next_id: 0,
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            disputes: BTreeMap::new(),
            movements: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            early_open: BTreeSet::new(),
            kept: BTreeMap::new(),
            late: Vec::new(),
            happened: BTreeMap::new(),
        }
    }

    /// From now on, these.
    pub fn set_faults(&mut self, faults: Faults) {
        self.rng = Rng::with_seed(faults.seed);
        self.faults = faults;
    }

    /// The faults of now.
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// How often each fault has happened.
    pub const fn happened(&self) -> &BTreeMap<String, u64> {
        &self.happened
    }

    /// Ids in the order in which things are made; they sort so.
    fn new_id(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}_sim{:08x}{:012}", self.tag, self.next_id)
    }

    /// What time has brought about.
    pub fn age(&mut self, now_ms: i64) {
        let (come, late) = core::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at_ms, _)| *at_ms <= now_ms);
        self.late = late;
        let come: Vec<(i64, Request)> = come;
        for (_, request) in come {
            let _unheard = self.apply(&request, now_ms);
        }
        self.age_payments(now_ms);
        self.age_refunds(now_ms);
        self.kept.retain(|_, kept| kept.at_ms + KEY_MS > now_ms);
    }

    /// When something happens next by itself, if anything does.
    pub fn next_change_ms(&self) -> Option<i64> {
        let late = self.late.iter().map(|(at_ms, _)| *at_ms);
        let payments = self
            .payments
            .values()
            .filter(|payment| payment.status == Status::Processing)
            .filter_map(|payment| payment.due_ms);
        let refunds = self.refunds.values().filter_map(|refund| refund.due_ms);
        late.chain(payments)
            .chain(refunds)
            .chain(self.next_delivery_ms())
            .min()
    }

    /// Has the effect once a key, and answers the same each time.
    pub fn apply(&mut self, request: &Request, now_ms: i64) -> Outcome {
        self.apply_as(request, Behaviour::Usual, now_ms)
    }

    pub(crate) fn apply_as(
        &mut self,
        request: &Request,
        behaviour: Behaviour,
        now_ms: i64,
    ) -> Outcome {
        if let Some(kept) = self.kept_for(request) {
            if kept.call != request.call {
                return Err(ApiError::reused_key());
            }
            return kept.outcome.clone();
        }
        let outcome = self.execute(&request.account, &request.call, behaviour, now_ms);
        self.keep(request, outcome.clone(), now_ms);
        outcome
    }

    fn execute(
        &mut self,
        account: &str,
        call: &Call,
        behaviour: Behaviour,
        now_ms: i64,
    ) -> Outcome {
        match call {
            Call::Create(wish) => self.create(account, wish, behaviour, now_ms),
            Call::Confirm {
                payment,
                payment_method,
                ..
            } => {
                self.owned(account, payment)?;
                self.confirm(payment, payment_method.as_deref(), behaviour, now_ms)
            }
            Call::Capture {
                payment,
                amount,
                is_final,
            } => {
                self.owned(account, payment)?;
                self.capture(payment, *amount, *is_final, now_ms)
            }
            Call::Cancel { payment } => {
                self.owned(account, payment)?;
                self.cancel(payment, now_ms)
            }
            Call::Refund {
                payment,
                amount,
                metadata,
            } => {
                self.owned(account, payment)?;
                self.refund(payment, *amount, metadata, now_ms)
            }
        }
    }

    fn owned(&self, account: &str, payment: &str) -> Result<(), ApiError> {
        self.payment(account, payment).map(|_| ())
    }

    fn kept_for(&self, request: &Request) -> Option<&Kept> {
        let key = request.key.clone()?;
        self.kept.get(&(request.account.clone(), key))
    }

    /// As Stripe does: what was refused before it was begun is not kept.
    fn keep(&mut self, request: &Request, outcome: Outcome, now_ms: i64) {
        let begun = match &outcome {
            Ok(_) => true,
            Err(error) => matches!(error.status, 402 | 500),
        };
        if let (true, Some(key)) = (begun, request.key.clone()) {
            let kept = Kept {
                call: request.call.clone(),
                outcome,
                at_ms: now_ms,
            };
            self.kept.insert((request.account.clone(), key), kept);
        }
    }

    /// A call with the fault that is drawn for it: what the caller sees, and what the caller is told.
    pub(crate) fn apply_faulty(
        &mut self,
        request: &Request,
        fault: CallFault,
        now_ms: i64,
    ) -> Outcome {
        match fault {
            CallFault::NotReached | CallFault::RequestLost | CallFault::CrashBefore => {
                Err(ApiError::internal())
            }
            CallFault::TooManyRequests => Err(ApiError::too_many_requests()),
            CallFault::ErrorBefore => Err(ApiError::internal()),
            CallFault::RequestLate => {
                self.late.push((now_ms + LATE_REQUEST_MS, request.clone()));
                Err(ApiError::internal())
            }
            CallFault::ErrorKeptBefore => {
                if self.kept_for(request).is_none() {
                    self.keep(request, Err(ApiError::internal()), now_ms);
                }
                self.apply(request, now_ms)
            }
            CallFault::ErrorKeptAfter => {
                if self.kept_for(request).is_none() {
                    let _unheard = self.apply(request, now_ms);
                    self.keep(request, Err(ApiError::internal()), now_ms);
                }
                self.apply(request, now_ms)
            }
            CallFault::Twice => {
                let first = self.apply(request, now_ms);
                let second = self.apply(request, now_ms);
                if request.key.is_some() { second } else { first }
            }
            CallFault::WrongAnswer => self.apply(request, now_ms).map(wrong),
            CallFault::WrongAmount => self.apply_as(request, Behaviour::WrongAmount, now_ms),
            CallFault::Declined => self.apply_as(request, Behaviour::Declined, now_ms),
            CallFault::RequiresAction => self.apply_as(request, Behaviour::RequiresAction, now_ms),
            CallFault::None
            | CallFault::AnswerLost
            | CallFault::AnswerLate
            | CallFault::ErrorAfter
            | CallFault::Garbage
            | CallFault::CrashAfter => self.apply(request, now_ms),
        }
    }

    pub(crate) fn draw_call(&mut self) -> CallFault {
        let fault = self.faults.calls.draw(&mut self.rng);
        self.note(fault);
        fault
    }

    pub(crate) fn draw_read(&mut self) -> CallFault {
        let fault = self.faults.reads.draw(&mut self.rng);
        self.note(fault);
        fault
    }

    fn note(&mut self, fault: CallFault) {
        *self.happened.entry(format!("{fault:?}")).or_default() += 1;
    }

    fn draw_refund(&mut self) -> (bool, bool) {
        let pending = self.rng.u16(..1_000) < self.faults.refunds_pending;
        let fails = pending && self.rng.u16(..1_000) < self.faults.refunds_failing;
        (pending, fails)
    }

    /// A payment of an account.
    ///
    /// # Errors
    /// When it has no such payment.
    pub fn payment(&self, account: &str, id: &str) -> Result<&Payment, ApiError> {
        self.payments
            .get(id)
            .filter(|payment| payment.account == account)
            .ok_or_else(|| ApiError::missing("payment_intent", id))
    }

    /// All payments, oldest first.
    pub fn payments(&self) -> impl DoubleEndedIterator<Item = &Payment> {
        self.payments.values()
    }

    /// All refunds, oldest first.
    pub fn refunds(&self) -> impl DoubleEndedIterator<Item = &Refund> {
        self.refunds.values()
    }

    /// All movements, oldest first.
    pub fn movements(&self) -> &[Movement] {
        &self.movements
    }

    /// All disputes.
    pub fn disputes(&self) -> impl Iterator<Item = &Dispute> {
        self.disputes.values()
    }

    /// A dispute of an account.
    ///
    /// # Errors
    /// When it has no such dispute.
    pub fn dispute(&self, account: &str, id: &str) -> Result<&Dispute, ApiError> {
        self.disputes
            .get(id)
            .filter(|dispute| dispute.account == account)
            .ok_or_else(|| ApiError::missing("dispute", id))
    }

    /// All events, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Changes the movements, to have something to find: for tests of those who compare.
    pub const fn movements_mut(&mut self) -> &mut Vec<Movement> {
        &mut self.movements
    }
}

/// The answer, about another amount.
fn wrong(answer: Answer) -> Answer {
    match answer {
        Answer::Payment(mut payment) => {
            payment.amount += 1;
            Answer::Payment(payment)
        }
        Answer::Refund(mut refund) => {
            refund.amount += 1;
            Answer::Refund(refund)
        }
    }
}
