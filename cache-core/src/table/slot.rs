//! A slot: the memory of one entry.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use super::alloc::Zeroed;
use super::header::{SlotHeader, State};
use super::segments::{Blocks, block_for};

/// One entry's memory. Its state says which of key and value it holds. In C's order, so that what
/// must be zero at first stands at the beginning.
#[repr(C)]
pub(super) struct Slot<K, V> {
    pub(super) header: SlotHeader,
    key: UnsafeCell<MaybeUninit<K>>,
    value: UnsafeCell<MaybeUninit<V>>,
    /// Lets loom notice an access to a slot whose block was returned.
    #[cfg(loom)]
    pub(super) life: loom::cell::UnsafeCell<()>,
}

impl<K, V> Default for Slot<K, V> {
    fn default() -> Self {
        Slot {
            header: SlotHeader::default(),
            key: UnsafeCell::new(MaybeUninit::uninit()),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            #[cfg(loom)]
            life: loom::cell::UnsafeCell::new(()),
        }
    }
}

// SAFETY: zero is a valid SlotHeader (its fields are numbers), and its default, and it comes first;
// MaybeUninit needs nothing.
unsafe impl<K, V> Zeroed for Slot<K, V> {
    const ZEROED: usize = size_of::<SlotHeader>();
}

impl<K, V> Blocks for Slot<K, V> {
    const BLOCK: u32 = block_for(size_of::<Self>());
}

impl<K, V> Slot<K, V> {
    /// # Safety
    /// The slot holds a key, and neither drops nor overwrites it while the returned reference
    /// lives.
    #[inline]
    pub(super) unsafe fn key(&self) -> &K {
        // SAFETY: the caller's promise; a key is not written while the slot is published.
        unsafe { (*self.key.get()).assume_init_ref() }
    }

    /// # Safety
    /// The slot holds a value, and neither drops nor overwrites it while the returned reference
    /// lives.
    #[inline]
    pub(super) unsafe fn value(&self) -> &V {
        // SAFETY: the caller's promise; a value is not written while the slot is published.
        unsafe { (*self.value.get()).assume_init_ref() }
    }

    /// # Safety
    /// The caller has the only access to the slot, which holds no key.
    pub(super) unsafe fn write_key(&self, key: K) {
        // SAFETY: the caller's promise.
        unsafe { (*self.key.get()).write(key) };
    }

    /// # Safety
    /// No reader reads the slot's value yet, the caller is the only writer, and the slot holds no
    /// value.
    pub(super) unsafe fn write_value(&self, value: V) {
        // SAFETY: the caller's promise.
        unsafe { (*self.value.get()).write(value) };
    }

    /// Exchanges key and value for others.
    ///
    /// # Safety
    /// The caller has the only access to the slot, which holds a key and a value.
    #[inline]
    pub(super) unsafe fn exchange(&self, (key, value): &mut (K, V)) {
        #[cfg(loom)]
        self.life.with_mut(|_| ());
        // SAFETY: the caller's promise.
        unsafe {
            std::mem::swap((*self.key.get()).assume_init_mut(), key);
            std::mem::swap((*self.value.get()).assume_init_mut(), value);
        }
    }

    /// Takes key and value out. The caller sets the state of the slot, which holds nothing then.
    ///
    /// # Safety
    /// As for `exchange`.
    #[inline]
    pub(super) unsafe fn take(&self) -> (K, V) {
        #[cfg(loom)]
        self.life.with_mut(|_| ());
        // SAFETY: the caller's promise.
        unsafe { ((*self.key.get()).assume_init_read(), (*self.value.get()).assume_init_read()) }
    }

    /// Drops what the slot holds, which leaves it [emptied](State::Emptied). Runs the user's
    /// `Drop`. If that of the value panics, the key is dropped all the same.
    ///
    /// # Safety
    /// The caller has the only access to the slot; no thread reads its key or value any more.
    pub(super) unsafe fn drop_contents(&self) {
        let state = self.header.state();
        // First, so that a panic below leads to no second drop.
        self.header.set_state(State::Emptied);
        let holds_key = !matches!(state, State::Free | State::Emptied);
        // Taken out before the value is dropped, and dropped after it, even if that panics.
        // SAFETY: as promised by the caller; these states hold a key.
        let _key = holds_key.then(|| unsafe { (*self.key.get()).assume_init_read() });
        if matches!(state, State::Live | State::Removed | State::Replaced) {
            // SAFETY: as promised by the caller; these states hold a value.
            unsafe { (*self.value.get()).assume_init_drop() };
        }
    }
}
