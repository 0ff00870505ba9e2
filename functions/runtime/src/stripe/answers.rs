//! Stripe's objects, as far as they are read, and what they say in the port's words. Whatever is not as
//! it must be makes the whole answer one that is not believed.

use serde::{Deserialize, Deserializer};
use souk_domain::payment::{
    NextAction, ProviderDispute, ProviderDisputeStatus, ProviderFailure, ProviderPayment,
    ProviderRefund, ProviderRefundStatus, ProviderStatus,
};
use souk_domain::{Currency, Money, TenantId, Timestamp};
use std::collections::BTreeMap;

/// What we keep with Stripe's objects, as their metadata.
pub(super) const TENANT: &str = "souk_tenant";
pub(super) const INTENT: &str = "souk_payment_intent";
pub(super) const ORDER: &str = "souk_order";
pub(super) const OPERATION: &str = "souk_operation";
pub(super) const REFUND: &str = "souk_refund";

type Metadata = BTreeMap<String, String>;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct ListJson<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// An object, or its id where it was not asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expandable<T> {
    Id(#[allow(dead_code, reason = "only that it is one")] String),
    Whole(Box<T>),
}

/// `docs.stripe.com/api/payment_intents/object`
#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntentJson {
    pub(super) id: String,
    object: String,
    amount: i64,
    amount_capturable: Option<i64>,
    amount_received: Option<i64>,
    currency: String,
    status: PaymentStatusJson,
    created: i64,
    #[serde(default)]
    latest_charge: Option<Expandable<ChargeJson>>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) metadata: Metadata,
    #[serde(default)]
    next_action: Option<NextActionJson>,
    #[serde(default)]
    last_payment_error: Option<PaymentErrorJson>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PaymentStatusJson {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
}

/// `docs.stripe.com/api/charges/object`
#[derive(Debug, Deserialize)]
struct ChargeJson {
    amount: i64,
    captured: bool,
    amount_captured: Option<i64>,
    #[serde(default)]
    refunds: Option<ListJson<RefundJson>>,
}

#[derive(Debug, Deserialize)]
struct NextActionJson {
    #[serde(default)]
    redirect_to_url: Option<RedirectJson>,
}

#[derive(Debug, Deserialize)]
struct RedirectJson {
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PaymentErrorJson {
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

/// `docs.stripe.com/api/refunds/object`
#[derive(Debug, Deserialize)]
pub(super) struct RefundJson {
    id: String,
    object: String,
    amount: i64,
    currency: String,
    status: RefundStatusJson,
    pub(super) payment_intent: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    metadata: Metadata,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefundStatusJson {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
}

/// `docs.stripe.com/api/disputes/object`
#[derive(Debug, Deserialize)]
struct DisputeJson {
    id: String,
    object: String,
    amount: i64,
    currency: String,
    status: String,
    reason: String,
    created: i64,
    payment_intent: Option<String>,
    #[serde(default)]
    balance_transactions: Vec<AmountJson>,
}

#[derive(Debug, Deserialize)]
struct AmountJson {
    amount: i64,
}

/// Stripe writes null for what is empty.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
    Option::<Metadata>::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(super) fn parse<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Money in Stripe's lower-case currency.
pub(super) fn money(amount: i64, currency: &str) -> Result<Money, String> {
    let known = currency
        .to_ascii_uppercase()
        .parse::<Currency>()
        .ok()
        .filter(|_| !currency.bytes().any(|byte| byte.is_ascii_uppercase()))
        .ok_or_else(|| format!("the currency {currency:?}"))?;
    Ok(Money::new(amount, known))
}

pub(super) fn instant(seconds: i64) -> Result<Timestamp, String> {
    let ms = seconds.checked_mul(1_000).ok_or("the time")?;
    Timestamp::from_unix_ms(ms).map_err(|_| "the time".to_owned())
}

pub(super) fn is(object: &str, wanted: &str) -> Result<(), String> {
    if object == wanted {
        return Ok(());
    }
    Err(format!("the object is {object:?}"))
}

fn not_negative(amount: i64) -> Result<i64, String> {
    if amount >= 0 {
        return Ok(amount);
    }
    Err("an amount is negative".to_owned())
}

/// A payment, and whether all its refunds are in it.
#[derive(Debug)]
pub(super) struct ReadPayment {
    pub(super) payment: ProviderPayment,
    pub(super) refunds_complete: bool,
}

impl PaymentIntentJson {
    /// Whether it was made for another tenant than this.
    pub(super) fn is_of_another(&self, tenant: TenantId) -> bool {
        let named = self.metadata.get(TENANT);
        named.is_some_and(|named| *named != tenant.to_string())
    }

    /// In the port's words.
    pub(super) fn read(self) -> Result<ReadPayment, String> {
        is(&self.object, "payment_intent")?;
        let captured = not_negative(self.captured())?;
        let capturable = not_negative(self.capturable(captured))?;
        let amount = not_negative(self.amount)?;
        let money = |amount| money(amount, &self.currency);
        let shown = match &self.latest_charge {
            Some(Expandable::Whole(charge)) => charge.refunds.as_ref(),
            Some(Expandable::Id(_)) | None => None,
        };
        let refunds_complete = match shown {
            Some(list) => !list.has_more,
            // Nothing goes back of what was not taken.
            None => captured == 0,
        };
        let refunds = shown.map_or(Ok(Vec::new()), |list| {
            list.data.iter().map(RefundJson::read).collect()
        })?;
        let payment = ProviderPayment {
            id: self.id.parse().map_err(|_| "the id".to_owned())?,
            intent: self.metadata.get(INTENT).and_then(|id| id.parse().ok()),
            status: self.status.into(),
            amount: money(amount)?,
            capturable: money(capturable)?,
            captured: money(captured)?,
            refunds,
            next_action: self
                .next_action
                .and_then(|next| next.redirect_to_url?.url)
                .map(|redirect_url| NextAction { redirect_url }),
            failure: self.last_payment_error.map(|error| ProviderFailure {
                code: error.code.unwrap_or_else(|| "unknown".to_owned()),
                decline_code: error.decline_code,
                message: error.message.unwrap_or_default(),
            }),
            created_at: instant(self.created)?,
        };
        Ok(ReadPayment {
            payment,
            refunds_complete,
        })
    }

    /// What was taken: as the payment says, else as its charge does.
    fn captured(&self) -> i64 {
        self.amount_received
            .unwrap_or_else(|| match &self.latest_charge {
                Some(Expandable::Whole(charge)) if charge.captured => {
                    charge.amount_captured.unwrap_or(charge.amount)
                }
                Some(_) | None => 0,
            })
    }

    fn capturable(&self, captured: i64) -> i64 {
        self.amount_capturable.unwrap_or_else(|| {
            if self.status == PaymentStatusJson::RequiresCapture {
                self.amount.saturating_sub(captured)
            } else {
                0
            }
        })
    }
}

impl From<PaymentStatusJson> for ProviderStatus {
    fn from(status: PaymentStatusJson) -> Self {
        match status {
            PaymentStatusJson::RequiresPaymentMethod => Self::RequiresPaymentMethod,
            PaymentStatusJson::RequiresConfirmation => Self::RequiresConfirmation,
            PaymentStatusJson::RequiresAction => Self::RequiresAction,
            PaymentStatusJson::Processing => Self::Processing,
            PaymentStatusJson::RequiresCapture => Self::RequiresCapture,
            PaymentStatusJson::Succeeded => Self::Succeeded,
            PaymentStatusJson::Canceled => Self::Canceled,
        }
    }
}

impl RefundJson {
    pub(super) fn read(&self) -> Result<ProviderRefund, String> {
        is(&self.object, "refund")?;
        Ok(ProviderRefund {
            id: self.id.clone(),
            refund: self.metadata.get(REFUND).and_then(|id| id.parse().ok()),
            amount: money(not_negative(self.amount)?, &self.currency)?,
            status: match self.status {
                RefundStatusJson::Pending => ProviderRefundStatus::Pending,
                RefundStatusJson::RequiresAction => ProviderRefundStatus::RequiresAction,
                RefundStatusJson::Succeeded => ProviderRefundStatus::Succeeded,
                RefundStatusJson::Failed => ProviderRefundStatus::Failed,
                RefundStatusJson::Canceled => ProviderRefundStatus::Canceled,
            },
        })
    }
}

/// A dispute.
pub(super) fn read_dispute(body: &[u8]) -> Result<ProviderDispute, String> {
    let dispute: DisputeJson = parse(body)?;
    is(&dispute.object, "dispute")?;
    let payment = dispute.payment_intent.ok_or("no payment intent")?;
    let moved = dispute
        .balance_transactions
        .iter()
        .fold(0_i64, |sum, own| sum.saturating_add(own.amount));
    Ok(ProviderDispute {
        id: dispute.id,
        payment: payment.parse().map_err(|_| "the payment's id".to_owned())?,
        amount: money(not_negative(dispute.amount)?, &dispute.currency)?,
        status: match dispute.status.as_str() {
            "needs_response"
            | "under_review"
            | "warning_needs_response"
            | "warning_under_review" => ProviderDisputeStatus::Open,
            "won" | "warning_closed" | "prevented" => ProviderDisputeStatus::Won,
            "lost" => ProviderDisputeStatus::Lost,
            other => return Err(format!("the status {other:?}")),
        },
        reason: dispute.reason,
        funds_withdrawn: moved < 0,
        created_at: instant(dispute.created)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn payment() -> Value {
        json!({
            "id": "pi_1", "object": "payment_intent", "amount": 1_999, "amount_capturable": 0,
            "amount_received": 1_999, "currency": "eur", "status": "succeeded",
            "created": 1_795_248_000, "latest_charge": "ch_1",
            "metadata": {"souk_payment_intent": "pi_0197c0de8f2b7c3a9d4e5f6071829304"},
        })
    }

    fn read(value: &Value) -> Result<ReadPayment, String> {
        parse::<PaymentIntentJson>(value.to_string().as_bytes())?.read()
    }

    #[test]
    fn a_payment_is_read_and_says_when_refunds_may_be_missing() {
        let plain = read(&payment()).unwrap();
        assert_eq!(plain.payment.captured.amount_minor(), 1_999);
        assert!(plain.payment.intent.is_some());
        assert!(!plain.refunds_complete, "the charge was not shown");

        let mut whole = payment();
        whole["latest_charge"] = json!({
            "id": "ch_1", "object": "charge", "amount": 1_999, "captured": true,
            "refunds": {"has_more": false, "data": [{
                "id": "re_1", "object": "refund", "amount": 5, "currency": "eur",
                "status": "pending", "payment_intent": "pi_1", "metadata": null,
            }]},
        });
        let shown = read(&whole).unwrap();
        assert!(shown.refunds_complete);
        assert_eq!(
            shown.payment.refunds[0].status,
            ProviderRefundStatus::Pending
        );
        whole["latest_charge"]["refunds"]["has_more"] = json!(true);
        assert!(!read(&whole).unwrap().refunds_complete);
    }

    #[test]
    fn what_is_not_as_it_must_be_is_not_believed() {
        for (field, value) in [
            ("id", json!("")),
            ("id", json!("pi 1")),
            ("object", json!("charge")),
            ("amount", json!("1999")),
            ("amount", json!(-1)),
            ("amount", json!(19.99)),
            ("amount_received", json!(-1)),
            ("amount_capturable", json!(-1)),
            ("currency", json!("EUR")),
            ("currency", json!("zzz")),
            ("status", json!("paid")),
            ("status", Value::Null),
            ("created", json!(i64::MAX)),
            ("metadata", json!([])),
        ] {
            let mut wrong = payment();
            wrong[field] = value.clone();
            assert!(read(&wrong).is_err(), "{field}: {value}");
        }
        for garbage in [&b""[..], b"null", b"[]", b"{}", b"<html>", b"{\"id\":"] {
            assert!(parse::<PaymentIntentJson>(garbage).is_err());
        }
    }
}
