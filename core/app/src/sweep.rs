//! What sweeps have in common: some work at a time, while there is time.

use crate::AppError;
use core::future::Future;
use futures::StreamExt as _;
use futures::stream;
use souk_domain::Timestamp;
use souk_postgres::DatabaseError;
use tokio::time::Instant;

/// Does all of `work`, at most `concurrency_max` at a time, and gives what came of it, in no order;
/// `None` for what was not begun before `stop_at`.
pub(crate) async fn do_until<W: Future>(
    stop_at: Instant,
    concurrency_max: u8,
    work: impl Iterator<Item = W>,
) -> Vec<Option<W::Output>> {
    stream::iter(work)
        .map(|one| async move {
            if Instant::now() >= stop_at {
                return None;
            }
            Some(one.await)
        })
        .buffer_unordered(usize::from(concurrency_max.max(1)))
        .collect()
        .await
}

/// Has `drop_batch` drop what lies before a day, `batch_size` of it at a time, until it finds less than that or
/// `stop_at` has come; the next run goes on. Returns how much was dropped.
///
/// # Errors
/// The first that `drop_batch` fails with; what was dropped before stays dropped.
pub(crate) async fn drop_in_batches(
    stop_at: Instant,
    batch_size: u64,
    drop_batch: impl AsyncFn() -> Result<u64, DatabaseError>,
) -> Result<u64, AppError> {
    let mut total: u64 = 0;
    while Instant::now() < stop_at {
        let dropped = drop_batch().await?;
        total = total.saturating_add(dropped);
        if dropped < batch_size {
            break;
        }
    }
    Ok(total)
}

/// The instant `days` days before `now`.
///
/// # Errors
/// [`AppError::Clock`] when there is no such instant.
pub(crate) fn days_before(now: Timestamp, days: u8) -> Result<Timestamp, AppError> {
    Ok(now.plus(time::Duration::days(i64::from(days).saturating_neg()))?)
}
