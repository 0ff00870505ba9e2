//! Payments: what is Stripe's payment intent and its charge.

use super::calls::{Answer, ApiError, Metadata, NewPayment, Outcome};
use super::tokens::{Bank, bank_of};
use super::{Behaviour, World};

/// Captures of one payment, at most.
pub const CAPTURES_MAX: u32 = 50;
/// An authorization ends after this time.
pub const AUTHORIZATION_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// A bank that takes its time takes this.
pub const PROCESSING_MS: i64 = 60_000;

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "Stripe's words")]
pub enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    /// Stripe's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// `pi_…`
    pub id: String,
    /// `ch_…`, once a bank was asked.
    pub charge: Option<String>,
    /// Whose.
    pub account: String,
    /// Minor units.
    pub amount: i64,
    /// In lower case.
    pub currency: String,
    /// Whether captures are calls of their own.
    pub manual_capture: bool,
    /// Where it is.
    pub status: Status,
    /// What can still be captured.
    pub capturable: i64,
    /// What was captured, in all.
    pub captured: i64,
    /// Captures so far.
    pub captures: u32,
    /// What went back and did not fail.
    pub refunded: i64,
    /// The token it was confirmed with.
    pub payment_method: Option<String>,
    /// Where the customer comes back to.
    pub return_url: Option<String>,
    /// The bank's reason for the last no.
    pub decline_code: Option<&'static str>,
    /// The caller's.
    pub metadata: Metadata,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// The authorization ends then, or the bank is heard of.
    pub(crate) due_ms: Option<i64>,
    pub(crate) bank_approves: bool,
}

impl Payment {
    /// Whether the bank has approved and no customer has anything to do.
    pub const fn is_authorized(&self) -> bool {
        matches!(self.status, Status::RequiresCapture | Status::Succeeded)
    }
}

impl World {
    pub(super) fn create(
        &mut self,
        account: &str,
        wish: &NewPayment,
        behaviour: Behaviour,
        now_ms: i64,
    ) -> Outcome {
        if wish.amount <= 0 {
            return Err(ApiError::invalid(
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
            ));
        }
        if wish
            .payment_method
            .as_deref()
            .is_some_and(|token| bank_of(token).is_none())
        {
            return Err(ApiError::invalid(
                "resource_missing",
                "No such PaymentMethod",
            ));
        }
        let status = match wish.payment_method {
            Some(_) => Status::RequiresConfirmation,
            None => Status::RequiresPaymentMethod,
        };
        let id = self.new_id("pi");
        let wrong = i64::from(behaviour == Behaviour::WrongAmount);
        let payment = Payment {
            id: id.clone(),
            charge: None,
            account: account.to_owned(),
            amount: wish.amount + wrong,
            currency: wish.currency.clone(),
            manual_capture: wish.manual_capture,
            status,
            capturable: 0,
            captured: 0,
            captures: 0,
            refunded: 0,
            payment_method: wish.payment_method.clone(),
            return_url: wish.return_url.clone(),
            decline_code: None,
            metadata: wish.metadata.clone(),
            created_ms: now_ms,
            due_ms: None,
            bank_approves: true,
        };
        self.payments.insert(id.clone(), payment);
        self.tell(account, "payment_intent.created", &id, now_ms);
        if wish.confirm {
            return self.ask_bank(&id, behaviour, now_ms);
        }
        self.answer(&id)
    }

    pub(super) fn confirm(
        &mut self,
        id: &str,
        payment_method: Option<&str>,
        behaviour: Behaviour,
        now_ms: i64,
    ) -> Outcome {
        let payment = self.payment_mut(id)?;
        if !matches!(
            payment.status,
            Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction
        ) {
            return Err(ApiError::unexpected_state(payment));
        }
        if let Some(token) = payment_method {
            payment.payment_method = Some(token.to_owned());
        }
        self.ask_bank(id, behaviour, now_ms)
    }

    fn ask_bank(&mut self, id: &str, behaviour: Behaviour, now_ms: i64) -> Outcome {
        let payment = self.payment_mut(id)?;
        let token = payment.payment_method.clone();
        let bank = token
            .as_deref()
            .and_then(bank_of)
            .ok_or_else(|| ApiError::invalid("resource_missing", "No such PaymentMethod"))?;
        let bank = match (behaviour, bank) {
            (Behaviour::Declined, _) => Bank::Declines("do_not_honor"),
            (Behaviour::RequiresAction, Bank::Approves) => Bank::WantsAction,
            (_, bank) => bank,
        };
        match bank {
            Bank::Approves | Bank::ApprovesAndDisputes => self.approved(id, now_ms),
            Bank::Declines(why) => {
                self.declined(id, why, now_ms);
                Err(ApiError::declined(self.payment_mut(id)?, why))
            }
            Bank::WantsAction => {
                let payment = self.payment_mut(id)?;
                payment.status = Status::RequiresAction;
                let account = payment.account.clone();
                self.tell(&account, "payment_intent.requires_action", id, now_ms);
                self.answer(id)
            }
            Bank::TakesTime { approves } => {
                let payment = self.payment_mut(id)?;
                payment.status = Status::Processing;
                payment.bank_approves = approves;
                payment.due_ms = Some(now_ms + PROCESSING_MS);
                let account = payment.account.clone();
                self.tell(&account, "payment_intent.processing", id, now_ms);
                self.answer(id)
            }
        }
    }

    fn approved(&mut self, id: &str, now_ms: i64) -> Outcome {
        let charge = self.new_id("ch");
        let payment = self.payment_mut(id)?;
        payment.charge = Some(charge);
        payment.decline_code = None;
        payment.status = Status::RequiresCapture;
        payment.capturable = payment.amount;
        payment.due_ms = Some(now_ms + AUTHORIZATION_MS);
        if payment.manual_capture {
            let account = payment.account.clone();
            self.tell(
                &account,
                "payment_intent.amount_capturable_updated",
                id,
                now_ms,
            );
            return self.answer(id);
        }
        let amount = payment.amount;
        self.take(id, amount, true, now_ms);
        self.answer(id)
    }

    fn declined(&mut self, id: &str, why: &'static str, now_ms: i64) {
        let charge = self.new_id("ch");
        let Ok(payment) = self.payment_mut(id) else {
            return;
        };
        payment.charge = Some(charge);
        payment.decline_code = Some(why);
        payment.status = Status::RequiresPaymentMethod;
        payment.payment_method = None;
        payment.due_ms = None;
        let account = payment.account.clone();
        self.tell(&account, "payment_intent.payment_failed", id, now_ms);
    }

    pub(super) fn capture(
        &mut self,
        id: &str,
        amount: Option<i64>,
        is_final: bool,
        now_ms: i64,
    ) -> Outcome {
        let payment = self.payment_mut(id)?;
        if payment.status != Status::RequiresCapture {
            return Err(ApiError::unexpected_state(payment));
        }
        let amount = amount.unwrap_or(payment.capturable);
        if amount <= 0 || amount > payment.capturable {
            return Err(ApiError::invalid(
                "amount_too_large",
                "The amount to capture is greater than the remaining authorized amount.",
            ));
        }
        if payment.captures >= CAPTURES_MAX {
            return Err(ApiError::invalid("capture_limit", "Too many captures"));
        }
        self.take(id, amount, is_final, now_ms);
        self.answer(id)
    }

    /// Moves the money.
    fn take(&mut self, id: &str, amount: i64, is_final: bool, now_ms: i64) {
        let Ok(payment) = self.payment_mut(id) else {
            return;
        };
        payment.captured += amount;
        payment.captures += 1;
        payment.capturable -= amount;
        if is_final {
            payment.capturable = 0;
        }
        let done = payment.capturable == 0;
        if done {
            payment.status = Status::Succeeded;
            payment.due_ms = None;
        }
        let payment = payment.clone();
        self.book_charge(&payment, amount, now_ms);
        let account = &payment.account;
        self.tell(account, "charge.captured", id, now_ms);
        if done {
            self.tell(account, "payment_intent.succeeded", id, now_ms);
            let token = payment.payment_method.as_deref();
            if token.and_then(bank_of) == Some(Bank::ApprovesAndDisputes) {
                let _opened = self.open_dispute(id, payment.captured, now_ms);
            }
        }
    }

    pub(super) fn cancel(&mut self, id: &str, now_ms: i64) -> Outcome {
        let payment = self.payment_mut(id)?;
        match payment.status {
            Status::RequiresPaymentMethod
            | Status::RequiresConfirmation
            | Status::RequiresAction
            | Status::RequiresCapture => {}
            Status::Processing | Status::Succeeded | Status::Canceled => {
                return Err(ApiError::unexpected_state(payment));
            }
        }
        self.let_go(id, now_ms);
        self.answer(id)
    }

    /// Ends an authorization: what was captured of it stays.
    fn let_go(&mut self, id: &str, now_ms: i64) {
        let Ok(payment) = self.payment_mut(id) else {
            return;
        };
        payment.capturable = 0;
        payment.due_ms = None;
        let (status, event) = if payment.captured > 0 {
            (Status::Succeeded, "payment_intent.succeeded")
        } else {
            (Status::Canceled, "payment_intent.canceled")
        };
        payment.status = status;
        let account = payment.account.clone();
        self.tell(&account, event, id, now_ms);
    }

    /// The customer has done what was wanted, or has failed at it.
    ///
    /// # Errors
    /// When there is nothing to do.
    pub fn complete_action(&mut self, id: &str, well: bool, now_ms: i64) -> Outcome {
        let payment = self.payment_mut(id)?;
        if payment.status != Status::RequiresAction {
            return Err(ApiError::unexpected_state(payment));
        }
        if well {
            return self.approved(id, now_ms);
        }
        self.declined(id, "authentication_required", now_ms);
        self.answer(id)
    }

    /// What time has brought about for payments.
    pub(super) fn age_payments(&mut self, now_ms: i64) {
        let due: Vec<String> = self
            .payments
            .values()
            .filter(|payment| payment.due_ms.is_some_and(|due| due <= now_ms))
            .map(|payment| payment.id.clone())
            .collect();
        for id in due {
            let Ok(payment) = self.payment_mut(&id) else {
                continue;
            };
            match (payment.status, payment.bank_approves) {
                (Status::Processing, true) => {
                    let _approved = self.approved(&id, now_ms);
                }
                (Status::Processing, false) => self.declined(&id, "insufficient_funds", now_ms),
                (Status::RequiresCapture, _) => self.let_go(&id, now_ms),
                (
                    Status::RequiresPaymentMethod
                    | Status::RequiresConfirmation
                    | Status::RequiresAction
                    | Status::Succeeded
                    | Status::Canceled,
                    _,
                ) => payment.due_ms = None,
            }
        }
    }

    pub(super) fn payment_mut(&mut self, id: &str) -> Result<&mut Payment, ApiError> {
        self.payments
            .get_mut(id)
            .ok_or_else(|| ApiError::missing("payment_intent", id))
    }

    fn answer(&self, id: &str) -> Outcome {
        let payment = self
            .payments
            .get(id)
            .ok_or_else(|| ApiError::missing("payment_intent", id))?;
        Ok(Answer::Payment(Box::new(payment.clone())))
    }
}
