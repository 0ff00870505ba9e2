//! What an event's envelope says of it, whether its type is known here or not.

use super::EventError;
use crate::{EventId, TenantId, Timestamp};
use serde::Deserialize;

/// Bytes of a type's name or a subject, in an envelope of which nothing else is known.
const NAME_BYTES_MAX: usize = 128;

/// The part of an envelope that every version has: enough to know whose event it is, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// Identity.
    pub id: EventId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Such as `order.placed.v1`, or a type that a later version tells.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The aggregate's id as text, perhaps of a kind that is not known here.
    pub subject: String,
    /// Position among the subject's events, from 1.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
}

impl EventHead {
    /// Reads the head of an envelope, and nothing of its data.
    ///
    /// # Errors
    /// [`EventError::Malformed`] when the text is no envelope.
    pub fn of_json_text(text: &str) -> Result<Self, EventError> {
        use serde::de::Error as _;
        let head: Self = serde_json::from_str(text).map_err(EventError::Malformed)?;
        for name in [&head.type_name, &head.subject] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                let error = serde_json::Error::custom("a name is empty or too long");
                return Err(EventError::Malformed(error));
            }
        }
        if head.sequence == 0 || i64::try_from(head.sequence).is_err() {
            let error = serde_json::Error::custom("the sequence is out of range");
            return Err(EventError::Malformed(error));
        }
        Ok(head)
    }
}
