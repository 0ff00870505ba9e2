//! Souk's adapter against localstripe, a stateful Stripe that nobody here wrote: its forms, its objects and
//! the signature of its events are understood.
//!
//! What localstripe does not have is not asked of it: another payment method on a confirm, lists by time,
//! captures in parts, idempotency keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::time::Duration;
use http::HeaderMap;
use souk_app::payments::ProviderEventObject;
use souk_app::{PaymentProvider as _, ProviderCommand, ProviderError, ProviderRequest};
use souk_domain::payment::{CaptureMethod, ProviderPayment, ProviderStatus};
use souk_domain::{
    Money, OrderId, PaymentIntentId, ProviderOperationId, RefundId, TenantId, Timestamp,
};
use souk_runtime::stripe::{Stripe, StripeAccounts, StripeEventError, StripeSettings};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use uuid::Uuid;

const ACCOUNTS: &str =
    r#"{"default":{"secret_key":"sk_test_local","webhook_secrets":["old","whsec_local"]}}"#;

#[allow(
    clippy::disallowed_methods,
    reason = "where Python is, the environment says"
)]
fn python() -> String {
    std::env::var("SOUK_TEST_PYTHON").expect(
        "SOUK_TEST_PYTHON is not set: run script/test; it names a Python that has localstripe",
    )
}

/// A localstripe of its own, which ends with the test.
struct LocalStripe {
    _process: Child,
    url: String,
    stripe: Stripe,
    tenant: TenantId,
}

impl LocalStripe {
    async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/localstripe/serve.py");
        let mut process = Command::new(python())
            .arg(script)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Python can be started");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap();
        let line = line.expect("localstripe starts");
        let address = line.strip_prefix("listening on ").expect("its address");
        let url = format!("http://{address}");
        let accounts = StripeAccounts::parse(ACCOUNTS).unwrap();
        let settings = StripeSettings {
            attempt_timeout: Duration::from_secs(30),
            ..StripeSettings::default()
        };
        Self {
            stripe: Stripe::new(accounts, Some(&url), settings).unwrap(),
            _process: process,
            url,
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        }
    }

    async fn execute(
        &self,
        operation: u128,
        command: ProviderCommand<'_>,
    ) -> Result<ProviderPayment, ProviderError> {
        let request = ProviderRequest {
            tenant: self.tenant,
            operation: ProviderOperationId::from_uuid(Uuid::from_u128(operation)),
            command,
        };
        self.stripe.execute(&request).await
    }

    async fn authorize(
        &self,
        operation: u128,
        capture_method: CaptureMethod,
        payment_method: &str,
    ) -> Result<ProviderPayment, ProviderError> {
        self.execute(
            operation,
            ProviderCommand::Authorize {
                intent: intent(),
                order: OrderId::from_uuid(Uuid::from_u128(3)),
                amount: euro(1_000),
                capture_method,
                payment_method,
                existing: None,
                return_url: None,
            },
        )
        .await
    }
}

fn intent() -> PaymentIntentId {
    PaymentIntentId::from_uuid(Uuid::from_u128(2))
}

fn euro(minor: i64) -> Money {
    Money::new(minor, "EUR".parse().unwrap())
}

#[tokio::test]
async fn a_payment_is_held_captured_and_refunded() {
    let local = LocalStripe::start().await;
    let held = local
        .authorize(1, CaptureMethod::Manual, "pm_card_visa")
        .await
        .unwrap();
    assert_eq!(
        (held.status, held.intent, held.amount, held.capturable),
        (
            ProviderStatus::RequiresCapture,
            Some(intent()),
            euro(1_000),
            euro(1_000)
        )
    );
    let capture = ProviderCommand::Capture {
        payment: &held.id,
        amount: euro(1_000),
        is_final: true,
    };
    let captured = local.execute(2, capture).await.unwrap();
    assert_eq!(
        (captured.status, captured.captured, captured.capturable),
        (ProviderStatus::Succeeded, euro(1_000), euro(0))
    );
    let id = RefundId::from_uuid(Uuid::from_u128(9));
    let refund = ProviderCommand::Refund {
        payment: &held.id,
        refund: id,
        amount: euro(300),
    };
    let refunded = local.execute(3, refund).await.unwrap();
    assert_eq!(refunded.refunds.len(), 1);
    assert_eq!(
        (refunded.refunds[0].refund, refunded.refunds[0].amount),
        (Some(id), euro(300))
    );
    let shown = local.stripe.retrieve(local.tenant, &held.id).await;
    assert_eq!(shown, Ok(refunded));
    let late = local
        .execute(4, ProviderCommand::Void { payment: &held.id })
        .await;
    assert!(
        matches!(late, Err(ProviderError::Refused { .. })),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_payment_is_taken_at_once_or_let_go_or_declined() {
    let local = LocalStripe::start().await;
    let taken = local
        .authorize(1, CaptureMethod::Automatic, "pm_card_visa")
        .await
        .unwrap();
    assert_eq!(
        (taken.status, taken.captured),
        (ProviderStatus::Succeeded, euro(1_000))
    );
    let held = local
        .authorize(2, CaptureMethod::Manual, "pm_card_visa")
        .await
        .unwrap();
    let void = ProviderCommand::Void { payment: &held.id };
    let voided = local.execute(3, void).await.unwrap();
    assert_eq!(
        (voided.status, voided.captured),
        (ProviderStatus::Canceled, euro(0))
    );
    // What is wished is so already.
    let again = local.execute(4, void).await.unwrap();
    assert_eq!(again.status, ProviderStatus::Canceled);
    let declined = local
        .authorize(5, CaptureMethod::Automatic, "pm_card_chargeCustomerFail")
        .await;
    let Err(ProviderError::Declined { failure, .. }) = declined else {
        panic!("{declined:?}")
    };
    assert_eq!(failure.code, "card_declined");
    let nobody = "pi_nobody".parse().unwrap();
    let missing = local.stripe.retrieve(local.tenant, &nobody).await;
    assert_eq!(missing, Err(ProviderError::NotFound));
}

/// One request over HTTP/1.1, answered with 200.
async fn receive(listener: &TcpListener) -> (HeaderMap, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut off");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut headers = HeaderMap::new();
        for line in head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        let begins = head.len() + 4;
        if bytes.len() >= begins + length {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            return (headers, bytes[begins..].to_vec());
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap()).unwrap()
}

#[tokio::test]
async fn its_events_are_verified_and_nothing_else() {
    let local = LocalStripe::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}/", listener.local_addr().unwrap());
    let registered = reqwest::Client::new()
        .post(format!("{}/_config/webhooks/souk", local.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("url={here}&secret=whsec_local"))
        .send()
        .await
        .unwrap();
    assert!(registered.status().is_success());
    let paid = local
        .authorize(1, CaptureMethod::Automatic, "pm_card_visa")
        .await
        .unwrap();
    let (headers, body) = receive(&listener).await;
    let event = local
        .stripe
        .verified_event(local.tenant, &headers, &body, now())
        .unwrap();
    assert_eq!(event.kind, "payment_intent.succeeded");
    assert_eq!(event.object, ProviderEventObject::Payment(paid.id));

    let mut altered = body.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let late = now().plus(time::Duration::minutes(10)).unwrap();
    let refuse = |headers: &HeaderMap, body: &[u8], at| {
        let refused = local.stripe.verified_event(local.tenant, headers, body, at);
        assert!(
            matches!(
                refused,
                Err(StripeEventError::Signature(_) | StripeEventError::NotSigned)
            ),
            "{refused:?}"
        );
    };
    refuse(&headers, &altered, now());
    refuse(&headers, &body, late);
    refuse(&HeaderMap::new(), &body, now());
}
