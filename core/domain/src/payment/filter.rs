//! Which payment intents a list shows, and where it goes on.

use super::{IntentStatus, PaymentError};
use crate::{OrderId, PaymentIntentId};
use core::fmt::Write as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Bytes of the filter's digest that a cursor carries: enough to tell filters apart by accident, and
/// nothing depends on a cursor that is forged.
const DIGEST_BYTES: usize = 8;
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// Which payment intents a list shows; each part that is given narrows it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PaymentIntentFilter {
    /// Of this order.
    pub order: Option<OrderId>,
    /// With this status.
    pub status: Option<IntentStatus>,
}

impl PaymentIntentFilter {
    /// The cursor that continues this list after the intent `last`. Opaque to clients: 48 digits.
    pub fn cursor_after(&self, last: PaymentIntentId) -> String {
        let mut cursor = last.as_uuid().simple().to_string();
        for byte in self.digest() {
            // Writing to a string cannot fail.
            let _written = write!(cursor, "{byte:02x}");
        }
        cursor
    }

    /// After which intent to go on.
    ///
    /// # Errors
    /// [`PaymentError::InvalidCursor`] for a text that is no cursor, and for one of a list with other
    /// filters: going on there would silently leave out intents.
    pub fn resume(&self, cursor: &str) -> Result<PaymentIntentId, PaymentError> {
        let digits = cursor.get(..ID_DIGITS).ok_or(PaymentError::InvalidCursor)?;
        let uuid = Uuid::try_parse(digits).map_err(|_| PaymentError::InvalidCursor)?;
        let id = PaymentIntentId::from_uuid(uuid);
        if self.cursor_after(id) == cursor {
            return Ok(id);
        }
        Err(PaymentError::InvalidCursor)
    }

    fn digest(&self) -> impl Iterator<Item = u8> + use<> {
        let mut digest = Sha256::new();
        digest.update("payment_intents\0");
        let parts = [
            self.order.map(|order| order.to_string()),
            self.status.map(|status| status.as_str().to_owned()),
        ];
        for part in parts {
            // No part has a control character, so none can be read as two.
            digest.update(part.as_deref().unwrap_or("\u{1}"));
            digest.update([0]);
        }
        digest.finalize().into_iter().take(DIGEST_BYTES)
    }
}
