//! Reading requests: idempotency key, JSON body, fingerprint.

use crate::conditional::if_match;
use crate::edge_signature::EdgeCaller;
use crate::fields::Field;
use crate::json::{self, Errors};
use crate::problem::{Code, Problem};
use axum::Extension;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use souk_app::{ExpectedVersion, Once};
use souk_domain::{IdempotencyKey, RequestFingerprint};
use souk_policy::operations::Operation;

/// The header of draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The idempotency key of a request that needs one: 400 when it is missing, sent more than once, or
/// malformed.
pub fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let invalid = |detail: String| Problem::new(Code::IdempotencyKeyInvalid, detail);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(
            Code::IdempotencyKeyMissing,
            "send a header Idempotency-Key with a new UUID for each new request, and the same one \
             with each repetition",
        ));
    };
    if values.next().is_some() {
        return Err(invalid("the header was sent more than once".to_owned()));
    }
    let text = value
        .to_str()
        .map_err(|_| invalid("the key is not visible ASCII".to_owned()))?;
    IdempotencyKey::parse(text).map_err(|error| invalid(error.to_string()))
}

/// A request that has its effect once: an extractor for the handlers of the operations that take an
/// idempotency key.
#[derive(Debug, Clone)]
pub struct Command {
    key: IdempotencyKey,
    operation: &'static Operation,
    method: Method,
    path: String,
}

impl Command {
    /// What makes it repeatable. `json` is its body, if it has one.
    pub fn once(&self, json: Option<&serde_json::Value>) -> Result<Once, Problem> {
        let fingerprint = RequestFingerprint::new(self.method.as_str(), &self.path, json);
        let fingerprint = fingerprint.map_err(|_| {
            let detail = "the body has no canonical form (RFC 8785)";
            Problem::new(Code::MalformedJson, detail)
        })?;
        Ok(Once {
            key: self.key.clone(),
            operation: self.operation.name,
            fingerprint,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Command {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Both are left by `routes` before each handler of such an operation.
        let operation = parts.extensions.get::<&'static Operation>().copied();
        let key = parts.extensions.get::<IdempotencyKey>().cloned();
        let (Some(operation), Some(key)) = (operation, key) else {
            let detail = "the operation is not declared to have an effect";
            return Err(Problem::new(Code::InternalError, detail));
        };
        Ok(Self {
            key,
            operation,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
        })
    }
}

/// A command on what the id in the path names: an extractor for the handlers of such operations.
#[derive(Debug)]
pub struct CommandOn {
    /// Who asks.
    pub edge: EdgeCaller,
    /// The id, as it stands in the path.
    pub id: String,
    command: Command,
    headers: HeaderMap,
    body: Bytes,
}

impl CommandOn {
    /// The versions that `If-Match` names: 400 where it cannot be read.
    pub fn expected(&self) -> Result<ExpectedVersion, Problem> {
        if_match(&self.headers)
    }

    /// What makes it repeatable, where its body does not matter.
    pub fn once(&self) -> Result<Once, Problem> {
        self.command.once(None)
    }

    /// What makes it repeatable, and what `read` makes of its body, which may be left out.
    pub fn once_with<T>(
        &self,
        read: impl FnOnce(&Field<'_>) -> Option<T>,
    ) -> Result<(Once, Option<T>), Problem> {
        if self.body.is_empty() {
            return Ok((self.once()?, None));
        }
        let body = read_body(&self.headers, &self.body, read)?;
        let once = self.command.once(Some(&body.json))?;
        Ok((once, Some(body.value)))
    }
}

impl<S: Send + Sync> FromRequest<S> for CommandOn {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        type Parts = (
            Extension<EdgeCaller>,
            Path<String>,
            Command,
            HeaderMap,
            Bytes,
        );
        let (Extension(edge), Path(id), command, headers, body) =
            Parts::from_request(request, state).await?;
        Ok(Self {
            edge,
            id,
            command,
            headers,
            body,
        })
    }
}

/// A body, parsed, with its JSON for the fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonBody<T> {
    /// As its type.
    pub value: T,
    /// As JSON.
    pub json: serde_json::Value,
}

/// Reads a JSON body by `read`, which notes what is wrong with its fields: 415 for another media type,
/// 400 for what is no JSON or too deep, 422 with a pointer to each field that is not as it should be.
pub fn read_body<T>(
    headers: &HeaderMap,
    body: &[u8],
    read: impl FnOnce(&Field<'_>) -> Option<T>,
) -> Result<JsonBody<T>, Problem> {
    require_json_media_type(headers)?;
    let errors = Errors::default();
    let json = json::parse(body, &errors)?;
    let value = read(&Field::root(&json, &errors));
    let errors = errors.into_inner();
    match value {
        Some(value) if errors.is_empty() => Ok(JsonBody { value, json }),
        None if errors.is_empty() => {
            let detail = "the body was refused without a reason";
            Err(Problem::new(Code::InternalError, detail))
        }
        Some(_) | None => Err(Problem::validation(errors)),
    }
}

fn require_json_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    if media_type.as_deref() == Some("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "send Content-Type: application/json",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_key_is_needed_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            idempotency_key(&headers).unwrap_err().code(),
            "idempotency_key_missing"
        );
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert_eq!(idempotency_key(&headers).unwrap().as_str(), "a");
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert_eq!(
            idempotency_key(&headers).unwrap_err().code(),
            "idempotency_key_invalid"
        );
    }
}
