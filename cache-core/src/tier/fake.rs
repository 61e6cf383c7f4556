//! A tier in memory, for tests.
//!
//! `store` is what memcached does, `control` what a test may order, `hold` how an operation waits,
//! `operations` the face of a tier. Every operation is one future, `exchange`: a thread blocks on
//! it.

mod control;
mod hold;
mod operations;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::control::FakeOperations;
use self::control::Moment;
pub use self::hold::FakeHold;
use self::hold::{FakeShared, Passing};
pub use self::store::FakeSnapshot;
use self::store::FakeStore;
use crate::tier::error::TierError;
use crate::tier::invalidations::{Event, EventSink, Invalidations, Subscription};
use crate::tier::link::{TierHealth, TierItem};
use crate::time::clock::{Clock, FakeClock, Tick};

/// A remote tier in memory, for tests: with memcached's leases, a fake clock, and failures, delays
/// and lost replies on demand.
///
/// A clone is the same tier as the same process sees it: give one to the cache, and keep one to
/// order what happens. [`peer`](Self::peer) is another process's view, with failures and events of
/// its own.
///
/// ```
/// use std::time::Duration;
/// use cache_core::FakeClock;
/// use cache_core::tier::{FakeTier, Filled, LeaseTerms, Leased, Tier, TierError};
///
/// let clock = FakeClock::new();
/// let tier = FakeTier::new(&clock);
///
/// // A load that an invalidation by another process supersedes.
/// let terms = LeaseTerms::new(Duration::from_secs(10));
/// let Leased::Won(lease) = Tier::lease(&tier, b"key", terms)? else { panic!("it was empty") };
/// Tier::remove(&tier.peer(), b"key")?;
/// assert_eq!(Tier::fill(&tier, b"key", lease, b"old", None)?, Filled::Refused);
///
/// // A value that expires.
/// Tier::put(&tier, b"key", b"new", Some(Duration::from_secs(60)))?;
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(Tier::get(&tier, b"key")?, None);
///
/// // A server that does not answer.
/// tier.fail_next(1, TierError::TimedOut);
/// assert_eq!(Tier::get(&tier, b"key"), Err(TierError::TimedOut));
/// assert_eq!((tier.operations().gets, tier.operations().leases), (2, 1));
/// # Ok::<(), TierError>(())
/// ```
///
/// # Leases
/// As memcached's. A lease for a missing key ends with its time, which is rounded up to whole
/// seconds and at least two; one to replace an item lasts as long as the item. Each ends before if
/// the key is written, removed or marked, or the tier is flushed.
///
/// # What it lacks
/// A limit of its memory: nothing is evicted. [`Tier`](super::Tier) and
/// [`AsyncTier`](super::AsyncTier) have methods of the same names: import one of them, or call them
/// as above.
#[derive(Clone)]
pub struct FakeTier {
    shared: Arc<FakeShared>,
    clock: FakeClock,
    peer: usize,
}

/// What an operation does.
#[derive(Clone, Copy)]
enum Effect<'k> {
    Reads,
    /// It writes, but nothing that other processes know becomes wrong.
    Writes,
    /// It writes this key, and other processes may be told.
    Replaces(&'k [u8]),
}

/// The counter of an operation.
type Count = fn(&mut FakeOperations) -> &mut u64;

/// What a test orders and looks at.
impl FakeTier {
    /// Makes an empty tier whose time is the clock's.
    #[must_use]
    pub fn new(clock: &FakeClock) -> Self {
        let shared = Arc::new(FakeShared::new());
        shared.lock().peers.push(Default::default());
        FakeTier { shared, clock: clock.clone(), peer: 0 }
    }

    /// Returns the tier as another process sees it: the same items, leases and counters, but
    /// failures, holds, events and [`operations`](Self::operations) of its own.
    #[must_use]
    pub fn peer(&self) -> Self {
        let mut state = self.shared.lock();
        state.peers.push(Default::default());
        FakeTier { peer: state.peers.len() - 1, ..self.clone() }
    }

    /// Fails the next `operations` with this error. They do nothing.
    pub fn fail_next(&self, operations: usize, error: TierError) {
        let failures = std::iter::repeat_n(error, operations);
        self.shared.lock().peers[self.peer].failures.extend(failures);
    }

    /// Fails every operation from now on: the tier is out of reach. What it keeps, it keeps.
    pub fn go_down(&self) {
        self.shared.lock().peers[self.peer].is_down = true;
    }

    /// Ends what [`go_down`](Self::go_down) began.
    pub fn come_back(&self) {
        self.shared.lock().peers[self.peer].is_down = false;
    }

    /// Gives out items with this time as their
    /// [`distrusted_before`](TierItem::distrusted_before) from now on.
    pub fn distrust_before(&self, time: SystemTime) {
        self.shared.lock().peers[self.peer].distrusted_before = Some(time);
    }

    /// Makes the next write (`fill`, `put`, `remove`, `mark_stale`, `bump`) and has it return
    /// [`TierError::TimedOut`] all the same.
    pub fn lose_reply_of_next_write(&self) {
        self.shared.lock().peers[self.peer].loses_reply = true;
    }

    /// Holds operations before they are made, from now until the hold is dropped: threads block,
    /// futures are pending.
    pub fn hold_requests(&self) -> FakeHold {
        FakeHold::new(&self.shared, self.peer, Moment::Request)
    }

    /// Holds operations after they were made, from now until the hold is dropped: what they return
    /// is then old.
    pub fn hold_replies(&self) -> FakeHold {
        FakeHold::new(&self.shared, self.peer, Moment::Reply)
    }

    /// Changes the value of a key behind the back of all, and nothing else of its item. Returns
    /// `true` if there is one.
    pub fn corrupt(&self, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> bool {
        // Not under the lock: it is the user's code.
        let Some(TierItem { mut value, .. }) = self.item(key) else { return false };
        change(&mut value);
        let now = self.clock.now();
        self.shared.lock().store.corrupt(key, |old| *old = value, now)
    }

    /// Loses everything, the counters of generations too, as a server does that starts anew. With
    /// [`tell_writes`](Self::tell_writes), every process hears [`Event::Lost`].
    pub fn flush(&self) {
        self.restore(&FakeSnapshot::default());
    }

    /// Returns what the tier keeps now.
    #[must_use]
    pub fn snapshot(&self) -> FakeSnapshot {
        self.shared.lock().store.snapshot()
    }

    /// Keeps again what it kept then, and nothing else, as a server does that starts anew with old
    /// data. All leases have ended. With [`tell_writes`](Self::tell_writes), every process hears
    /// [`Event::Lost`].
    pub fn restore(&self, snapshot: &FakeSnapshot) {
        let mut state = self.shared.lock();
        state.store.restore(snapshot);
        let peers = state.peers.iter().filter(|_| state.tells_writes);
        let sinks: Vec<EventSink> = peers.flat_map(|peer| &peer.sinks).map(cloned).collect();
        drop(state);
        tell(&sinks, &Event::Lost);
    }

    /// Returns the keys that have a value, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let now = self.clock.now();
        self.shared.lock().store.keys(now)
    }

    /// Returns the item of a key. No operation, so that it is not counted and does not fail.
    #[must_use]
    pub fn item(&self, key: &[u8]) -> Option<TierItem> {
        let now = self.clock.now();
        self.shared.lock().store.get(key, now)
    }

    /// Returns how often this process has asked for each operation.
    #[must_use]
    pub fn operations(&self) -> FakeOperations {
        self.shared.lock().peers[self.peer].operations
    }

    /// Has all processes told of each other's writes from now on: of `put`, `remove` and
    /// `mark_stale`, but not of `fill`, after which no process has an older value, and not of
    /// `bump`: caches read a counter of which they hear on a thread of their own, at no certain
    /// time. Where that is what is tested, [`hear`](Self::hear) tells of it.
    pub fn tell_writes(&self) {
        self.shared.lock().tells_writes = true;
    }

    /// Has this process told of an event.
    pub fn hear(&self, event: Event) {
        let sinks: Vec<EventSink> =
            self.shared.lock().peers[self.peer].sinks.iter().map(cloned).collect();
        tell(&sinks, &event);
    }

    /// Has this process told that events were lost, and counts that in the tier's
    /// [`health`](super::Tier::health).
    pub fn lose_hearing(&self) {
        self.shared.lock().peers[self.peer].hearing_losses += 1;
        self.hear(Event::Lost);
    }
}

fn cloned((_, sink): &(u64, EventSink)) -> EventSink {
    Arc::clone(sink)
}

/// Not under the lock: sinks are other code, and may ask the tier.
fn tell(sinks: &[EventSink], event: &Event) {
    for sink in sinks {
        sink(event.clone());
    }
}

impl fmt::Debug for FakeTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTier").field("keys", &self.keys().len()).finish_non_exhaustive()
    }
}

/// The way of an operation.
impl FakeTier {
    async fn exchange<T>(
        &self,
        count: Count,
        effect: Effect<'_>,
        act: impl FnOnce(&mut FakeStore, Tick) -> T,
    ) -> Result<T, TierError> {
        *count(&mut self.shared.lock().peers[self.peer].operations) += 1;
        Passing::new(&self.shared, self.peer, Moment::Request).await;
        let result = self.perform(effect, act);
        Passing::new(&self.shared, self.peer, Moment::Reply).await;
        result
    }

    fn perform<T>(
        &self,
        effect: Effect<'_>,
        act: impl FnOnce(&mut FakeStore, Tick) -> T,
    ) -> Result<T, TierError> {
        let mut state = self.shared.lock();
        if let Some(error) = state.peers[self.peer].failure() {
            return Err(error);
        }
        let done = act(&mut state.store, self.clock.now());
        let is_write = !matches!(effect, Effect::Reads);
        let is_lost = is_write && std::mem::take(&mut state.peers[self.peer].loses_reply);
        if let (true, Effect::Replaces(key)) = (state.tells_writes, effect) {
            let others = state.peers.iter().enumerate().filter(|(peer, _)| *peer != self.peer);
            let sinks: Vec<EventSink> =
                others.flat_map(|(_, peer)| &peer.sinks).map(cloned).collect();
            drop(state);
            tell(&sinks, &Event::Key(key.to_vec()));
        }
        if is_lost { Err(TierError::TimedOut) } else { Ok(done) }
    }

    /// Returns an item as this process trusts it.
    fn trusted(&self, item: TierItem) -> TierItem {
        let distrusted_before = self.shared.lock().peers[self.peer].distrusted_before;
        TierItem { distrusted_before, ..item }
    }

    fn own_health(&self) -> TierHealth {
        let state = self.shared.lock();
        let peer = &state.peers[self.peer];
        TierHealth {
            servers_out: peer.is_down.into(),
            hearing_losses: peer.hearing_losses,
            ..TierHealth::default()
        }
    }
}

impl Invalidations for FakeTier {
    fn subscribe(&self, sink: EventSink) -> Subscription {
        let mut state = self.shared.lock();
        let peer = &mut state.peers[self.peer];
        let ticket = peer.next_ticket();
        peer.sinks.push((ticket, sink));
        let (shared, peer) = (Arc::downgrade(&self.shared), self.peer);
        Subscription::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let sinks = &mut state.peers[peer].sinks;
            let place = sinks.iter().position(|(at, _)| *at == ticket);
            let ended = place.map(|place| sinks.swap_remove(place));
            drop(state);
            drop(ended);
        })
    }
}
