//! Processes that die at any point at which they wait.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A future that is dropped when it has waited so often.
pub(crate) struct Mortal<F> {
    pub(crate) future: Pin<Box<F>>,
    /// None: it does not die by itself.
    pub(crate) waits_left: Option<u32>,
}

impl<F: Future> Future for Mortal<F> {
    /// None: it has died.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waits_left == Some(0) {
            return Poll::Ready(None);
        }
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                if let Some(left) = self.waits_left.as_mut() {
                    *left -= 1;
                    if *left == 0 {
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending
            }
        }
    }
}
