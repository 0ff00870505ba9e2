//! Logs: one JSON object a line on standard output, which Lambda takes from there.

use crate::config::{ConfigError, LOG, Lookup};
use tracing_subscriber::EnvFilter;

/// Starts logging. Later calls in the same process do nothing.
///
/// Never logged, anywhere: secrets, keys, Authorization and cookie values, request and response
/// bodies, customer references.
pub fn init(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    let directives = lookup.optional(LOG).unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(directives).map_err(|e| ConfigError::Invalid {
        variable: LOG,
        reason: e.to_string(),
    })?;
    // An error means that the process has a subscriber already.
    let _already = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .try_init();
    Ok(())
}
