//! Stripe's events (docs.stripe.com/api/events/object): what they are about, which is then fetched as it
//! stands. What they say of it is not read, since they come in any order.

use super::answers::{is, parse};
use super::signature::SignatureError;
use serde::Deserialize;
use serde_json::Value;
use souk_app::payments::{ProviderEvent, ProviderEventObject};

/// Why an event is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StripeEventError {
    /// It is not signed.
    #[error("there is no signature")]
    NotSigned,
    /// It is not signed by Stripe.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The tenant gets no events of Stripe.
    #[error("the tenant has no secret for events")]
    NoSecret,
    /// It is signed, and yet no event.
    #[error("not an event of Stripe: {0}")]
    Malformed(String),
}

/// Longest id and kind, in bytes.
const WORD_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
struct EventJson {
    id: String,
    object: String,
    r#type: String,
    data: DataJson,
}

#[derive(Deserialize)]
struct DataJson {
    object: Value,
}

/// Reads the body of an event whose signature was verified.
pub(super) fn read_event(body: &[u8]) -> Result<ProviderEvent, StripeEventError> {
    read(body).map_err(StripeEventError::Malformed)
}

fn read(body: &[u8]) -> Result<ProviderEvent, String> {
    let event: EventJson = parse(body)?;
    is(&event.object, "event")?;
    let is_word = |text: &str| {
        (1..=WORD_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    if !is_word(&event.id) || !is_word(&event.r#type) {
        return Err("its id or type".to_owned());
    }
    Ok(ProviderEvent {
        object: object_of(&event.data.object)?,
        id: event.id,
        kind: event.r#type,
    })
}

fn object_of(object: &Value) -> Result<ProviderEventObject, String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let payment = |id: Option<&str>| {
        let Some(id) = id else {
            return Ok(ProviderEventObject::Other);
        };
        id.parse()
            .map(ProviderEventObject::Payment)
            .map_err(|_| "a payment's id".to_owned())
    };
    match text("object") {
        Some("payment_intent") => match text("id") {
            None => Err("a payment without an id".to_owned()),
            id => payment(id),
        },
        Some("charge" | "refund") => payment(text("payment_intent")),
        Some("dispute") => match text("id") {
            Some(id) => Ok(ProviderEventObject::Dispute(id.to_owned())),
            None => Err("a dispute without an id".to_owned()),
        },
        Some(_) => Ok(ProviderEventObject::Other),
        None => Err("it is about no object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn event(object: &Value) -> Vec<u8> {
        let event = json!({
            "id": "evt_1", "object": "event", "type": "x.y", "created": 1_795_248_000,
            "data": {"object": object},
        });
        event.to_string().into_bytes()
    }

    #[test]
    fn what_it_is_about_is_found_in_each_kind() {
        let about = |object: Value| read_event(&event(&object)).map(|own| own.object);
        let payment = ProviderEventObject::Payment("pi_1".parse().unwrap());
        for object in [
            json!({"object": "payment_intent", "id": "pi_1"}),
            json!({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}),
            json!({"object": "refund", "id": "re_1", "payment_intent": "pi_1"}),
        ] {
            assert_eq!(about(object), Ok(payment.clone()));
        }
        let dispute = json!({"object": "dispute", "id": "du_1", "payment_intent": "pi_1"});
        assert_eq!(
            about(dispute),
            Ok(ProviderEventObject::Dispute("du_1".to_owned()))
        );
        for other in [
            json!({"object": "customer", "id": "cus_1"}),
            json!({"object": "charge", "id": "ch_1", "payment_intent": null}),
        ] {
            assert_eq!(about(other), Ok(ProviderEventObject::Other));
        }
        for wrong in [
            json!(null),
            json!({"object": "payment_intent"}),
            json!({"object": "payment_intent", "id": "p i"}),
        ] {
            assert!(about(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(read_event(&body).is_err());
        }
    }
}
