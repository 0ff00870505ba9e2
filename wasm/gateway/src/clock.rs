//! Time and chance, of which the policy has none.

use core::pin::pin;
use core::time::Duration;
use futures::future::{Either, select};
use spin_sdk::wasip3::random::random::get_random_bytes;
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map(|since| since.as_millis()).unwrap_or_default();
    u64::try_from(ms).unwrap_or(u64::MAX)
}

/// Ten bytes from the host's cryptographic source.
pub(crate) fn random_bytes() -> [u8; 10] {
    let bytes = get_random_bytes(10);
    bytes.first_chunk().copied().unwrap_or_default()
}

/// What `work` makes of it within `ms` milliseconds, or nothing: then it is dropped.
pub(crate) async fn within<T>(ms: u32, work: impl Future<Output = T>) -> Option<T> {
    let pause = pin!(pause(ms));
    match select(pin!(work), pause).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

pub(crate) async fn pause(ms: u32) {
    spin_sdk::time::sleep(Duration::from_millis(ms.into())).await;
}
