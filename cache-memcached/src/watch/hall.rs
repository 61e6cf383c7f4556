//! The subscribers of a process, and where the threads stand that tell them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cache_core::tier::{Event, EventSink};

use crate::server::link::{Known, Limits};
use crate::wire::key::Namespace;

/// Where the thread of one server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
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

/// What the subscribers and the threads of one process share.
pub(super) struct Hearers {
    pub(super) surroundings: Surroundings,
    state: Mutex<Hall>,
    /// Notified when a subscription ends.
    changed: Condvar,
    losses: AtomicU64,
    /// What the thread of a server does.
    listen: Listen,
}

/// Listens to a server until nobody wants to hear.
pub(super) type Listen = fn(&Arc<Hearers>, usize);

/// The subscribers, and how far the threads are.
pub(super) struct Hall {
    subscribers: Vec<Arc<Subscriber>>,
    /// By server.
    pub(super) standing: Vec<Standing>,
}

/// One subscription.
pub(super) struct Subscriber {
    sink: EventSink,
    has_left: AtomicBool,
}

impl Subscriber {
    pub(super) fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    fn is_here(&self) -> bool {
        // Relaxed: nothing else is concluded from it. An event may still come while it leaves.
        !self.has_left.load(Ordering::Relaxed)
    }
}

impl Hearers {
    pub(super) fn new(surroundings: Surroundings, listen: Listen) -> Self {
        let standing = vec![Standing::Ended; surroundings.servers.len()];
        Hearers {
            surroundings,
            state: Mutex::new(Hall { subscribers: Vec::new(), standing }),
            changed: Condvar::new(),
            losses: AtomicU64::new(0),
            listen,
        }
    }

    /// Adds a subscriber, and starts the threads if it is the first.
    pub(super) fn add(self: &Arc<Self>, sink: EventSink) -> Arc<Subscriber> {
        let subscriber = Arc::new(Subscriber { sink, has_left: AtomicBool::new(false) });
        self.lock().subscribers.push(Arc::clone(&subscriber));
        self.start();
        subscriber
    }

    /// In a forked child: takes over the subscribers of its parent. If a thread of the parent's
    /// held the lock, nobody can be taken over, and the child hears nothing.
    pub(super) fn take_over(self: &Arc<Self>, parent: &Self) {
        const TRIES: u32 = 100;
        let found = (0..TRIES).find_map(|_| {
            std::thread::yield_now();
            Some(parent.state.try_lock().ok()?.subscribers.clone())
        });
        self.lock().subscribers = found.unwrap_or_default();
        self.start();
    }

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
            match thread.spawn(move || (hearers.listen)(&hearers, server)) {
                Ok(_) => hall.standing[server] = Standing::Connecting,
                // This server is not heard. The next subscription tries again.
                Err(_) => drop(self.losses.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// Tells all subscribers, without the lock: a sink may be the last to hold a cache, whose
    /// subscription then ends here.
    pub(super) fn tell(&self, event: &Event) {
        let subscribers = self.lock().subscribers.clone();
        for subscriber in subscribers.iter().filter(|subscriber| subscriber.is_here()) {
            (subscriber.sink)(event.clone());
        }
    }

    pub(super) fn stand(&self, server: usize, standing: Standing) {
        self.lock().standing[server] = standing;
    }

    /// Returns `true` if somebody listens. If not, the thread of this server counts as ended.
    pub(super) fn is_wanted(&self, server: usize) -> bool {
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

    /// Counts a loss, and tells it.
    pub(super) fn lost(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        self.tell(&Event::Lost);
    }

    pub(super) fn losses(&self) -> u64 {
        // Relaxed: a count.
        self.losses.load(Ordering::Relaxed)
    }

    /// Waits for so long, or until a subscription ends. One that ends just before it waits is seen
    /// a second later: it takes no lock, which might be one of a parent's threads.
    pub(super) fn pause(&self, length: Duration) {
        const SLICE: Duration = Duration::from_secs(1);
        let mut left = length;
        let mut hall = self.lock();
        while !left.is_zero() && hall.subscribers.iter().all(|subscriber| subscriber.is_here()) {
            let slice = left.min(SLICE);
            left -= slice;
            let waited = self.changed.wait_timeout(hall, slice);
            hall = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes that a subscription has ended.
    pub(super) fn left(&self) {
        self.changed.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Hall> {
        // Nothing here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
