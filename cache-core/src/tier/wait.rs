//! Waiting for a moment, as a thread and as a task alike.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::flight::timer::WakeTimer;

/// Is ready when this time has passed, or a little later. Real time, whatever the cache's clock.
pub(super) fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let end = Instant::now() + duration;
    let mut timer: Option<WakeTimer> = None;
    poll_fn(move |context| {
        if Instant::now() >= end {
            return Poll::Ready(());
        }
        let is_set = timer.as_ref().is_some_and(|timer| timer.set_waker(context.waker()));
        if !is_set {
            timer = Some(WakeTimer::start(end, context.waker().clone()));
        }
        Poll::Pending
    })
}
