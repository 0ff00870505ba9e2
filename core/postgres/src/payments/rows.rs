//! From rows to payments. A row comes as JSON, an intent with all that belongs to it in one document:
//! one statement, and all of one moment.

use crate::DatabaseError;
use serde::{Deserialize, Deserializer, de};
use souk_domain::payment::{
    Dispute, NextAction, OperationKind, Payment, PaymentAttempt, PaymentIntent, ProviderFailure,
    ProviderOperation, Refund, RefundOrigin,
};
use souk_domain::{
    Currency, DisputeId, Money, OrderId, PaymentAttemptId, PaymentIntentId, ProviderOperationId,
    RefundId, Timestamp,
};
use uuid::Uuid;

fn plain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Uuid::try_parse(&text).map_err(de::Error::custom)
}

fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> DatabaseError {
    DatabaseError::corrupt("payment", error)
}

#[derive(Debug, Deserialize)]
pub(super) struct IntentRow {
    #[serde(deserialize_with = "plain")]
    payment_intent_id: Uuid,
    #[serde(deserialize_with = "plain")]
    order_id: Uuid,
    status: String,
    capture_method: String,
    currency: Currency,
    amount_minor: i64,
    capturable_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    refund_reserved_minor: i64,
    disputed_minor: i64,
    captures: u16,
    payment_method: Option<String>,
    provider_payment_id: Option<String>,
    next_action: Option<NextAction>,
    failure: Option<ProviderFailure>,
    reason: Option<String>,
    cancel_reason: Option<String>,
    version: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    authorized_at: Option<Timestamp>,
    authorization_expires_at: Option<Timestamp>,
    paid_at: Option<Timestamp>,
    canceled_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
}

/// An intent with all that a decision about it needs.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentRow {
    intent: IntentRow,
    attempt: Option<AttemptRow>,
    operations: Option<Vec<OperationRow>>,
    refunds: Option<Vec<RefundRow>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AttemptRow {
    #[serde(deserialize_with = "plain")]
    payment_attempt_id: Uuid,
    number: u16,
    status: String,
    payment_method: String,
    #[serde(deserialize_with = "plain")]
    operation_id: Uuid,
    failure: Option<ProviderFailure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct OperationRow {
    #[serde(deserialize_with = "plain")]
    operation_id: Uuid,
    #[serde(deserialize_with = "plain")]
    payment_intent_id: Uuid,
    data: OperationKind,
    status: String,
    tries: u16,
    last_error: Option<String>,
    created_at: Timestamp,
    settled_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundRow {
    #[serde(deserialize_with = "plain")]
    refund_id: Uuid,
    #[serde(deserialize_with = "plain")]
    payment_intent_id: Uuid,
    #[serde(deserialize_with = "plain")]
    order_id: Uuid,
    status: String,
    currency: Currency,
    amount_minor: i64,
    origin: String,
    reason: Option<String>,
    provider_refund_id: Option<String>,
    failure: Option<ProviderFailure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub(super) struct DisputeRow {
    #[serde(deserialize_with = "plain")]
    dispute_id: Uuid,
    #[serde(deserialize_with = "plain")]
    payment_intent_id: Uuid,
    #[serde(deserialize_with = "plain")]
    order_id: Uuid,
    provider_dispute_id: String,
    status: String,
    currency: Currency,
    amount_minor: i64,
    withdrawn_minor: i64,
    reinstated: bool,
    reason: String,
    version: u64,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
}

impl TryFrom<IntentRow> for PaymentIntent {
    type Error = DatabaseError;

    fn try_from(row: IntentRow) -> Result<Self, DatabaseError> {
        let money = |minor| Money::new(minor, row.currency);
        let method = row.payment_method.map(|text| text.parse()).transpose();
        let provider = row.provider_payment_id.map(|text| text.parse()).transpose();
        let cancel_reason = row.cancel_reason.map(|text| text.parse()).transpose();
        Ok(Self {
            id: PaymentIntentId::from_uuid(row.payment_intent_id),
            order: OrderId::from_uuid(row.order_id),
            status: row.status.parse().map_err(corrupt)?,
            capture_method: row.capture_method.parse().map_err(corrupt)?,
            amount: money(row.amount_minor),
            capturable: money(row.capturable_minor),
            captured: money(row.captured_minor),
            refunded: money(row.refunded_minor),
            refund_reserved: money(row.refund_reserved_minor),
            disputed: money(row.disputed_minor),
            captures: row.captures,
            payment_method: method.map_err(corrupt)?,
            provider_payment: provider.map_err(corrupt)?,
            next_action: row.next_action,
            failure: row.failure,
            reason: row.reason,
            cancel_reason: cancel_reason.map_err(corrupt)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            authorized_at: row.authorized_at,
            authorization_expires_at: row.authorization_expires_at,
            paid_at: row.paid_at,
            canceled_at: row.canceled_at,
            due_at: row.due_at,
        })
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = DatabaseError;

    fn try_from(row: PaymentRow) -> Result<Self, DatabaseError> {
        let operations = row.operations.unwrap_or_default();
        let refunds = row.refunds.unwrap_or_default();
        Ok(Self {
            intent: row.intent.try_into()?,
            attempt: row.attempt.map(PaymentAttempt::try_from).transpose()?,
            operations: operations
                .into_iter()
                .map(ProviderOperation::try_from)
                .collect::<Result<_, _>>()?,
            refunds: refunds
                .into_iter()
                .map(Refund::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<AttemptRow> for PaymentAttempt {
    type Error = DatabaseError;

    fn try_from(row: AttemptRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: PaymentAttemptId::from_uuid(row.payment_attempt_id),
            number: row.number,
            status: row.status.parse().map_err(corrupt)?,
            payment_method: row.payment_method.parse().map_err(corrupt)?,
            operation: ProviderOperationId::from_uuid(row.operation_id),
            failure: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl TryFrom<OperationRow> for ProviderOperation {
    type Error = DatabaseError;

    fn try_from(row: OperationRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: ProviderOperationId::from_uuid(row.operation_id),
            intent: PaymentIntentId::from_uuid(row.payment_intent_id),
            kind: row.data,
            status: row.status.parse().map_err(corrupt)?,
            tries: row.tries,
            last_error: row.last_error,
            created_at: row.created_at,
            settled_at: row.settled_at,
        })
    }
}

impl TryFrom<RefundRow> for Refund {
    type Error = DatabaseError;

    fn try_from(row: RefundRow) -> Result<Self, DatabaseError> {
        let reason = row.reason.map(|text| text.parse()).transpose();
        let origin = if row.origin == RefundOrigin::Souk.as_str() {
            RefundOrigin::Souk
        } else {
            RefundOrigin::Provider
        };
        Ok(Self {
            id: RefundId::from_uuid(row.refund_id),
            intent: PaymentIntentId::from_uuid(row.payment_intent_id),
            order: OrderId::from_uuid(row.order_id),
            status: row.status.parse().map_err(corrupt)?,
            amount: Money::new(row.amount_minor, row.currency),
            origin,
            reason: reason.map_err(corrupt)?,
            provider_refund: row.provider_refund_id,
            failure: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl TryFrom<DisputeRow> for Dispute {
    type Error = DatabaseError;

    fn try_from(row: DisputeRow) -> Result<Self, DatabaseError> {
        let money = |minor| Money::new(minor, row.currency);
        Ok(Self {
            id: DisputeId::from_uuid(row.dispute_id),
            intent: PaymentIntentId::from_uuid(row.payment_intent_id),
            order: OrderId::from_uuid(row.order_id),
            provider_dispute: row.provider_dispute_id,
            status: row.status.parse().map_err(corrupt)?,
            amount: money(row.amount_minor),
            reason: row.reason,
            withdrawn: money(row.withdrawn_minor),
            reinstated: row.reinstated,
            version: row.version,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
        })
    }
}
