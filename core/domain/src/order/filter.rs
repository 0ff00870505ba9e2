//! Which orders a list shows, and where it goes on.

use super::{CustomerReference, OrderError, OrderStatus};
use crate::{OrderId, Timestamp};
use core::fmt::Write as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Bytes of the filter's digest that a cursor carries: enough to tell filters apart by accident, and
/// nothing depends on a cursor that is forged.
const DIGEST_BYTES: usize = 8;
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// Which orders a list shows; each part that is given narrows it down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderFilter {
    /// With this status.
    pub status: Option<OrderStatus>,
    /// Of this buyer.
    pub customer_reference: Option<CustomerReference>,
    /// Placed at this time or later.
    pub placed_from: Option<Timestamp>,
    /// Placed before this time.
    pub placed_before: Option<Timestamp>,
}

impl OrderFilter {
    /// The cursor that continues this list after the order `last`. Opaque to clients: 48 digits.
    pub fn cursor_after(&self, last: OrderId) -> String {
        let mut cursor = last.as_uuid().simple().to_string();
        for byte in self.digest() {
            // Writing to a string cannot fail.
            let _written = write!(cursor, "{byte:02x}");
        }
        cursor
    }

    /// After which order to go on.
    ///
    /// # Errors
    /// [`OrderError::InvalidCursor`] for a text that is no cursor, and for one of a list with other
    /// filters: going on there would silently leave out orders.
    pub fn resume(&self, cursor: &str) -> Result<OrderId, OrderError> {
        let digits = cursor.get(..ID_DIGITS).ok_or(OrderError::InvalidCursor)?;
        let uuid = Uuid::try_parse(digits).map_err(|_| OrderError::InvalidCursor)?;
        let id = OrderId::from_uuid(uuid);
        if self.cursor_after(id) == cursor {
            return Ok(id);
        }
        Err(OrderError::InvalidCursor)
    }

    fn digest(&self) -> impl Iterator<Item = u8> + use<> {
        let mut digest = Sha256::new();
        let parts = [
            self.status.map(|s| s.as_str().to_owned()),
            self.customer_reference
                .as_ref()
                .map(|r| r.as_str().to_owned()),
            self.placed_from.map(|at| at.to_string()),
            self.placed_before.map(|at| at.to_string()),
        ];
        for part in parts {
            // No part has a control character, so none can be read as two.
            digest.update(part.as_deref().unwrap_or("\u{1}"));
            digest.update([0]);
        }
        digest.finalize().into_iter().take(DIGEST_BYTES)
    }
}
