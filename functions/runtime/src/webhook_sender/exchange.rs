//! One request and its answer (HTTP/1.1), on a connection of its own.

use bytes::Bytes;
use core::convert::Infallible;
use core::future::pending;
use core::time::Duration;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use souk_app::webhooks::{OutgoingWebhook, SendError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// Bytes of an answer's status line and headers at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 100;
/// Bytes of an answer's body that are read: its beginning goes into the record.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// Nothing depends on the body once the status is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Standard Webhooks, "Webhook headers".
static WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
static WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
static WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Sends the message. Returns the status and the beginning of the body.
pub(super) async fn exchange<S>(
    stream: S,
    webhook: OutgoingWebhook<'_>,
) -> Result<(u16, String), SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unanswered = |error: hyper::Error| SendError::Answer(told(&error));
    let request = request(webhook)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(unanswered)?;
    // The answer has its own word for how the connection ends.
    let driven = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to an endpoint ended");
        }
        pending::<Infallible>().await
    };
    let answered = async {
        let response = sender.send_request(request).await.map_err(unanswered)?;
        let status = response.status().as_u16();
        Ok((status, beginning(response.into_body()).await))
    };
    tokio::select! {
        answer = answered => answer,
        never = driven => match never {},
    }
}

fn request(webhook: OutgoingWebhook<'_>) -> Result<Request<Full<Bytes>>, SendError> {
    Request::post(webhook.url.path_and_query())
        .header(HOST, webhook.url.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "Souk-Webhooks/1")
        .header(CONNECTION, "close")
        .header(&WEBHOOK_ID, webhook.id.to_string())
        .header(&WEBHOOK_TIMESTAMP, webhook.at.unix_s())
        .header(&WEBHOOK_SIGNATURE, webhook.signatures)
        .body(Full::new(Bytes::copy_from_slice(webhook.body.as_bytes())))
        .map_err(|_| SendError::Connection("the URL cannot be requested".to_owned()))
}

/// As much of the body as is wanted, and as comes in time.
async fn beginning(mut body: Incoming) -> String {
    let mut read = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else {
                continue;
            };
            let room = BODY_BYTES_MAX.saturating_sub(read.len());
            read.extend(data.iter().copied().take(room));
            if read.len() >= BODY_BYTES_MAX {
                break;
            }
        }
    };
    timeout(BODY_TIMEOUT, reading).await.ok();
    String::from_utf8_lossy(&read).into_owned()
}

/// Without what hyper adds of its causes: those can hold what the endpoint has sent.
fn told(error: &hyper::Error) -> String {
    let kind = if error.is_timeout() {
        "it took too long"
    } else if error.is_parse_too_large() {
        "its headers are too large"
    } else if error.is_parse() {
        "it is no HTTP"
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "the connection was closed"
    } else {
        "the connection broke"
    };
    kind.to_owned()
}
