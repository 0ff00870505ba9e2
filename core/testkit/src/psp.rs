//! A PSP in memory, which answers as told.

use souk_app::{MovementPage, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{
    CaptureMethod, NextAction, ProviderDispute, ProviderFailure, ProviderPayment,
    ProviderPaymentId, ProviderRefund, ProviderRefundStatus, ProviderStatus,
};
use souk_domain::{Money, PaymentIntentId, ProviderOperationId, TenantId, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// What becomes of a call that would have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PspAnswer {
    /// It has its effect, and is answered.
    Plain,
    /// It has its effect, and the answer is lost.
    Lost,
    /// It gets lost before it has any effect, and nobody knows.
    Unheard,
    /// It is not sent, and everybody knows.
    NotSent,
    /// The bank says no.
    Declined,
    /// The PSP says no.
    Refused,
    /// The bank wants to see the customer first.
    Action,
    /// It has its effect, and the answer names one cent more.
    WrongAmount,
    /// It has its effect, and waits with the answer until [`ScriptedPsp::let_go`].
    Held,
}

/// A PSP that has each effect once an operation, and answers by a script; when that is at its end,
/// plainly.
#[derive(Debug)]
pub struct ScriptedPsp {
    state: Mutex<State>,
    /// Answers that are held: one more permit for each that has come so far.
    held: Semaphore,
    /// Answers that may go.
    released: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<PspAnswer>,
    payments: BTreeMap<String, ProviderPayment>,
    methods: BTreeMap<String, CaptureMethod>,
    disputes: BTreeMap<String, ProviderDispute>,
    settled: BTreeMap<ProviderOperationId, Result<ProviderPaymentId, ProviderError>>,
    refund_status: Option<ProviderRefundStatus>,
    calls: u64,
    charges: u64,
}

impl Default for ScriptedPsp {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            held: Semaphore::new(0),
            released: Semaphore::new(0),
        }
    }
}

impl ScriptedPsp {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the next calls are answered.
    pub fn script(&self, answers: impl IntoIterator<Item = PspAnswer>) {
        self.state().script.extend(answers);
    }

    /// Refunds that are made from now on have this status at first; else they succeed.
    pub fn refunds_begin(&self, status: ProviderRefundStatus) {
        self.state().refund_status = Some(status);
    }

    /// Changes a payment behind Souk's back.
    pub fn change(&self, id: &ProviderPaymentId, change: impl FnOnce(&mut ProviderPayment)) {
        let mut state = self.state();
        change(
            state
                .payments
                .get_mut(id.as_str())
                .expect("the payment is known"),
        );
    }

    /// Opens or changes a dispute.
    pub fn dispute_is(&self, dispute: ProviderDispute) {
        self.state().disputes.insert(dispute.id.clone(), dispute);
    }

    /// The customer has satisfied the bank.
    pub fn customer_acts(&self, id: &ProviderPaymentId) {
        let mut state = self.state();
        state.take_money(id.as_str());
    }

    /// Calls that could have an effect.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How often money was held or taken from a customer.
    pub fn charges(&self) -> u64 {
        self.state().charges
    }

    /// All payments, by their ids.
    pub fn payments(&self) -> Vec<ProviderPayment> {
        self.state().payments.values().cloned().collect()
    }

    /// The payment of an intent.
    pub fn payment_of(&self, intent: PaymentIntentId) -> Option<ProviderPayment> {
        let payments = self.payments();
        payments.into_iter().find(|p| p.intent == Some(intent))
    }

    /// Waits until a call is held that has had its effect.
    pub async fn until_held(&self) {
        let permit = self.held.acquire().await.expect("it is never closed");
        permit.forget();
    }

    /// Lets one answer go that is held, or the next one that will be.
    pub fn let_go(&self) {
        self.released.add_permits(1);
    }
}

impl State {
    fn take_money(&mut self, id: &str) {
        let method = self.methods[id];
        let payment = self.payments.get_mut(id).expect("the payment is known");
        payment.next_action = None;
        payment.failure = None;
        self.charges += 1;
        match method {
            CaptureMethod::Automatic => {
                payment.status = ProviderStatus::Succeeded;
                payment.captured = payment.amount;
            }
            CaptureMethod::Manual => {
                payment.status = ProviderStatus::RequiresCapture;
                payment.capturable = payment.amount;
            }
        }
    }

    /// Has the effect, once an operation.
    fn effect(
        &mut self,
        request: &ProviderRequest<'_>,
        answer: PspAnswer,
    ) -> Result<ProviderPaymentId, ProviderError> {
        if let Some(settled) = self.settled.get(&request.operation) {
            return settled.clone();
        }
        let done = self.have_effect(request, answer);
        self.settled.insert(request.operation, done.clone());
        done
    }

    fn have_effect(
        &mut self,
        request: &ProviderRequest<'_>,
        answer: PspAnswer,
    ) -> Result<ProviderPaymentId, ProviderError> {
        if answer == PspAnswer::Refused {
            return Err(refused("scripted"));
        }
        match request.command {
            ProviderCommand::Authorize {
                intent,
                amount,
                capture_method,
                existing,
                ..
            } => {
                let id = existing.cloned().unwrap_or_else(|| {
                    let id = format!("pi_{}", self.payments.len() + 1);
                    id.parse().expect("a valid id")
                });
                self.methods.insert(id.to_string(), capture_method);
                let zero = Money::zero(amount.currency());
                self.payments
                    .entry(id.to_string())
                    .or_insert_with(|| ProviderPayment {
                        id: id.clone(),
                        intent: Some(intent),
                        status: ProviderStatus::RequiresConfirmation,
                        amount,
                        capturable: zero,
                        captured: zero,
                        refunds: Vec::new(),
                        next_action: None,
                        failure: None,
                        created_at: Timestamp::UNIX_EPOCH,
                    });
                self.authorize(&id, answer)
            }
            ProviderCommand::Capture {
                payment,
                amount,
                is_final,
            } => self.capture(payment, amount, is_final),
            ProviderCommand::Void { payment } => self.void(payment),
            ProviderCommand::Refund {
                payment,
                refund,
                amount,
            } => {
                let status = self
                    .refund_status
                    .unwrap_or(ProviderRefundStatus::Succeeded);
                let id = format!("re_{}", request.operation.as_uuid().simple());
                let payment = self.known(payment)?;
                let gone: i64 = payment
                    .refunds
                    .iter()
                    .filter(|r| r.status != ProviderRefundStatus::Failed)
                    .map(|r| r.amount.amount_minor())
                    .sum();
                if gone + amount.amount_minor() > payment.captured.amount_minor() {
                    return Err(refused("refund_too_large"));
                }
                payment.refunds.push(ProviderRefund {
                    id,
                    refund: Some(refund),
                    amount,
                    status,
                });
                Ok(payment.id.clone())
            }
        }
    }

    fn authorize(
        &mut self,
        id: &ProviderPaymentId,
        answer: PspAnswer,
    ) -> Result<ProviderPaymentId, ProviderError> {
        match answer {
            PspAnswer::Declined => {
                let failure = ProviderFailure {
                    code: "card_declined".to_owned(),
                    decline_code: Some("insufficient_funds".to_owned()),
                    message: "declined".to_owned(),
                };
                let payment = self.known(id)?;
                payment.status = ProviderStatus::RequiresPaymentMethod;
                payment.failure = Some(failure.clone());
                let payment = Some(Box::new(payment.clone()));
                Err(ProviderError::Declined { failure, payment })
            }
            PspAnswer::Action => {
                let payment = self.known(id)?;
                payment.status = ProviderStatus::RequiresAction;
                payment.next_action = Some(NextAction {
                    redirect_url: "https://bank.example/3ds".to_owned(),
                });
                Ok(id.clone())
            }
            PspAnswer::Plain
            | PspAnswer::Lost
            | PspAnswer::Unheard
            | PspAnswer::NotSent
            | PspAnswer::Refused
            | PspAnswer::WrongAmount
            | PspAnswer::Held => {
                self.take_money(id.as_str());
                Ok(id.clone())
            }
        }
    }

    fn capture(
        &mut self,
        id: &ProviderPaymentId,
        amount: Money,
        is_final: bool,
    ) -> Result<ProviderPaymentId, ProviderError> {
        let payment = self.known(id)?;
        let left = payment
            .capturable
            .checked_sub(amount)
            .map_err(|_| refused("currency"))?;
        if payment.status != ProviderStatus::RequiresCapture || left.amount_minor() < 0 {
            return Err(refused("payment_intent_unexpected_state"));
        }
        let captured = payment.captured.checked_add(amount);
        payment.captured = captured.map_err(|_| refused("amount"))?;
        payment.capturable = left;
        if is_final {
            payment.status = ProviderStatus::Succeeded;
            payment.capturable = Money::zero(amount.currency());
        }
        Ok(id.clone())
    }

    fn void(&mut self, id: &ProviderPaymentId) -> Result<ProviderPaymentId, ProviderError> {
        let payment = self.known(id)?;
        if payment.captured.amount_minor() > 0 {
            return Err(refused("payment_intent_unexpected_state"));
        }
        payment.status = ProviderStatus::Canceled;
        payment.capturable = Money::zero(payment.amount.currency());
        Ok(id.clone())
    }

    fn known(&mut self, id: &ProviderPaymentId) -> Result<&mut ProviderPayment, ProviderError> {
        self.payments
            .get_mut(id.as_str())
            .ok_or(ProviderError::NotFound)
    }
}

fn refused(code: &str) -> ProviderError {
    ProviderError::Refused {
        code: code.to_owned(),
        message: code.to_owned(),
    }
}

fn unknown() -> ProviderError {
    ProviderError::Unknown {
        reason: "scripted".to_owned(),
    }
}

impl PaymentProvider for ScriptedPsp {
    async fn execute(
        &self,
        request: &ProviderRequest<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        let (answer, done) = {
            let mut state = self.state();
            state.calls += 1;
            let answer = state.script.pop_front().unwrap_or(PspAnswer::Plain);
            match answer {
                PspAnswer::Unheard => return Err(unknown()),
                PspAnswer::NotSent => {
                    return Err(ProviderError::NotSent {
                        reason: "scripted".to_owned(),
                    });
                }
                answer => (answer, state.effect(request, answer)),
            }
        };
        if answer == PspAnswer::Held {
            self.held.add_permits(1);
            let permit = self.released.acquire().await.expect("it is never closed");
            permit.forget();
        }
        let id = match (answer, done) {
            (PspAnswer::Lost, _) => return Err(unknown()),
            (_, done) => done?,
        };
        let payment = self.state().payments[id.as_str()].clone();
        if answer == PspAnswer::WrongAmount {
            let cent = Money::new(1, payment.amount.currency());
            let amount = payment.amount.checked_add(cent).expect("it fits");
            return Ok(ProviderPayment { amount, ..payment });
        }
        Ok(payment)
    }

    async fn retrieve(
        &self,
        _tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> Result<ProviderPayment, ProviderError> {
        let state = self.state();
        let found = state.payments.get(payment.as_str()).cloned();
        found.ok_or(ProviderError::NotFound)
    }

    async fn find(
        &self,
        _tenant: TenantId,
        intent: PaymentIntentId,
        _created_from: Timestamp,
    ) -> Result<Option<ProviderPayment>, ProviderError> {
        Ok(self.payment_of(intent))
    }

    async fn movements(
        &self,
        _tenant: TenantId,
        _from: Timestamp,
        _until: Timestamp,
        _after: Option<&str>,
    ) -> Result<MovementPage, ProviderError> {
        Ok(MovementPage {
            movements: Vec::new(),
            next: None,
        })
    }

    async fn dispute(&self, _tenant: TenantId, id: &str) -> Result<ProviderDispute, ProviderError> {
        let found = self.state().disputes.get(id).cloned();
        found.ok_or(ProviderError::NotFound)
    }
}
