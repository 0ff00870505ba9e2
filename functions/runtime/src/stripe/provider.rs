//! The port, over Stripe.

use super::accounts::{StripeAccount, StripeAccounts};
use super::answers::{ListJson, PaymentIntentJson, ReadPayment, RefundJson, parse, read_dispute};
use super::errors::StripeRefusal;
use super::event::{StripeEventError, read_event};
use super::requests::{Parameters, Uncountable, expanded, path};
use super::signature::verify_signature;
use super::transport::{Call, Failure, StripeSettings, StripeUrlError, Transport};
use super::{find, movements, requests};
use crate::config::{ConfigError, Lookup, STRIPE_API_URL};
use http::HeaderMap;
use reqwest::Method;
use souk_app::payments::ProviderEvent;
use souk_app::{MovementPage, PaymentProvider, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{
    ProviderDispute, ProviderPayment, ProviderPaymentId, ProviderRefund, ProviderStatus,
};
use souk_domain::{PaymentIntentId, TenantId, Timestamp};
use std::sync::Arc;

/// Pages of one payment's refunds, at most.
const REFUND_PAGES_MAX: usize = 20;
/// Objects of a page.
const PER_PAGE: &str = "100";

/// Stripe. Cheap to clone; clones share connections, the bulkhead and the circuit breaker.
#[derive(Debug, Clone)]
pub struct Stripe {
    accounts: Arc<StripeAccounts>,
    transport: Arc<Transport>,
}

impl Stripe {
    /// Stripe at `url`, or where it is.
    ///
    /// # Errors
    /// When keys must not be sent there.
    pub fn new(
        accounts: StripeAccounts,
        url: Option<&str>,
        settings: StripeSettings,
    ) -> Result<Self, StripeUrlError> {
        Ok(Self {
            accounts: Arc::new(accounts),
            transport: Arc::new(Transport::new(url, settings)?),
        })
    }

    /// As configured by [`crate::config::STRIPE_ACCOUNTS`] and [`STRIPE_API_URL`].
    ///
    /// # Errors
    /// When one of them is missing or malformed.
    pub fn configured(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let url = lookup.optional(STRIPE_API_URL);
        let accounts = StripeAccounts::from_config(lookup)?;
        Self::new(accounts, url.as_deref(), StripeSettings::default()).map_err(|error| {
            ConfigError::Invalid {
                variable: STRIPE_API_URL,
                reason: error.to_string(),
            }
        })
    }

    /// The event that a request to the tenant's webhook carries, if Stripe has signed it.
    ///
    /// # Errors
    /// [`StripeEventError`]: nothing of it is to be believed.
    pub fn verified_event(
        &self,
        tenant: TenantId,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<ProviderEvent, StripeEventError> {
        let secrets = self
            .accounts
            .of(tenant)
            .map(StripeAccount::webhook_secrets)
            .filter(|secrets| !secrets.is_empty())
            .ok_or(StripeEventError::NoSecret)?;
        let header = headers
            .get("stripe-signature")
            .and_then(|value| value.to_str().ok())
            .ok_or(StripeEventError::NotSigned)?;
        verify_signature(header, body, secrets, now)?;
        read_event(body)
    }

    fn account(&self, tenant: TenantId) -> Result<&StripeAccount, ProviderError> {
        self.accounts
            .of(tenant)
            .ok_or_else(|| ProviderError::NotSent {
                reason: "the tenant has no account at Stripe".to_owned(),
            })
    }

    async fn get<T>(
        &self,
        tenant: TenantId,
        path: String,
        parameters: Parameters,
        read: impl Fn(&[u8]) -> Result<T, String> + Send + Sync,
    ) -> Result<T, ProviderError> {
        let call = Call {
            account: self.account(tenant)?,
            method: Method::GET,
            path,
            parameters,
            idempotency_key: None,
        };
        let sent = self.transport.send(&call, read).await;
        sent.map_err(|failure| match &failure {
            Failure::Refused(refusal) if refusal.status == 404 => ProviderError::NotFound,
            Failure::NotSent(_) | Failure::Unknown(_) | Failure::Refused(_) => error_of(failure),
        })
    }

    async fn show(
        &self,
        tenant: TenantId,
        id: &ProviderPaymentId,
    ) -> Result<ProviderPayment, ProviderError> {
        let read = |body: &[u8]| {
            let payment: PaymentIntentJson = parse(body)?;
            if payment.id != id.as_str() {
                return Err(format!("asked for {id}, got {}", payment.id));
            }
            let is_of_another = payment.is_of_another(tenant);
            Ok((is_of_another, payment.read()?))
        };
        let path = path("payment_intents", id.as_str());
        match self.get(tenant, path, expanded(), read).await? {
            // One account may be shared; what is another tenant's is not there.
            (true, _) => Err(ProviderError::NotFound),
            (false, payment) => self.with_refunds(tenant, payment).await,
        }
    }

    /// The payment with all its refunds.
    async fn with_refunds(
        &self,
        tenant: TenantId,
        read: ReadPayment,
    ) -> Result<ProviderPayment, ProviderError> {
        let ReadPayment {
            mut payment,
            refunds_complete,
        } = read;
        if !refunds_complete {
            payment.refunds = self.refunds(tenant, &payment.id).await?;
        }
        Ok(payment)
    }

    async fn refunds(
        &self,
        tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> Result<Vec<ProviderRefund>, ProviderError> {
        let mut refunds = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..REFUND_PAGES_MAX {
            let mut parameters = vec![
                ("payment_intent".to_owned(), payment.to_string()),
                ("limit".to_owned(), PER_PAGE.to_owned()),
            ];
            parameters.extend(after.map(|after| ("starting_after".to_owned(), after)));
            let read = |body: &[u8]| {
                let list: ListJson<RefundJson> = parse(body)?;
                let own = list.data.iter().map(RefundJson::read);
                Ok((own.collect::<Result<Vec<_>, _>>()?, list.has_more))
            };
            let path = "/v1/refunds".to_owned();
            let (page, has_more) = self.get(tenant, path, parameters, read).await?;
            after = page.last().map(|last| last.id.clone());
            refunds.extend(page);
            if !has_more || after.is_none() {
                return Ok(refunds);
            }
        }
        Err(unknown("a payment with too many refunds"))
    }

    async fn post(&self, request: &ProviderRequest<'_>) -> Result<ProviderPayment, Failed> {
        let (path, parameters) = requests::of(request).map_err(|Uncountable| {
            Failed::Port(ProviderError::Refused {
                code: "currency_not_supported".to_owned(),
                message: "Stripe does not count this amount as ISO 4217 does".to_owned(),
            })
        })?;
        let call = Call {
            account: self.account(request.tenant).map_err(Failed::Port)?,
            method: Method::POST,
            path,
            parameters,
            idempotency_key: Some(format!("souk-{}", request.operation)),
        };
        if let ProviderCommand::Refund { payment, .. } = request.command {
            let read = |body: &[u8]| {
                let refund: RefundJson = parse(body)?;
                if refund.payment_intent.as_deref() != Some(payment.as_str()) {
                    return Err("a refund of another payment".to_owned());
                }
                refund.read().map(|_| ())
            };
            self.transport.send(&call, read).await?;
            return after_effect(self.show(request.tenant, payment).await);
        }
        let known = payment_of(&request.command);
        let read = |body: &[u8]| {
            let json: PaymentIntentJson = parse(body)?;
            if known.is_some_and(|known| json.id != known.as_str()) {
                return Err(format!("an answer about {}", json.id));
            }
            json.read()
        };
        let payment = self.transport.send(&call, read).await?;
        after_effect(self.with_refunds(request.tenant, payment).await)
    }

    /// Whether what is wished is so already, although the call did not say so: Stripe keeps an answer under
    /// its key, also where it was a failure of its own.
    async fn is_so_already(&self, request: &ProviderRequest<'_>) -> Option<ProviderPayment> {
        let id = payment_of(&request.command)?;
        let payment = self.show(request.tenant, id).await.ok()?;
        let is_so = match request.command {
            ProviderCommand::Authorize { .. } => matches!(
                payment.status,
                ProviderStatus::RequiresCapture | ProviderStatus::Succeeded
            ),
            ProviderCommand::Void { .. } => payment.status == ProviderStatus::Canceled,
            ProviderCommand::Refund { refund, .. } => {
                let mut refunds = payment.refunds.iter();
                refunds.any(|own| own.refund == Some(refund))
            }
            // Which capture an amount comes from cannot be seen.
            ProviderCommand::Capture { .. } => false,
        };
        is_so.then_some(payment)
    }
}

/// What follows an effect that is known: without it the outcome is not known as a whole.
fn after_effect(shown: Result<ProviderPayment, ProviderError>) -> Result<ProviderPayment, Failed> {
    shown.map_err(|error| Failed::Port(unknown(&format!("after its effect: {error}"))))
}

/// Why there is no snapshot, before it is known whether one is needed.
enum Failed {
    Call(Failure),
    Port(ProviderError),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Call(failure)
    }
}

const fn payment_of<'a>(command: &ProviderCommand<'a>) -> Option<&'a ProviderPaymentId> {
    match command {
        ProviderCommand::Authorize { existing, .. } => *existing,
        ProviderCommand::Capture { payment, .. }
        | ProviderCommand::Void { payment }
        | ProviderCommand::Refund { payment, .. } => Some(payment),
    }
}

fn unknown(reason: &str) -> ProviderError {
    ProviderError::Unknown {
        reason: reason.to_owned(),
    }
}

fn error_of(failure: Failure) -> ProviderError {
    match failure {
        Failure::NotSent(reason) => ProviderError::NotSent { reason },
        Failure::Unknown(reason) => ProviderError::Unknown { reason },
        Failure::Refused(refusal) if refusal.is_reused_key() => ProviderError::Unknown {
            reason: refusal.to_string(),
        },
        Failure::Refused(refusal) => ProviderError::Refused {
            code: refusal.code,
            message: refusal.message,
        },
    }
}

/// What a refusal of a command means, other than that its state or form is wrong.
fn refused(command: &ProviderCommand<'_>, refusal: StripeRefusal) -> ProviderError {
    match (refusal.status, command) {
        (402, ProviderCommand::Authorize { .. }) => ProviderError::Declined {
            failure: refusal.failure(),
            payment: refusal
                .payment
                .and_then(|payment| payment.read().ok())
                // Where refunds could be missing, none is better than a part.
                .filter(|read| read.refunds_complete)
                .map(|read| Box::new(read.payment)),
        },
        (404, command) if payment_of(command).is_some() => ProviderError::NotFound,
        _ => error_of(Failure::Refused(Box::new(refusal))),
    }
}

impl PaymentProvider for Stripe {
    async fn execute(
        &self,
        request: &ProviderRequest<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        match self.post(request).await {
            Ok(payment) => Ok(payment),
            Err(Failed::Port(error)) => Err(error),
            Err(Failed::Call(Failure::Refused(refusal))) if refusal.status != 400 => {
                Err(refused(&request.command, *refusal))
            }
            Err(Failed::Call(Failure::NotSent(reason))) => Err(ProviderError::NotSent { reason }),
            Err(Failed::Call(failure)) => match self.is_so_already(request).await {
                Some(payment) => Ok(payment),
                None => Err(error_of(failure)),
            },
        }
    }

    async fn retrieve(
        &self,
        tenant: TenantId,
        payment: &ProviderPaymentId,
    ) -> Result<ProviderPayment, ProviderError> {
        self.show(tenant, payment).await
    }

    async fn find(
        &self,
        tenant: TenantId,
        intent: PaymentIntentId,
        created_from: Timestamp,
    ) -> Result<Option<ProviderPayment>, ProviderError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..find::PAGES_MAX {
            let parameters = find::parameters(created_from, after.as_deref());
            let path = "/v1/payment_intents".to_owned();
            let read = |body: &[u8]| find::read_page(body, intent);
            let page = match self.get(tenant, path, parameters, read).await {
                Ok(page) => page,
                // Only a whole list says that there is nothing.
                Err(ProviderError::NotFound) => return Err(unknown("there is no list")),
                Err(error) => return Err(error),
            };
            found.extend(page.found);
            after = page.next;
            if after.is_none() {
                return match find::best(found) {
                    Some(payment) => self.with_refunds(tenant, payment).await.map(Some),
                    None => Ok(None),
                };
            }
        }
        Err(unknown("too many payments to look through"))
    }

    async fn movements(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        after: Option<&str>,
    ) -> Result<MovementPage, ProviderError> {
        let mut parameters = vec![
            ("created[gte]".to_owned(), from.unix_s().to_string()),
            ("created[lt]".to_owned(), until.unix_s().to_string()),
            ("limit".to_owned(), PER_PAGE.to_owned()),
            ("expand[0]".to_owned(), "data.source".to_owned()),
        ];
        parameters.extend(after.map(|after| ("starting_after".to_owned(), after.to_owned())));
        let path = "/v1/balance_transactions".to_owned();
        let read = |body: &[u8]| movements::read_page(body, tenant);
        self.get(tenant, path, parameters, read).await
    }

    async fn dispute(&self, tenant: TenantId, id: &str) -> Result<ProviderDispute, ProviderError> {
        let path = path("disputes", id);
        self.get(tenant, path, Vec::new(), read_dispute).await
    }
}
