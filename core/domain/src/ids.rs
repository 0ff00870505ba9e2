//! Prefixed, typed identifiers.
//!
//! An identifier is a UUID version 7 (RFC 9562, section 5.7) whose text form carries the kind of
//! thing it names: `ord_0197c0de8f2b7c3a9d4e5f6071829304`. The prefix makes a wrong id in the wrong
//! place a parse error instead of a silent miss.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {prefix}_ followed by 32 lower-case hexadecimal digits")]
pub struct IdError {
    /// The prefix that was expected, without the underscore.
    pub prefix: &'static str,
}

/// Digits of a UUID without hyphens.
const HEX_DIGITS: usize = 32;

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let error = IdError { prefix };
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or_else(|| error.clone())?;
    let canonical = digits.len() == HEX_DIGITS
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return Err(error);
    }
    Uuid::try_parse(digits).map_err(|_| error)
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID; the caller answers for its version.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID, as stored in Postgres.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", Self::PREFIX, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(Self::PREFIX, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

prefixed_id!(
    /// A tenant: one merchant whose rows no other tenant sees.
    TenantId,
    "ten"
);
prefixed_id!(
    /// An order.
    OrderId,
    "ord"
);
prefixed_id!(
    /// An event; also the deduplication id of its message.
    EventId,
    "evt"
);
prefixed_id!(
    /// An API key's public identity. The secret itself is known to nobody but its holder.
    ApiKeyId,
    "key"
);
prefixed_id!(
    /// One request, from the edge to the last log line.
    RequestId,
    "req"
);
prefixed_id!(
    /// A payment intent: the one payment of an order.
    PaymentIntentId,
    "pi"
);
prefixed_id!(
    /// A payment attempt: one try to pay with one payment method.
    PaymentAttemptId,
    "pa"
);
prefixed_id!(
    /// An effect that is wanted at the PSP. Its text form is in the PSP's idempotency key.
    ProviderOperationId,
    "po"
);
prefixed_id!(
    /// A refund.
    RefundId,
    "re"
);
prefixed_id!(
    /// A dispute (chargeback).
    DisputeId,
    "dp"
);
prefixed_id!(
    /// A transfer of the ledger: entries that add up to nothing.
    LedgerTransferId,
    "lt"
);
prefixed_id!(
    /// A tenant's endpoint that webhooks are sent to.
    WebhookEndpointId,
    "we"
);
prefixed_id!(
    /// A webhook message: one event for one endpoint.
    WebhookMessageId,
    "wm"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_canonical() {
        let good = "ord_0197c0de8f2b7c3a9d4e5f6071829304";
        assert_eq!(good.parse::<OrderId>().unwrap().to_string(), good);
        for bad in [
            "",
            "ord_",
            "0197c0de8f2b7c3a9d4e5f6071829304",
            "ten_0197c0de8f2b7c3a9d4e5f6071829304",
            "ord_0197C0DE8F2B7C3A9D4E5F6071829304",
            "ord_0197c0de-8f2b-7c3a-9d4e-5f6071829304",
            "ord_0197c0de8f2b7c3a9d4e5f60718293040",
            "ord_{0197c0de8f2b7c3a9d4e5f60718293}",
            "ord-0197c0de8f2b7c3a9d4e5f6071829304",
        ] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn text_form_round_trips(bits: u128) {
            let id = TenantId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<TenantId>(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<TenantId>(&json).unwrap(), id);
        }
    }
}
