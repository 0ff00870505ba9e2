//! What the SQL of a migration does to whoever still runs the version before: pure.
//!
//! While a deployment moves traffic step by step, both versions run on the schema of the new one; and going back runs
//! the old one on it. So a migration only adds. What is not known to add is refused, unless a comment of the statement
//! says why it is safe: `-- not expand-only: REASON`.

mod statement;
mod tokens;

pub use statement::{Finding, REASON_CHARS_MIN, breaking};
pub use tokens::Unreadable;

/// The first migration of a shard's schema that is held to this. Those before were written when nothing ran yet, and
/// cannot be changed any more.
pub const CHECKED_FROM: i64 = 18;
/// The same of the directory's schema.
pub const DIRECTORY_CHECKED_FROM: i64 = 3;
