//! Why Stripe has not done something (docs.stripe.com/api/errors).

use super::answers::PaymentIntentJson;
use core::fmt;
use serde::Deserialize;
use souk_domain::payment::ProviderFailure;

/// Longest text of Stripe's that is kept, in characters.
const TEXT_CHARS_MAX: usize = 500;

/// A refusal, in Stripe's words.
#[derive(Debug)]
pub(super) struct StripeRefusal {
    pub(super) status: u16,
    kind: String,
    pub(super) code: String,
    decline_code: Option<String>,
    pub(super) message: String,
    /// The payment it is about, after that.
    pub(super) payment: Option<PaymentIntentJson>,
}

#[derive(Deserialize)]
struct Body {
    error: ErrorJson,
}

#[derive(Deserialize)]
struct ErrorJson {
    r#type: String,
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    payment_intent: serde_json::Value,
}

impl StripeRefusal {
    /// Reads an answer that is no 200, or says why it is none of Stripe's.
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, String> {
        let Body { error } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(Self {
            status,
            code: cut(error.code.unwrap_or_else(|| error.r#type.clone())),
            kind: error.r#type,
            decline_code: error.decline_code.map(cut),
            message: cut(error.message.unwrap_or_default()),
            payment: serde_json::from_value(error.payment_intent).ok(),
        })
    }

    /// The same key was used with other parameters before: what became of that is not known.
    pub(super) fn is_reused_key(&self) -> bool {
        self.kind == "idempotency_error"
    }

    pub(super) fn failure(&self) -> ProviderFailure {
        ProviderFailure {
            code: self.code.clone(),
            decline_code: self.decline_code.clone(),
            message: self.message.clone(),
        }
    }
}

impl fmt::Display for StripeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stripes_own_form_is_read() {
        let body = br#"{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"No."}}"#;
        let refusal = StripeRefusal::read(402, body).unwrap();
        assert_eq!(refusal.failure().decline_code.as_deref(), Some("lost_card"));
        assert!(!refusal.is_reused_key() && refusal.payment.is_none());
        for garbage in [
            &b""[..],
            b"<html>",
            b"{}",
            b"{\"error\":\"no\"}",
            b"{\"error\":{\"code\":\"x\"}}",
        ] {
            assert!(StripeRefusal::read(400, garbage).is_err());
        }
        let long = "é".repeat(9_000);
        let body = format!(r#"{{"error":{{"type":"x","message":"{long}"}}}}"#);
        let refusal = StripeRefusal::read(400, body.as_bytes()).unwrap();
        assert_eq!(refusal.message.chars().count(), TEXT_CHARS_MAX);
    }
}
