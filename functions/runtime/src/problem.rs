//! Errors as problem documents (RFC 9457).

mod code;

pub use code::Code;

use crate::batch::with_causes;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use souk_app::{AppError, DatabaseError, StoredResponse};
use souk_domain::{EVENT_BYTES_MAX, EventError, RequestId};
use std::collections::BTreeMap;

/// The media type of RFC 9457, section 3.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds after which a client may try again what failed for lack of a lock or a connection.
const RETRY_AFTER_S: u32 = 1;

/// One field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An error, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    code: Code,
    detail: String,
    fields: Vec<FieldError>,
    members: Map<String, Value>,
    headers: HeaderMap,
    /// For the log only.
    cause: Option<String>,
}

impl Problem {
    /// A problem and what the client should know about it.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            members: Map::new(),
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    /// 422 with every field that is wrong.
    pub fn validation(fields: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            Code::ValidationFailed,
            "one or more fields are not valid; see errors",
        );
        problem.0.fields = fields;
        problem
    }

    /// Adds an extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn with_member(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Adds `Retry-After` (RFC 9110, section 10.2.3).
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(crate) fn with_cause(mut self, cause: &dyn core::error::Error) -> Self {
        self.0.cause = Some(with_causes(cause));
        self
    }

    /// The stable name.
    pub fn code(&self) -> &'static str {
        self.0.code.as_str()
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The underlying error with its causes, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer as it is stored under an idempotency key. It names the first request, also when it
    /// is replayed.
    pub fn to_stored(&self, request_id: RequestId) -> StoredResponse {
        let mut headers: BTreeMap<String, String> = self
            .0
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        headers.insert(CONTENT_TYPE.to_string(), PROBLEM_JSON.to_owned());
        StoredResponse {
            status: self.status().as_u16(),
            headers,
            body: self.document(Some(&request_id.to_string())).into_bytes(),
        }
    }

    /// The answer, naming the request.
    pub fn to_response(&self, request_id: Option<&str>) -> Response {
        let mut response = (self.status(), self.document(request_id)).into_response();
        let headers = response.headers_mut();
        headers.extend(self.0.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }

    fn document(&self, request_id: Option<&str>) -> String {
        let mut body = self.0.members.clone();
        body.insert(
            "type".to_owned(),
            json!(format!("/problems/{}", self.code().replace('_', "-"))),
        );
        body.insert("title".to_owned(), json!(self.0.code.title()));
        body.insert("status".to_owned(), json!(self.status().as_u16()));
        body.insert("detail".to_owned(), json!(self.0.detail));
        body.insert("code".to_owned(), json!(self.code()));
        if let Some(request_id) = request_id {
            body.insert("request_id".to_owned(), json!(request_id));
        }
        if !self.0.fields.is_empty() {
            let fields: Vec<Value> = self
                .0
                .fields
                .iter()
                .map(|field| json!({ "pointer": field.pointer, "reason": field.reason }))
                .collect();
            body.insert("errors".to_owned(), Value::Array(fields));
        }
        Value::Object(body).to_string()
    }
}

impl IntoResponse for Problem {
    /// Renders the problem and leaves it beside the answer, for the layer that knows the request's
    /// id to render it once more, and to log it.
    fn into_response(self) -> Response {
        let mut response = self.to_response(None);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        Self::from(&error)
    }
}

impl From<&AppError> for Problem {
    fn from(error: &AppError) -> Self {
        match error {
            AppError::KeyInFlight { retry_after_s } => Self::new(Code::IdempotencyKeyInFlight, "a request with this Idempotency-Key is being processed; try again for its answer",
            )
            .with_retry_after(*retry_after_s),
            AppError::KeyUnknown => Self::new(Code::IdempotencyKeyUnknown, "no request with this Idempotency-Key has had an effect in the last 24 hours; it is \
                 safe to send it",
            ),
            AppError::PricesChanging => Self::new(Code::PricesChanging, "prices changed again and again while the order was priced; nothing was changed, try \
                 again",
            )
            .with_retry_after(RETRY_AFTER_S),
            AppError::KeyReused(reuse) => {
                let detail = format!(
                    "this Idempotency-Key was first used at {} for {}; a new request needs a new key",
                    reuse.first_used_at, reuse.operation
                );
                Self::new(Code::IdempotencyKeyReused, detail,
                )
                .with_member("first_used_at", json!(reuse.first_used_at))
                .with_member("first_operation", json!(reuse.operation))
                .with_member("first_resource_id", json!(reuse.resource_id))
            }
            AppError::OrderNotFound => Self::new(Code::OrderNotFound, "there is no order with this id",
            ),
            AppError::VersionMismatch { current } => Self::new(
                Code::PreconditionFailed,
                "the order is in none of the versions that If-Match names; nothing was changed",
            )
            .with_member("current_version", json!(current)),
            AppError::InsufficientStock { skus } => Self::new(Code::InsufficientStock, "one or more skus have fewer units left than the order asks for; nothing was reserved",
            )
            .with_member("skus", json!(skus)),
            AppError::Order(error) => Self::from(error),
            AppError::Quote(error) => Self::from(error),
            AppError::Catalog(refusal) => Self::from(refusal),
            AppError::Webhook(refusal) => Self::from(refusal),
            AppError::Database(error) => Self::from(error),
            AppError::PaymentIntentNotFound => Self::new(
                Code::PaymentIntentNotFound,
                "there is no payment intent with this id",
            ),
            AppError::RefundNotFound => {
                Self::new(Code::RefundNotFound, "there is no refund with this id")
            }
            AppError::DisputeNotFound => {
                Self::new(Code::DisputeNotFound, "there is no dispute with this id")
            }
            AppError::Payment(error) => Self::from(error),
            AppError::Provider(_) => {
                Self::new(Code::PspUnavailable, "the provider cannot be asked; try again")
                    .with_retry_after(RETRY_AFTER_S)
                    .with_cause(error)
            }
            AppError::Event(EventError::TooLarge { bytes }) => Self::new(
                Code::EventTooLarge,
                format!(
                    "the event that tells of it would have {bytes} bytes, {EVENT_BYTES_MAX} are allowed; \
                     nothing was changed"
                ),
            )
            .with_cause(error),
            AppError::Event(_) | AppError::Clock(_) | AppError::RecoveryState(_) => {
                internal().with_cause(error)
            }
        }
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        Self::from(&error)
    }
}

impl From<&DatabaseError> for Problem {
    fn from(error: &DatabaseError) -> Self {
        match error {
            DatabaseError::Contended(_) => Self::new(
                Code::Contended,
                "other requests held the same rows for too long; nothing was changed, try again",
            )
            .with_retry_after(RETRY_AFTER_S),
            DatabaseError::Unavailable(_) => Self::new(
                Code::DatabaseUnavailable,
                "try again with the same Idempotency-Key: the request has its effect at most once",
            )
            .with_retry_after(RETRY_AFTER_S),
            DatabaseError::WritesHeld => Self::new(
                Code::TenantMoving,
                "this tenant is being moved; nothing was changed, try again with the same \
                 Idempotency-Key",
            )
            .with_retry_after(RETRY_AFTER_S),
            DatabaseError::TenantElsewhere => Self::new(
                Code::TenantUnplaced,
                "no database serves this tenant; nothing was changed",
            )
            .with_retry_after(RETRY_AFTER_S),
            DatabaseError::Constraint { .. }
            | DatabaseError::Corrupt { .. }
            | DatabaseError::OutOfRange { .. }
            | DatabaseError::Migration(_)
            | DatabaseError::Unexpected(_) => internal(),
        }
        .with_cause(error)
    }
}

pub(crate) fn internal() -> Problem {
    Problem::new(
        Code::InternalError,
        "the cause has been recorded under the request's id",
    )
}
