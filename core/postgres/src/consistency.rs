//! How a reader tells which writes it has to see.

use crate::{DatabaseError, ShardName};
use core::fmt;
use core::str::FromStr;

/// Bytes of a token's text at most.
pub const CONSISTENCY_TOKEN_BYTES_MAX: usize = 80;

/// A state of a shard that has a certain transaction: a position in the write-ahead log that was
/// reached before that transaction's commit, and the transaction. A replica has the changes when it
/// has replayed to the position and knows the transaction as ended.
///
/// The position alone would not do: it is asked for before the commit, whose own place in the log is
/// known only afterwards, which would be a round trip more (ADR 0009). Another shard has a log of its
/// own, which is why a token names its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyToken {
    shard: ShardName,
    wal_position: u64,
    transaction_id: u64,
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a consistency token has the form a:0/16B3748:42, as a write has given it")]
pub struct ConsistencyTokenError;

impl ConsistencyToken {
    /// From what Postgres says: an LSN such as `0/16B3748`, and a transaction id.
    pub(crate) fn new(
        shard: &ShardName,
        wal_position: &str,
        transaction_id: &str,
    ) -> Result<Self, DatabaseError> {
        format!("{shard}:{wal_position}:{transaction_id}")
            .parse()
            .map_err(|e| DatabaseError::corrupt("consistency token", e))
    }

    /// Whose state it is.
    pub const fn shard(&self) -> &ShardName {
        &self.shard
    }

    /// The LSN as Postgres writes it.
    pub fn wal_position(&self) -> String {
        format!(
            "{:X}/{:X}",
            self.wal_position >> 32,
            self.wal_position & 0xFFFF_FFFF
        )
    }

    /// The transaction's id, an `xid8`; 0 where the position lies after the commit already.
    pub const fn transaction_id(&self) -> u64 {
        self.transaction_id
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            self.shard,
            self.wal_position(),
            self.transaction_id
        )
    }
}

impl FromStr for ConsistencyToken {
    type Err = ConsistencyTokenError;

    fn from_str(text: &str) -> Result<Self, ConsistencyTokenError> {
        let (shard, state) = text.split_once(':').ok_or(ConsistencyTokenError)?;
        let (position, transaction) = state.split_once(':').ok_or(ConsistencyTokenError)?;
        let (high, low) = position.split_once('/').ok_or(ConsistencyTokenError)?;
        let half = |digits: &str| {
            let well_formed =
                (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            well_formed
                .then(|| u64::from_str_radix(digits, 16).ok())
                .flatten()
                .ok_or(ConsistencyTokenError)
        };
        let digits = !transaction.is_empty() && transaction.bytes().all(|b| b.is_ascii_digit());
        Ok(Self {
            shard: shard.parse().map_err(|_| ConsistencyTokenError)?,
            wal_position: (half(high)? << 32) | half(low)?,
            transaction_id: Some(transaction)
                .filter(|_| digits)
                .and_then(|digits| digits.parse().ok())
                .ok_or(ConsistencyTokenError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let longest = format!("{}:FFFFFFFF/FFFFFFFF:18446744073709551615", "s".repeat(32));
        assert!(longest.len() <= CONSISTENCY_TOKEN_BYTES_MAX);
        for text in ["a:0/16B3748:42", "main:0/0:0", &longest] {
            let token: ConsistencyToken = text.parse().unwrap();
            assert_eq!(token.to_string(), text);
        }
        for bad in [
            "",
            "0/1:1",
            "a:0/1",
            "a:0:1",
            "a:/1:1",
            "a:0/:1",
            "a:0/1:",
            "a:0/1:-1",
            "a:0/1:x",
            "a:0/1:18446744073709551616",
            "a:123456789/1:1",
            "a:0/+1:1",
            ":0/1:1",
            "A:0/1:1",
            "a'b:0/1:1",
        ] {
            assert_eq!(
                bad.parse::<ConsistencyToken>(),
                Err(ConsistencyTokenError),
                "{bad:?}"
            );
        }
    }
}
