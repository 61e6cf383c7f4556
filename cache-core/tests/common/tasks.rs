//! Futures that a test polls by hand, gates that it opens, and a plain executor.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// A future that the test polls by hand.
pub(crate) struct Polled<'f, T> {
    future: Pin<Box<dyn Future<Output = T> + 'f>>,
    pub(crate) wakes: Arc<Wakes>,
}

/// Counts how often its waker was called.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl<'f, T> Polled<'f, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'f) -> Self {
        Polled { future: Box::pin(future), wakes: Arc::default() }
    }

    /// A future that was polled once and is not ready.
    #[track_caller]
    pub(crate) fn pending(future: impl Future<Output = T> + 'f) -> Self {
        let mut polled = Polled::new(future);
        assert!(polled.poll().is_none(), "ready at the first poll");
        polled
    }

    pub(crate) fn poll(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[track_caller]
    pub(crate) fn finish(mut self) -> T {
        self.poll().expect("ready")
    }
}

/// What a loader waits for until the test opens it. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(AtomicBool, Mutex<Vec<Waker>>)>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.0.store(true, SeqCst);
        let wakers = std::mem::take(&mut *self.0.1.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.0.load(SeqCst)
    }

    pub(crate) async fn passed(&self) {
        poll_fn(|context| {
            let mut wakers = self.0.1.lock().unwrap();
            if self.is_open() {
                return Poll::Ready(());
            }
            wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until the gate is open, and returns this value.
    pub(crate) async fn then<T>(&self, value: T) -> T {
        self.passed().await;
        value
    }
}

/// Lets others run, once.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The plainest of executors, as in the documentation of `std::task::Wake`: it trusts that each
/// call of the waker is answered by one return of `park`.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
