//! Sends an operation to the PSP. No transaction is open here.

use crate::{PaymentProvider, ProviderCommand, ProviderError, ProviderRequest, Tools};
use souk_domain::TenantId;
use souk_domain::payment::{
    OperationKind, OperationOutcome, Payment, ProviderFailure, ProviderOperation, ProviderPayment,
    ProviderStatus,
};

/// PSPs keep idempotency keys for 24 hours. What was sent longer ago than this is not sent again before
/// the PSP has said that it had no effect.
const KEY_KEPT_S: i64 = 23 * 60 * 60;

/// Sends the operation, and says what became of it. `is_first` where it certainly was not sent before.
pub(super) async fn send<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    (payment, operation, is_first): (&Payment, &ProviderOperation, bool),
) -> OperationOutcome {
    let created_at = operation.created_at.unix_s();
    let age_s = tools.clock.now().unix_s().saturating_sub(created_at);
    if age_s >= KEY_KEPT_S && !is_first {
        match send_late(tools, provider, tenant, (payment, operation)).await {
            Late::Known(outcome) => return outcome,
            Late::Send => {}
        }
    }
    let Some(command) = command(payment, operation) else {
        return failed(
            "no_payment",
            "there is no payment at the provider yet",
            None,
        );
    };
    let request = ProviderRequest {
        tenant,
        operation: operation.id,
        command,
    };
    match provider.execute(&request).await {
        Ok(said) => believed(provider, tenant, payment, said).await,
        Err(ProviderError::Declined {
            failure,
            payment: said,
        }) => {
            let consistent = said.filter(|said| payment.contradiction(said).is_none());
            OperationOutcome::Failed {
                failure,
                payment: consistent,
            }
        }
        Err(ProviderError::Refused { code, message }) => {
            refused(
                tools,
                provider,
                tenant,
                (payment, operation),
                (&code, &message),
            )
            .await
        }
        Err(ProviderError::NotFound) => {
            let reason = ("not_found", "the provider does not know the payment");
            refused(tools, provider, tenant, (payment, operation), reason).await
        }
        Err(ProviderError::NotSent { reason }) if is_first => OperationOutcome::NotSent { reason },
        Err(ProviderError::NotSent { reason } | ProviderError::Unknown { reason }) => {
            OperationOutcome::Unknown { reason }
        }
    }
}

fn is_authorization(operation: &ProviderOperation) -> bool {
    match operation.kind {
        OperationKind::Authorize { .. } => true,
        OperationKind::Capture { .. } | OperationKind::Void | OperationKind::Refund { .. } => false,
    }
}

fn failed(code: &str, message: &str, payment: Option<Box<ProviderPayment>>) -> OperationOutcome {
    OperationOutcome::Failed {
        failure: ProviderFailure {
            code: code.to_owned(),
            decline_code: None,
            message: message.to_owned(),
        },
        payment,
    }
}

/// What the operation is to the PSP; none where it needs a payment that there is not.
fn command<'a>(
    payment: &'a Payment,
    operation: &'a ProviderOperation,
) -> Option<ProviderCommand<'a>> {
    let intent = &payment.intent;
    let known = intent.provider_payment.as_ref();
    match &operation.kind {
        OperationKind::Authorize {
            payment_method,
            return_url,
            existing,
            ..
        } => Some(ProviderCommand::Authorize {
            intent: intent.id,
            order: intent.order,
            amount: intent.amount,
            capture_method: intent.capture_method,
            payment_method: payment_method.as_str(),
            existing: existing.as_ref(),
            return_url: return_url
                .as_ref()
                .map(souk_domain::payment::ReturnUrl::as_str),
        }),
        OperationKind::Capture {
            amount, is_final, ..
        } => known.map(|payment| ProviderCommand::Capture {
            payment,
            amount: *amount,
            is_final: *is_final,
        }),
        OperationKind::Void => known.map(|payment| ProviderCommand::Void { payment }),
        OperationKind::Refund { refund, amount } => known.map(|payment| ProviderCommand::Refund {
            payment,
            refund: *refund,
            amount: *amount,
        }),
    }
}

/// A snapshot that contradicts what was wished is not believed before the PSP was asked once more.
async fn believed<P: PaymentProvider>(
    provider: &P,
    tenant: TenantId,
    payment: &Payment,
    said: ProviderPayment,
) -> OperationOutcome {
    let Some(reason) = payment.contradiction(&said) else {
        return OperationOutcome::Answered(Box::new(said));
    };
    tracing::warn!(
        payment_intent.id = %payment.intent.id,
        reason,
        "the provider's answer contradicts what was wished; it is asked again"
    );
    let id = payment.intent.provider_payment.as_ref().unwrap_or(&said.id);
    match provider.retrieve(tenant, id).await {
        Ok(again) => OperationOutcome::Answered(Box::new(again)),
        Err(error) => OperationOutcome::Unknown {
            reason: error.to_string(),
        },
    }
}

/// What the PSP has of the payment.
async fn look<P: PaymentProvider>(
    provider: &P,
    tenant: TenantId,
    payment: &Payment,
) -> Result<Option<ProviderPayment>, ProviderError> {
    let Some(id) = &payment.intent.provider_payment else {
        let (intent, since) = (payment.intent.id, payment.intent.created_at);
        return provider.find(tenant, intent, since).await;
    };
    match provider.retrieve(tenant, id).await {
        Ok(said) => Ok(Some(said)),
        Err(ProviderError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a snapshot tells that the operation had its effect, or can have none any more.
fn settles(
    tools: &Tools,
    payment: &Payment,
    operation: &ProviderOperation,
    said: &ProviderPayment,
) -> bool {
    let now = tools.clock.now();
    let fresh = &mut || tools.ids.uuid_v7(now);
    let seen = payment.clone().observe(said, None, now, fresh);
    seen.payment.pending(operation.id).is_none()
}

/// The PSP refuses. It may do so because the operation had its effect long ago: it is asked.
async fn refused<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    (payment, operation): (&Payment, &ProviderOperation),
    (code, message): (&str, &str),
) -> OperationOutcome {
    match look(provider, tenant, payment).await {
        Ok(Some(said)) if settles(tools, payment, operation, &said) => {
            OperationOutcome::Answered(Box::new(said))
        }
        Ok(said) => failed(code, message, said.map(Box::new)),
        Err(error) => OperationOutcome::Unknown {
            reason: error.to_string(),
        },
    }
}

enum Late {
    Known(OperationOutcome),
    Send,
}

/// An operation whose idempotency key the PSP may have forgotten. It has been at rest for so long that
/// what the PSP shows is its outcome. A capture, void or refund that had no effect is still wanted, and
/// is sent; an authorization is not: whoever wanted to pay has left.
async fn send_late<P: PaymentProvider>(
    tools: &Tools,
    provider: &P,
    tenant: TenantId,
    (payment, operation): (&Payment, &ProviderOperation),
) -> Late {
    let said = match look(provider, tenant, payment).await {
        Ok(said) => said,
        Err(error) => {
            return Late::Known(OperationOutcome::Unknown {
                reason: error.to_string(),
            });
        }
    };
    match said {
        Some(said) if settles(tools, payment, operation, &said) => {
            Late::Known(OperationOutcome::Answered(Box::new(said)))
        }
        said if is_authorization(operation) => {
            let under_way = said.as_ref().is_some_and(|said| match said.status {
                ProviderStatus::RequiresAction | ProviderStatus::Processing => true,
                ProviderStatus::RequiresPaymentMethod
                | ProviderStatus::RequiresConfirmation
                | ProviderStatus::RequiresCapture
                | ProviderStatus::Succeeded
                | ProviderStatus::Canceled => false,
            });
            match said {
                Some(said) if under_way => Late::Known(OperationOutcome::Answered(Box::new(said))),
                said => Late::Known(failed(
                    "provider_unreachable",
                    "the provider could not be reached for too long",
                    said.map(Box::new),
                )),
            }
        }
        _ => Late::Send,
    }
}
