//! Hearing of other processes' writes.
//!
//! memcached logs what it stores, and shows the log to whoever asks for it by `watch mutations`.
//! Removals are not in it, at least not in every version, so each write of ours that others must
//! hear of also stores an empty item, a *tombstone*, whose key says what was written and by which
//! process.
//!
//! What can be lost, and how that is told:
//!
//! | loss | seen by |
//! |---|---|
//! | a watcher that reads too slowly is left out | `skipped=`, and `log_watcher_skipped` |
//! | a thread of the server's drops lines before they are in the stream | `log_worker_dropped` |
//! | the connection breaks, the server restarts | the end of the stream |
//! | the server hangs | a request with a time limit, once a second |
//! | the counters cannot be asked | a gap in the numbers, once a second |
//!
//! Each of these is [`Event::Lost`], as is the beginning of every watch: what was written before
//! it was not heard. A gap alone is no loss where the counters can be asked: a watcher of other
//! kinds of lines, of some program's, also uses up numbers.
//!
//! There is a thread for each server, with two connections of its own, as long as there is a
//! subscription.

mod gaps;
mod hall;
mod listener;

use std::sync::Arc;

use cache_core::tier::{EventSink, Invalidations, Subscription};

pub(crate) use self::hall::Surroundings;
use self::hall::{Hearers, Standing};

/// Whether a process hears of others' writes: [`Memcached::hearing`](crate::Memcached::hearing).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hearing {
    /// It does not listen: [`watch`](crate::MemcachedBuilder::watch) is off, or nothing has
    /// subscribed.
    Off,
    /// All servers tell.
    Listening,
    /// A server is not listened to at present. A connection to it is tried again and again.
    Lost,
    /// A server forbids `watch`, as managed services do: other processes' writes are heard as if
    /// the option were off. It is asked again once a minute.
    Refused,
}

/// How one process hears.
pub(crate) struct Watch {
    shared: Arc<Hearers>,
}

impl Watch {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        Watch { shared: Arc::new(Hearers::new(surroundings, listener::run)) }
    }

    /// In a forked child: takes over the subscribers of its parent, whose threads it does not have.
    pub(crate) fn take_over(&self, parent: &Self) {
        self.shared.take_over(&parent.shared);
    }

    pub(crate) fn losses(&self) -> u64 {
        self.shared.losses()
    }

    pub(crate) fn hearing(&self) -> Hearing {
        let hall = self.shared.lock();
        let has = |wanted| hall.standing.contains(&wanted);
        if has(Standing::Refused) {
            Hearing::Refused
        } else if has(Standing::Connecting) {
            Hearing::Lost
        } else if has(Standing::Listening) {
            Hearing::Listening
        } else {
            Hearing::Off
        }
    }
}

impl Invalidations for Watch {
    fn subscribe(&self, sink: EventSink) -> Subscription {
        let subscriber = self.shared.add(sink);
        let hearers = Arc::downgrade(&self.shared);
        Subscription::new(move || {
            subscriber.leave();
            if let Some(hearers) = hearers.upgrade() {
                hearers.left();
            }
        })
    }
}
