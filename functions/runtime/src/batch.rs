//! What handlers of batches and schedules share: the function's deadline, and errors in words.

use core::time::Duration;
use lambda_runtime::Context;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// An error with its causes, for a log line.
pub fn with_causes(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// When Lambda ends the function: the deadline that it gives in Unix time, on this process's clock.
pub fn deadline(context: &Context) -> Instant {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let left = Duration::from_millis(context.deadline).saturating_sub(since_epoch);
    let now = Instant::now();
    now.checked_add(left).unwrap_or(now)
}
