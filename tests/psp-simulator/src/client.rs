//! The PSP in process, as the port sees it.

use crate::convert;
use crate::faults::CallFault;
use crate::simulator::Simulator;
use crate::world::{Answer, ApiError, Call, Metadata, NewPayment, Outcome, Request, Status};
use souk_app::{MovementPage, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{CaptureMethod, ProviderDispute, ProviderPayment, ProviderPaymentId};
use souk_domain::{PaymentIntentId, TenantId, Timestamp};
use std::sync::Arc;
use tokio::sync::Notify;

/// Movements of a page.
const MOVEMENTS_PER_PAGE: usize = 100;
/// Whoever looks for what was made since an instant also gets what was made a little earlier.
const CLOCK_SKEW_MS: i64 = 300_000;
/// Turns that others get while an answer is late.
const LATE_ANSWER_TURNS: u32 = 50;

/// One caller of the PSP. Clones die together.
#[derive(Debug, Clone)]
pub struct Client {
    simulator: Simulator,
    crashed: Arc<Notify>,
}

impl Client {
    pub(crate) fn new(simulator: Simulator) -> Self {
        Self {
            simulator,
            crashed: Arc::default(),
        }
    }

    /// Ends when this caller is to die: drop whatever it was doing.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Whoever calls from `client` is dead: nothing of it ever goes on.
    async fn die<T>(&self) -> T {
        self.crashed.notify_one();
        core::future::pending().await
    }

    async fn ask<T>(
        &self,
        read: impl FnOnce() -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let fault = self.simulator.world().draw_read();
        match fault {
            CallFault::CrashBefore | CallFault::CrashAfter => self.die().await,
            CallFault::NotReached | CallFault::TooManyRequests => Err(not_sent(fault)),
            CallFault::RequestLost
            | CallFault::AnswerLost
            | CallFault::ErrorBefore
            | CallFault::Garbage => Err(unknown(fault)),
            _ => {
                tokio::task::yield_now().await;
                read()
            }
        }
    }

    async fn send(&self, request: &Request) -> Result<Outcome, ProviderError> {
        let (fault, outcome, events) = {
            let mut world = self.simulator.world();
            let fault = world.draw_call();
            let events = world.events().len();
            let now_ms = self.simulator.now_ms();
            (fault, world.apply_faulty(request, fault, now_ms), events)
        };
        self.simulator.early_events(events).await;
        match fault {
            CallFault::CrashBefore | CallFault::CrashAfter => self.die().await,
            CallFault::NotReached | CallFault::TooManyRequests => Err(not_sent(fault)),
            CallFault::RequestLost
            | CallFault::RequestLate
            | CallFault::AnswerLost
            | CallFault::ErrorBefore
            | CallFault::ErrorAfter
            | CallFault::Garbage => Err(unknown(fault)),
            CallFault::AnswerLate => {
                for _ in 0..LATE_ANSWER_TURNS {
                    tokio::task::yield_now().await;
                }
                Ok(outcome)
            }
            _ => {
                tokio::task::yield_now().await;
                Ok(outcome)
            }
        }
    }
}

fn not_sent(fault: CallFault) -> ProviderError {
    ProviderError::NotSent {
        reason: format!("{fault:?}"),
    }
}

fn unknown(fault: CallFault) -> ProviderError {
    ProviderError::Unknown {
        reason: format!("{fault:?}"),
    }
}

fn to_call(request: &ProviderRequest<'_>) -> Call {
    let mut metadata = Metadata::from([
        ("souk_tenant".to_owned(), request.tenant.to_string()),
        ("souk_operation".to_owned(), request.operation.to_string()),
    ]);
    match request.command {
        ProviderCommand::Authorize {
            existing: Some(payment),
            payment_method,
            return_url,
            ..
        } => Call::Confirm {
            payment: payment.to_string(),
            payment_method: Some(payment_method.to_owned()),
            return_url: return_url.map(str::to_owned),
        },
        ProviderCommand::Authorize {
            intent,
            order,
            amount,
            capture_method,
            payment_method,
            existing: None,
            return_url,
        } => {
            metadata.insert("souk_payment_intent".to_owned(), intent.to_string());
            metadata.insert("souk_order".to_owned(), order.to_string());
            Call::Create(NewPayment {
                amount: amount.amount_minor(),
                currency: amount.currency().code().to_ascii_lowercase(),
                manual_capture: capture_method == CaptureMethod::Manual,
                payment_method: Some(payment_method.to_owned()),
                confirm: true,
                return_url: return_url.map(str::to_owned),
                metadata,
            })
        }
        ProviderCommand::Capture {
            payment,
            amount,
            is_final,
        } => Call::Capture {
            payment: payment.to_string(),
            amount: Some(amount.amount_minor()),
            is_final,
        },
        ProviderCommand::Void { payment } => Call::Cancel {
            payment: payment.to_string(),
        },
        ProviderCommand::Refund {
            payment,
            refund,
            amount,
        } => {
            metadata.insert("souk_refund".to_owned(), refund.to_string());
            Call::Refund {
                payment: payment.to_string(),
                amount: Some(amount.amount_minor()),
                metadata,
            }
        }
    }
}

impl Client {
    fn show(&self, account: &str, id: &str) -> Result<ProviderPayment, ProviderError> {
        let world = self.simulator.world();
        let payment = world
            .payment(account, id)
            .map_err(|_| ProviderError::NotFound)?;
        Ok(convert::payment(payment, &world.refunds_of(id)))
    }

    fn answered(
        &self,
        request: &ProviderRequest<'_>,
        answer: &Answer,
    ) -> Result<ProviderPayment, ProviderError> {
        match answer {
            // As it was when the call was first answered.
            Answer::Payment(payment) => {
                let refunds = if payment.refunded > 0 {
                    self.simulator.world().refunds_of(&payment.id)
                } else {
                    Vec::new()
                };
                Ok(convert::payment(payment, &refunds))
            }
            Answer::Refund(refund) => self.show(&request.tenant.to_string(), &refund.payment),
        }
    }
}

fn refused(
    request: &ProviderRequest<'_>,
    error: ApiError,
) -> Result<ProviderPayment, ProviderError> {
    let is_authorize = matches!(request.command, ProviderCommand::Authorize { .. });
    let is_void = matches!(request.command, ProviderCommand::Void { .. });
    match (error.status, error.code) {
        (402, _) if is_authorize => Err(ProviderError::Declined {
            failure: convert::declined(&error),
            payment: error
                .payment
                .map(|payment| Box::new(convert::payment(&payment, &[]))),
        }),
        (404, _) => Err(ProviderError::NotFound),
        (429, _) => Err(not_sent(CallFault::TooManyRequests)),
        (500.., _) => Err(unknown(CallFault::ErrorBefore)),
        (_, "idempotency_error") => Err(ProviderError::Unknown {
            reason: error.message,
        }),
        (_, code) => match error.payment {
            // What is wished is so.
            Some(payment)
                if (is_void && payment.status == Status::Canceled)
                    || (is_authorize && payment.is_authorized()) =>
            {
                Ok(convert::payment(&payment, &[]))
            }
            _ => Err(ProviderError::Refused {
                code: code.to_owned(),
                message: error.message,
            }),
        },
    }
}

impl PaymentProvider for Client {
    async fn execute(
        &self,
        request: &ProviderRequest<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        let sent = Request {
            account: request.tenant.to_string(),
            key: Some(format!("souk-{}", request.operation)),
            call: to_call(request),
        };
        match self.send(&sent).await? {
            Ok(answer) => self.answered(request, &answer),
            Err(error) => refused(request, error),
        }
    }

    async fn retrieve(
        &self,
        tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> Result<ProviderPayment, ProviderError> {
        self.ask(|| self.show(&tenant.to_string(), payment.as_str()))
            .await
    }

    async fn find(
        &self,
        tenant: TenantId,
        intent: PaymentIntentId,
        created_from: Timestamp,
    ) -> Result<Option<ProviderPayment>, ProviderError> {
        let (account, intent) = (tenant.to_string(), intent.to_string());
        let from_ms = created_from.unix_ms() - CLOCK_SKEW_MS;
        self.ask(|| {
            let world = self.simulator.world();
            let made_for_it = world.payments().filter(|payment| {
                payment.account == account
                    && payment.created_ms >= from_ms
                    && payment.metadata.get("souk_payment_intent") == Some(&intent)
            });
            // One with money before one without, then the newest.
            let found = made_for_it.max_by_key(|payment| {
                (
                    payment.is_authorized(),
                    payment.created_ms,
                    payment.id.clone(),
                )
            });
            Ok(found.map(|payment| convert::payment(payment, &world.refunds_of(&payment.id))))
        })
        .await
    }

    async fn movements(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        after: Option<&str>,
    ) -> Result<MovementPage, ProviderError> {
        let account = tenant.to_string();
        self.ask(|| {
            let world = self.simulator.world();
            let span = from.unix_ms()..until.unix_ms();
            let mut rest = world
                .movements()
                .iter()
                .rev()
                .filter(|movement| {
                    movement.account == account && span.contains(&movement.created_ms)
                })
                .skip_while(|movement| after.is_some_and(|after| movement.id != after))
                .skip(usize::from(after.is_some()))
                .map(convert::movement);
            let movements: Vec<_> = rest.by_ref().take(MOVEMENTS_PER_PAGE).collect();
            let next = movements
                .last()
                .filter(|_| rest.next().is_some())
                .map(|movement| movement.id.clone());
            Ok(MovementPage { movements, next })
        })
        .await
    }

    async fn dispute(&self, tenant: TenantId, id: &str) -> Result<ProviderDispute, ProviderError> {
        let account = tenant.to_string();
        self.ask(|| {
            let world = self.simulator.world();
            let dispute = world.dispute(&account, id);
            dispute
                .map(convert::dispute)
                .map_err(|_| ProviderError::NotFound)
        })
        .await
    }
}
