//! Counting the retries of a call, and the panic that ends a call that would never end.
//!
//! A writer compares keys without the lock, and must retry when another key of the same hash was
//! stored meanwhile. That other writer may be the thread itself: an `Eq` that stores a new key at
//! each comparison would keep its call going for ever, and those of several threads could keep each
//! other's going. So a call counts its retries that come after writes which its own thread made
//! meanwhile ([`Retries`]), and panics after [`MOST`] of them. Retries alone prove nothing: under
//! contention any call may have many.

use std::cell::Cell;

use super::guard::Guard;
use crate::util::panics::title;

/// Retries of one call, each after a write of its own thread, that are no accident any more. Calls
/// whose `Eq` does not write have none, whatever other threads do; one whose `Eq` writes now and
/// then, because it fills another cache for instance, has a few. As each may have stored a key of
/// the same hash, which all later comparisons then meet, the time until the panic grows with the
/// square of this number: it is well below a millisecond.
const MOST: u32 = 100;

/// The retries of one call that its own thread may have caused.
#[derive(Default)]
pub(crate) struct Retries {
    /// How many slots the thread had reserved at the last check.
    reserved: Cell<u16>,
    count: Cell<u32>,
}

impl Retries {
    #[inline]
    pub(crate) fn new<K, V>(guard: &Guard<'_, K, V>) -> Self {
        let reserved = Cell::new(guard.pin.reader.notes.reserved());
        Retries { reserved, count: Cell::new(0) }
    }

    /// Returns `true` if the calling thread has written to the cache since the last check.
    pub(crate) fn has_written<K, V>(&self, guard: &Guard<'_, K, V>) -> bool {
        let reserved = guard.pin.reader.notes.reserved();
        self.reserved.replace(reserved) != reserved
    }

    /// Counts a retry. The caller holds no lock.
    ///
    /// # Panics
    /// If the call would never end.
    #[cold]
    pub(crate) fn again<K, V>(&self, guard: &Guard<'_, K, V>) {
        if self.has_written(guard) {
            self.count.set(self.count.get() + 1);
        }
        assert!(
            self.count.get() < MOST,
            "{}: `Eq` (or `Clone`) of the key type writes to the cache while it is asked, and has \
             done so {MOST} times in one call, which has to look again each time and would never \
             end. Compare keys without writing to the cache that they are in",
            title(guard.table.name.as_deref())
        );
    }
}
