//! What a shard is called.

use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

/// Bytes of a shard's name at most.
pub const SHARD_NAME_BYTES_MAX: usize = 32;

/// The name of a shard: lower-case letters, digits and hyphens. It never changes, and no other shard
/// ever gets it: consistency tokens carry it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(Arc<str>);

/// A text that names no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a shard's name is 1 to {SHARD_NAME_BYTES_MAX} lower-case letters, digits and hyphens, such as a"
)]
pub struct ShardNameError;

impl ShardName {
    /// The name of the only shard where nothing else is said.
    pub fn only() -> Self {
        Self(Arc::from("main"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShardName {
    type Err = ShardNameError;

    fn from_str(text: &str) -> Result<Self, ShardNameError> {
        let accepted = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=SHARD_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(accepted) {
            return Ok(Self(Arc::from(text)));
        }
        Err(ShardNameError)
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
