//! A thread that blocks until a [`Waker`] is called.
//!
//! `std::thread::park` will not do: this wait would consume a token that was meant for an executor
//! below it on the stack, which parks the same thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::util::sync::Event;

/// A waker that unblocks the thread that waits for it.
pub(crate) struct Signal(Event);

impl Signal {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Signal(Event::new()))
    }

    /// Blocks until the waker is called, or until the deadline.
    pub(crate) fn block_until(&self, deadline: Option<Instant>) {
        self.0.wait(deadline);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.0.set();
    }
}

/// Polls a future until it is ready, and blocks the thread in between.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let signal = Signal::new();
    let waker = Waker::from(Arc::clone(&signal));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        signal.block_until(None);
    }
}
