//! Every problem that a function can answer, in one list. Each has a page in `docs/problems/`, which
//! says what it means and what a client should do.

use http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $status:ident $code:literal $title:literal,)+) => {
        /// The stable name of a problem, with its status and title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The machine-readable name, in `snake_case`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// What it is, in a few words that never change.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)+
                }
            }
        }
    };
}

codes! {
    /// The body broke off.
    BodyUnreadable = BAD_REQUEST "body_unreadable" "Incomplete body",
    /// The body has more levels than are read.
    BodyTooDeep = BAD_REQUEST "body_too_deep" "Body too deep",
    /// The body is not JSON.
    MalformedJson = BAD_REQUEST "malformed_json" "The body is no JSON",
    /// The operation needs an idempotency key and got none.
    IdempotencyKeyMissing = BAD_REQUEST "idempotency_key_missing" "An Idempotency-Key is needed",
    /// The idempotency key is repeated, empty, too long or malformed.
    IdempotencyKeyInvalid = BAD_REQUEST "idempotency_key_invalid" "Malformed idempotency key",
    /// The consistency token is none that a write has given.
    ConsistencyTokenInvalid = BAD_REQUEST "consistency_token_invalid" "Malformed consistency token",
    /// `If-Match` or `If-None-Match` is no list of entity tags.
    PreconditionInvalid = BAD_REQUEST "precondition_invalid" "Malformed precondition",
    /// Query parameters are unknown, repeated or wrong.
    QueryInvalid = BAD_REQUEST "query_invalid" "Malformed query",
    /// The cursor is of a list with other filters, or of none.
    CursorInvalid = BAD_REQUEST "cursor_invalid" "The cursor does not belong to this list",
    /// The provider's signature over the event does not hold.
    PspSignatureInvalid = BAD_REQUEST "psp_signature_invalid" "Not from the provider",

    /// The edge has not signed the request.
    EdgeSignatureInvalid = UNAUTHORIZED "edge_signature_invalid" "Not from the edge",

    /// The caller lacks the scope that the operation needs.
    ScopeMissing = FORBIDDEN "scope_missing" "Scope missing",

    /// No operation has this path.
    RouteNotFound = NOT_FOUND "route_not_found" "Unknown route",
    /// No request of the caller's with this key is known.
    IdempotencyKeyUnknown = NOT_FOUND "idempotency_key_unknown" "Nothing is known of this key",
    /// The tenant has no such order.
    OrderNotFound = NOT_FOUND "order_not_found" "No such order",
    /// The tenant has no such product, or none that the caller may see.
    ProductNotFound = NOT_FOUND "product_not_found" "No such product",
    /// The tenant has no such sku, or none that the caller may see.
    SkuNotFound = NOT_FOUND "sku_not_found" "No such sku",
    /// The tenant has no such payment.
    PaymentIntentNotFound = NOT_FOUND "payment_intent_not_found" "No such payment",
    /// The tenant has no such refund.
    RefundNotFound = NOT_FOUND "refund_not_found" "No such refund",
    /// The tenant has no such dispute.
    DisputeNotFound = NOT_FOUND "dispute_not_found" "No such dispute",
    /// The tenant has no such webhook endpoint.
    WebhookEndpointNotFound = NOT_FOUND "webhook_endpoint_not_found" "No such webhook endpoint",
    /// The endpoint has no delivery of this event.
    WebhookDeliveryNotFound = NOT_FOUND "webhook_delivery_not_found" "No such delivery",

    /// The path has operations, but none with this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed" "Method not allowed",

    /// The first request with this key still runs.
    IdempotencyKeyInFlight = CONFLICT "idempotency_key_in_flight" "The first request with this key still runs",
    /// Fewer units are left than the order asks for.
    InsufficientStock = CONFLICT "insufficient_stock" "Not enough in stock",
    /// The order is in a state in which it cannot be confirmed.
    OrderNotConfirmable = CONFLICT "order_not_confirmable" "The order cannot be confirmed",
    /// The order is in a state in which it cannot be fulfilled.
    OrderNotFulfillable = CONFLICT "order_not_fulfillable" "The order cannot be fulfilled",
    /// The order is in a state in which it cannot be completed.
    OrderNotCompletable = CONFLICT "order_not_completable" "The order cannot be completed",
    /// The order is in a state in which it cannot be cancelled.
    OrderNotCancellable = CONFLICT "order_not_cancellable" "The order cannot be cancelled",
    /// The order is in a state in which it cannot be paid.
    OrderNotPayable = CONFLICT "order_not_payable" "The order cannot be paid",
    /// The order has a payment that is not canceled.
    PaymentIntentExists = CONFLICT "payment_intent_exists" "The order has a payment already",
    /// The payment is in a state in which it cannot be confirmed.
    PaymentNotConfirmable = CONFLICT "payment_not_confirmable" "The payment cannot be confirmed",
    /// The payment is in a state in which it cannot be captured.
    PaymentNotCapturable = CONFLICT "payment_not_capturable" "The payment cannot be captured",
    /// The payment is in a state in which it cannot be canceled.
    PaymentNotCancelable = CONFLICT "payment_not_cancelable" "The payment cannot be canceled",
    /// The payment is in a state in which it cannot be refunded.
    PaymentNotRefundable = CONFLICT "payment_not_refundable" "The payment cannot be refunded",
    /// Another command on the payment is under way, or its outcome is not known.
    PaymentOperationPending = CONFLICT "payment_operation_pending" "Another command is under way",
    /// More is to be captured than is held.
    CaptureTooLarge = CONFLICT "capture_too_large" "More than is authorized",
    /// More is to go back than was captured and is left.
    RefundTooLarge = CONFLICT "refund_too_large" "More than can go back",

    /// Orders hold more units than are said to be on hand.
    StockBelowReserved = CONFLICT "stock_below_reserved" "Orders hold more than that",
    /// The tenant has as many webhook endpoints as it may have.
    WebhookEndpointsTooMany = CONFLICT "webhook_endpoints_too_many" "Too many webhook endpoints",
    /// As many secrets of the webhook endpoint sign as may.
    WebhookSecretsTooMany = CONFLICT "webhook_secrets_too_many" "Too many secrets overlap",
    /// Nothing is sent to the webhook endpoint.
    WebhookEndpointDisabled = CONFLICT "webhook_endpoint_disabled" "The webhook endpoint is disabled",
    /// The delivery is on its way.
    WebhookDeliveryPending = CONFLICT "webhook_delivery_pending" "The delivery is on its way",

    /// What is to be changed is in none of the versions that the request is meant for.
    PreconditionFailed = PRECONDITION_FAILED "precondition_failed" "It has changed",

    /// The body has more bytes than are read.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large" "Body too large",
    /// The body has another media type than JSON.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The body must be JSON",

    /// Fields are missing, unknown or wrong.
    ValidationFailed = UNPROCESSABLE_ENTITY "validation_failed" "The request is not valid",
    /// The key was used for another request.
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused" "The key belongs to another request",
    /// A sku is unknown or has no price in the order's currency.
    SkuNotSold = UNPROCESSABLE_ENTITY "sku_not_sold" "Not sold in this currency",
    /// The order has no country to be shipped to, and the tenant's rules need one.
    ShippingCountryMissing = UNPROCESSABLE_ENTITY "shipping_country_missing" "A shipping_country is needed",
    /// The tenant does not ship there.
    NotShipped = UNPROCESSABLE_ENTITY "not_shipped" "No shipping to this country",
    /// The tenant's rules have no tax rate for this country and category.
    NotTaxed = UNPROCESSABLE_ENTITY "not_taxed" "No tax rate for this country",
    /// The tenant has no such discount code.
    DiscountCodeUnknown = UNPROCESSABLE_ENTITY "discount_code_unknown" "Unknown discount code",
    /// The code exists and does not apply to this order.
    DiscountCodeNotApplicable = UNPROCESSABLE_ENTITY "discount_code_not_applicable" "The discount code does not apply",
    /// The quote's time is over.
    QuoteExpired = UNPROCESSABLE_ENTITY "quote_expired" "The quote has expired",
    /// The quote was not given to this tenant for this order, or was altered.
    QuoteInvalid = UNPROCESSABLE_ENTITY "quote_invalid" "The quote is not valid",
    /// A fulfilment names a line that the order does not have.
    OrderLineUnknown = UNPROCESSABLE_ENTITY "order_line_unknown" "The order has no such line",
    /// A fulfilment has more units of a line than are left.
    FulfilmentTooLarge = UNPROCESSABLE_ENTITY "fulfilment_too_large" "More units than are left",
    /// The order costs nothing.
    NothingToPay = UNPROCESSABLE_ENTITY "nothing_to_pay" "There is nothing to pay",
    /// A payment is to be confirmed and has no payment method.
    PaymentMethodMissing = UNPROCESSABLE_ENTITY "payment_method_missing" "A payment method is needed",
    /// A payment has as many attempts, captures or refunds as it may have.
    PaymentLimitReached = UNPROCESSABLE_ENTITY "payment_limit_reached" "Too many for one payment",
    /// A variant is to belong to a product that is not there.
    ProductUnknown = UNPROCESSABLE_ENTITY "product_unknown" "The product does not exist",
    /// A variant is to belong to a product that is archived.
    ProductArchived = UNPROCESSABLE_ENTITY "product_archived" "The product is archived",
    /// What happened is too large to be told as one event, so it did not happen.
    EventTooLarge = UNPROCESSABLE_ENTITY "event_too_large" "Too much for one event",
    /// The total is beyond what an amount can be.
    TotalTooLarge = UNPROCESSABLE_ENTITY "total_too_large" "The total is too large",

    /// The cause is in the log.
    InternalError = INTERNAL_SERVER_ERROR "internal_error" "Something went wrong",

    /// Others held the same rows for too long.
    Contended = SERVICE_UNAVAILABLE "contended" "Too many at once",
    /// The database does not answer.
    DatabaseUnavailable = SERVICE_UNAVAILABLE "database_unavailable" "Temporarily unavailable",
    /// Prices changed again and again while an order was priced.
    PricesChanging = SERVICE_UNAVAILABLE "prices_changing" "Prices are changing",
    /// The payment service provider cannot be asked.
    PspUnavailable = SERVICE_UNAVAILABLE "psp_unavailable" "The provider does not answer",
    /// The tenant is being moved to another shard.
    TenantMoving = SERVICE_UNAVAILABLE "tenant_moving" "Writes are held for a moment",
    /// No database serves the tenant.
    TenantUnplaced = SERVICE_UNAVAILABLE "tenant_unplaced" "Temporarily unavailable",
}
