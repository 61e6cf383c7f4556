//! Keys, values and errors that are counted: how many are alive, and that each is dropped once.
//!
//! A value also records whether it was seen inside the cache and whether the listener was notified
//! of it. So one that leaves without a notification, or with two, is found when it is dropped.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

use cache_core::Equivalent;

use crate::faults;

/// The number of caches.
pub(crate) const SHELVES: usize = 5;

/// The number of objects of one kind that are alive.
pub(crate) struct Census(AtomicI64);

impl Census {
    const fn new() -> Census {
        Census(AtomicI64::new(0))
    }

    pub(crate) fn alive(&self) -> i64 {
        self.0.load(SeqCst)
    }
}

pub(crate) static KEYS: [Census; SHELVES] = [const { Census::new() }; SHELVES];
pub(crate) static VALUES: [Census; SHELVES] = [const { Census::new() }; SHELVES];
pub(crate) static ERRORS: Census = Census::new();

const ALIVE: u32 = 0x600D_600D;
const DEAD: u32 = 0xDEAD_DEAD;

/// Counts its owner. The state is on the heap, where AddressSanitizer sees a use after free.
struct Counted {
    census: &'static Census,
    state: Box<AtomicU32>,
}

impl Counted {
    fn new(census: &'static Census) -> Counted {
        census.0.fetch_add(1, SeqCst);
        Counted { census, state: Box::new(AtomicU32::new(ALIVE)) }
    }

    fn check(&self) {
        let state = self.state.load(Relaxed);
        faults::expect(state == ALIVE, || format!("a dropped object is in use ({state:#x})"));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let state = self.state.swap(DEAD, Relaxed);
        faults::expect(state == ALIVE, || format!("an object is dropped twice ({state:#x})"));
        self.census.0.fetch_sub(1, SeqCst);
    }
}

/// The borrowed form of a [`Key`].
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Id(pub(crate) u32);

/// The key of an entry.
pub(crate) struct Key {
    pub(crate) id: u32,
    shelf: usize,
    counted: Counted,
}

impl Key {
    pub(crate) fn new(shelf: usize, id: u32) -> Key {
        Key { id, shelf, counted: Counted::new(&KEYS[shelf]) }
    }
}

impl Clone for Key {
    fn clone(&self) -> Key {
        self.counted.check();
        Key::new(self.shelf, self.id)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.counted.check();
        other.counted.check();
        self.id == other.id
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Id(self.id).hash(state);
    }
}

impl Equivalent<Key> for Id {
    fn equivalent(&self, key: &Key) -> bool {
        key.counted.check();
        self.0 == key.id
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A loader or a computation; its version was read when that began.
    Loaded,
    /// A plain write. It may be stored later than it was made, so its version says nothing.
    Inserted,
}

/// The value of an entry.
pub(crate) struct Value {
    pub(crate) shelf: usize,
    pub(crate) key: u32,
    pub(crate) version: u64,
    pub(crate) origin: Origin,
    pub(crate) weight: u32,
    /// It was seen where only entries are.
    seen: AtomicBool,
    /// The listener was notified of it.
    notified: AtomicBool,
    counted: Counted,
}

impl Value {
    pub(crate) fn new((shelf, key): (usize, u32), version: u64, origin: Origin) -> Value {
        Value {
            shelf,
            key,
            version,
            origin,
            weight: 1,
            seen: AtomicBool::new(false),
            notified: AtomicBool::new(false),
            counted: Counted::new(&VALUES[shelf]),
        }
    }

    pub(crate) fn weighing(self, weight: u32) -> Value {
        let mut value = self;
        value.weight = weight;
        value
    }

    /// Records that this very object is an entry's.
    pub(crate) fn see(&self) {
        self.counted.check();
        self.seen.store(true, Relaxed);
    }

    /// Records that the listener was notified of this very object.
    pub(crate) fn notify(&self) {
        self.counted.check();
        let again = self.notified.swap(true, Relaxed);
        faults::expect(!again, || format!("the listener is notified twice of {}", self.describe()));
    }

    /// The cache is about to be dropped, for which the listener is not notified.
    pub(crate) fn excuse(&self) {
        self.notified.store(true, Relaxed);
    }

    pub(crate) fn describe(&self) -> String {
        let Value { shelf, key, version, origin, weight, .. } = self;
        format!("cache {shelf}, key {key}, version {version}, {origin:?}, weight {weight}")
    }
}

impl Clone for Value {
    fn clone(&self) -> Value {
        self.counted.check();
        Value::new((self.shelf, self.key), self.version, self.origin).weighing(self.weight)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        let missed = *self.seen.get_mut() && !*self.notified.get_mut();
        faults::expect(!missed, || format!("the listener was not notified of {}", self.describe()));
    }
}

/// The error of a load.
pub(crate) struct Failure {
    counted: Counted,
}

impl Failure {
    pub(crate) fn new() -> Failure {
        Failure { counted: Counted::new(&ERRORS) }
    }

    pub(crate) fn check(&self) {
        self.counted.check();
    }
}

/// Another type of error, which cannot be shared with callers whose type is [`Failure`].
pub(crate) struct OtherFailure(pub(crate) Failure);
