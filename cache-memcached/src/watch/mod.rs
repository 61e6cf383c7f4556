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
//! | a watcher that reads too slowly is left out | `skipped=`, before its next line |
//! | a thread of the server's drops lines before they are in the stream | `log_worker_dropped` |
//! | the connection breaks, the server restarts | the end of the stream |
//! | the server hangs | a request with a time limit, once a second |
//! | the counters cannot be asked | a gap in the numbers, once a second |
//!
//! Each of these is [`Event::Lost`](cache_core::tier::Event::Lost), as is the beginning of every
//! watch: what was written before it was not heard. A gap alone is no loss where the counters can
//! be asked: a watcher of other kinds of lines, of some program's, also uses up numbers. Nor is a
//! grown `log_watcher_skipped`, which counts the lines of all watchers; but it is a reason to have
//! a line written, so that `skipped=` is told if it is this watcher.
//!
//! # How soon it hears
//! As soon as the server looks at what it has logged. memcached has a thread for that, which
//! nothing wakes: it sleeps, for 1 ms at least, an eighth longer each time that there was nothing,
//! up to a second, and half as long after there was something (`logger_thread` in its `logger.c`,
//! in 1.6.18 and still in July 2026). So on a server that logs little a line waits for up to two
//! ninths of the time since the one before, and for a second after some ten seconds of silence.
//!
//! Therefore a listener that has read nothing for 50 to 100 ms stores an empty item (`~w:`), whose
//! line all watchers read: one of all processes does that, and none where lines come anyway. It is
//! some 15 small commands a second on a server that is quiet.
//!
//! From the start of a write to its line, with memcached 1.6.18 on loopback, on two busy cores, in
//! November 2026 (`how_long_until_another_process_hears` in `tests/server/watching.rs`; a bare
//! connection has the line within 0.2 ms of a subscriber):
//!
//! | pause between writes | p50, p99 without such items | p50, p99 with them |
//! |---|--:|--:|
//! | none, once the last is heard | 1.2 ms, 1.5 ms | 1.2 ms, 7.2 ms |
//! | 10 ms | 2.2 ms, 3.0 ms | 2.0 ms, 4.5 ms |
//! | 100 ms | 17 ms, 23 ms | 4.9 ms, 16 ms |
//! | 1 s | 97 ms, 164 ms | 11 ms, 14 ms |
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
