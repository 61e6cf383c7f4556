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
//! | a watcher that reads too slowly is left out | `skipped=` in the stream, `log_watcher_skipped` |
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
mod listener;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::tier::{Event, EventSink, Invalidations, Subscription};

use crate::server::link::{Known, Limits};
use crate::wire::key::Namespace;

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

/// Where the thread of one server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is none.
    Ended,
    Connecting,
    Listening,
    Refused,
}

/// What the threads need to know.
pub(crate) struct Surroundings {
    /// The process in its own tombstones.
    pub(crate) process: u64,
    pub(crate) space: Namespace,
    pub(crate) servers: Vec<Arc<Known>>,
    pub(crate) limits: Limits,
}

/// How one process hears.
pub(crate) struct Watch {
    shared: Arc<Hearers>,
}

struct Hearers {
    surroundings: Surroundings,
    state: Mutex<Hall>,
    /// Notified when a subscription ends.
    changed: Condvar,
    losses: AtomicU64,
}

struct Hall {
    subscribers: Vec<Arc<Subscriber>>,
    /// By server.
    standing: Vec<Standing>,
}

struct Subscriber {
    sink: EventSink,
    has_left: AtomicBool,
}

impl Subscriber {
    fn is_here(&self) -> bool {
        // Relaxed: nothing else is concluded from it. An event may still come while it leaves.
        !self.has_left.load(Ordering::Relaxed)
    }
}

impl Watch {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        let standing = vec![Standing::Ended; surroundings.servers.len()];
        Watch {
            shared: Arc::new(Hearers {
                surroundings,
                state: Mutex::new(Hall { subscribers: Vec::new(), standing }),
                changed: Condvar::new(),
                losses: AtomicU64::new(0),
            }),
        }
    }

    /// In a forked child: takes over the subscribers of its parent, whose threads it does not have.
    /// If one of these held the lock, nobody can be taken over, and the child hears nothing.
    pub(crate) fn take_over(&self, parent: &Self) {
        const TRIES: u32 = 100;
        let found = (0..TRIES).find_map(|_| {
            std::thread::yield_now();
            let hall = parent.shared.state.try_lock().ok()?;
            Some(hall.subscribers.clone())
        });
        self.shared.lock().subscribers = found.unwrap_or_default();
        self.shared.start();
    }

    pub(crate) fn losses(&self) -> u64 {
        // Relaxed: a count.
        self.shared.losses.load(Ordering::Relaxed)
    }

    pub(crate) fn hearing(&self) -> Hearing {
        let hall = self.shared.lock();
        let has = |wanted| hall.standing.contains(&wanted);
        match () {
            () if has(Standing::Refused) => Hearing::Refused,
            () if has(Standing::Connecting) => Hearing::Lost,
            () if has(Standing::Listening) => Hearing::Listening,
            () => Hearing::Off,
        }
    }
}

impl Invalidations for Watch {
    fn subscribe(&self, sink: EventSink) -> Subscription {
        let subscriber = Arc::new(Subscriber { sink, has_left: AtomicBool::new(false) });
        self.shared.lock().subscribers.push(Arc::clone(&subscriber));
        self.shared.start();
        let hearers = Arc::downgrade(&self.shared);
        Subscription::new(move || {
            subscriber.has_left.store(true, Ordering::Relaxed);
            if let Some(hearers) = hearers.upgrade() {
                hearers.changed.notify_all();
            }
        })
    }
}

impl Hearers {
    /// Starts the threads that are not there, if somebody listens.
    fn start(self: &Arc<Self>) {
        let mut hall = self.lock();
        if !hall.subscribers.iter().any(|subscriber| subscriber.is_here()) {
            return;
        }
        for server in 0..hall.standing.len() {
            if hall.standing[server] != Standing::Ended {
                continue;
            }
            let thread = std::thread::Builder::new().name("cache-memcached-watch".into());
            let hearers = Arc::clone(self);
            match thread.spawn(move || listener::run(&hearers, server)) {
                Ok(_) => hall.standing[server] = Standing::Connecting,
                // As if it were connecting for ever; the next subscription tries again.
                Err(_) => drop(self.losses.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// Tells all subscribers, without the lock: a sink may be the last to hold a cache, whose
    /// subscription then ends here.
    fn tell(&self, event: &Event) {
        let subscribers = self.lock().subscribers.clone();
        for subscriber in subscribers.iter().filter(|subscriber| subscriber.is_here()) {
            (subscriber.sink)(event.clone());
        }
    }

    fn stand(&self, server: usize, standing: Standing) {
        self.lock().standing[server] = standing;
    }

    /// Returns `true` if somebody listens. If not, the thread of this server counts as ended.
    fn is_wanted(&self, server: usize) -> bool {
        let mut hall = self.lock();
        // Those who have left are dropped without the lock: a sink may hold what ends here.
        let left: Vec<_> = hall.subscribers.extract_if(.., |it| !it.is_here()).collect();
        let is_wanted = !hall.subscribers.is_empty();
        if !is_wanted {
            hall.standing[server] = Standing::Ended;
        }
        drop(hall);
        drop(left);
        is_wanted
    }

    /// Waits for so long, or until a subscription ends.
    fn pause(&self, length: Duration) {
        let hall = self.lock();
        drop(self.changed.wait_timeout(hall, length));
    }

    fn lock(&self) -> MutexGuard<'_, Hall> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
