//! Time and identity from the machine, databases and AWS clients from the configuration.

use crate::config::{ConfigError, Lookup};
pub use crate::databases::{
    all_primaries, database, directory, directory_database, primaries, relays, shards, sweepers,
};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use core::time::Duration;
pub use souk_app::TimeOrderedIds as SystemIds;
use souk_app::{Clock, Tools};
use souk_domain::Timestamp;
use std::sync::Arc;
use time::OffsetDateTime;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // The machine's year is in range, unless its clock is broken: then 1970 is as good as any,
        // and signatures fail on it.
        Timestamp::new(OffsetDateTime::now_utc()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The tools of the use cases, over the machine's clock and the configured database.
pub fn tools(lookup: &Lookup<'_>) -> Result<Tools, ConfigError> {
    Ok(Tools {
        db: shards(lookup)?,
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        prices: Arc::default(),
    })
}

/// Bounds on calls to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsBounds {
    /// One attempt.
    pub attempt_timeout: Duration,
    /// All attempts together.
    pub operation_timeout: Duration,
    /// Attempts, the first one included; between them the SDK waits exponentially, with jitter.
    pub attempts_max: u32,
}

/// AWS configuration from the environment, with `bounds`.
pub async fn aws_config(bounds: AwsBounds) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(bounds.attempts_max))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(1))
                .operation_attempt_timeout(bounds.attempt_timeout)
                .operation_timeout(bounds.operation_timeout)
                .build(),
        )
        .load()
        .await
}
