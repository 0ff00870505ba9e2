//! What sweeps have in common: due work, some of it at a time, while there is time.

use core::future::Future;
use futures::StreamExt as _;
use futures::stream;
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
