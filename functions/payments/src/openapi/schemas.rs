//! Bodies of requests and answers about payments, as the description has them.
#![allow(dead_code, reason = "their fields are the schemas")]

use utoipa::ToSchema;

/// An amount in the smallest unit of its currency.
#[derive(ToSchema)]
pub(super) struct Money {
    amount_minor: i64,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
}

/// The payment of an order. Its amount is the order's total.
#[derive(ToSchema)]
pub(super) struct PaymentIntentRequest {
    #[schema(
        pattern = "^ord_[0-9a-f]{32}$",
        example = "ord_0197c0de8f2b7c3a9d4e5f6071829304"
    )]
    order_id: String,
    /// Whether the money is taken with the authorization, or by captures; `automatic` where it is left out.
    capture_method: Option<CaptureMethod>,
    /// The provider's token of a payment method. Never the number of a card.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", example = "pm_card_visa")]
    payment_method: Option<String>,
    /// Whether it is confirmed at once; it needs a payment method then.
    confirm: Option<bool>,
    /// Where the customer comes back to after a step at the bank: an `https` URL.
    #[schema(
        pattern = "^https://[!-~]{1,2000}$",
        example = "https://tea.example/paid"
    )]
    return_url: Option<String>,
}

/// With what a payment is confirmed.
#[derive(ToSchema)]
pub(super) struct PaymentConfirmation {
    /// Another one than before, or the first; the one before where it is left out.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", example = "pm_card_visa")]
    payment_method: Option<String>,
    /// Where the customer comes back to after a step at the bank: an `https` URL.
    #[schema(
        pattern = "^https://[!-~]{1,2000}$",
        example = "https://tea.example/paid"
    )]
    return_url: Option<String>,
}

/// How much of the authorization is taken.
#[derive(ToSchema)]
pub(super) struct PaymentCapture {
    /// In the order's currency; all that is left where it is left out.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount_minor: Option<i64>,
    /// Whether the rest is let go; `true` where it is left out.
    r#final: Option<bool>,
}

/// Why a payment is given up.
#[derive(ToSchema)]
pub(super) struct PaymentCancellation {
    /// A word, no sentence.
    #[schema(pattern = "^[a-z0-9_]{1,64}$", example = "damaged")]
    reason: Option<String>,
}

/// How much goes back.
#[derive(ToSchema)]
pub(super) struct RefundRequest {
    /// In the order's currency; all that is left where it is left out.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    amount_minor: Option<i64>,
    /// A word, no sentence.
    #[schema(pattern = "^[a-z0-9_]{1,64}$", example = "damaged")]
    reason: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum CaptureMethod {
    Automatic,
    Manual,
}

/// Stripe's states, and two for what the provider says otherwise.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PaymentIntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
    /// The provider speaks of another amount or currency.
    Conflicted,
    /// A person has to look at it.
    Review,
}

/// A payment of an order.
#[derive(ToSchema)]
pub(super) struct PaymentIntent {
    #[schema(pattern = "^pi_[0-9a-f]{32}$")]
    id: String,
    #[schema(pattern = "^ord_[0-9a-f]{32}$")]
    order_id: String,
    status: PaymentIntentStatus,
    capture_method: CaptureMethod,
    /// Raised by each change; its `ETag`.
    version: u64,
    amount: Money,
    /// What can still be captured.
    capturable: Money,
    /// What was captured, in all; refunds do not lessen it.
    captured: Money,
    /// What went back, in all.
    refunded: Money,
    /// What of it was taken back by disputes.
    disputed: Money,
    /// Where the customer has to go, in `requires_action`.
    next_action: Option<NextAction>,
    /// Why the last attempt failed.
    last_payment_error: Option<PaymentFailure>,
    /// Why it is `conflicted` or in `review`.
    review_reason: Option<String>,
    cancellation_reason: Option<String>,
    /// Until when the authorization holds.
    #[schema(format = DateTime)]
    authorization_expires_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(ToSchema)]
pub(super) struct NextAction {
    /// Where to send the customer's browser.
    redirect_url: String,
}

/// Why the provider, or the bank behind it, said no.
#[derive(ToSchema)]
pub(super) struct PaymentFailure {
    /// Such as `card_declined`.
    code: String,
    /// The bank's reason, such as `insufficient_funds`.
    decline_code: Option<String>,
    message: String,
}

#[derive(ToSchema)]
pub(super) struct PaymentIntentPage {
    payment_intents: Vec<PaymentIntent>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PaymentAttemptStatus {
    Started,
    RequiresAction,
    Authorized,
    Captured,
    Failed,
    Voided,
    Unknown,
}

/// One try to pay with one payment method.
#[derive(ToSchema)]
pub(super) struct PaymentAttempt {
    #[schema(pattern = "^pa_[0-9a-f]{32}$")]
    id: String,
    status: PaymentAttemptStatus,
    payment_method: String,
    failure: Option<PaymentFailure>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// All of them, the first one first.
#[derive(ToSchema)]
pub(super) struct PaymentAttempts {
    attempts: Vec<PaymentAttempt>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
    Canceled,
}

/// Who asked for it: a client of Souk or Souk itself, or somebody at the provider.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum RefundOrigin {
    Souk,
    Provider,
}

/// Money that goes back to the customer.
#[derive(ToSchema)]
pub(super) struct Refund {
    #[schema(pattern = "^re_[0-9a-f]{32}$")]
    id: String,
    #[schema(pattern = "^pi_[0-9a-f]{32}$")]
    payment_intent_id: String,
    amount: Money,
    status: RefundStatus,
    origin: RefundOrigin,
    reason: Option<String>,
    failure: Option<PaymentFailure>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// All of them, the first one first.
#[derive(ToSchema)]
pub(super) struct Refunds {
    refunds: Vec<Refund>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum DisputeStatus {
    Open,
    Won,
    Lost,
}

/// A customer's bank asks for the money back.
#[derive(ToSchema)]
pub(super) struct Dispute {
    #[schema(pattern = "^dp_[0-9a-f]{32}$")]
    id: String,
    #[schema(pattern = "^pi_[0-9a-f]{32}$")]
    payment_intent_id: String,
    amount: Money,
    status: DisputeStatus,
    /// The bank's reason, such as `fraudulent`.
    reason: String,
    /// What the bank has taken, and not given back.
    withdrawn: Money,
    #[schema(format = DateTime)]
    opened_at: String,
    #[schema(format = DateTime)]
    closed_at: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct DisputePage {
    disputes: Vec<Dispute>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}
