//! The epoch alone: when something that was unlinked may be reused.

use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release, SeqCst},
    fence,
};

use super::{Tracked, model, spawn};
use crate::table::reclaim::epoch::Epoch;
use crate::util::thread_slot;

/// A place that names one of two cells, as a pointer names a slot.
struct Pointer {
    epoch: Epoch,
    named: AtomicUsize,
    cells: [Tracked; 2],
}

impl Pointer {
    fn new(epoch: Epoch) -> Arc<Self> {
        let cells = [Tracked::new(10), Tracked::new(11)];
        Arc::new(Pointer { epoch, named: AtomicUsize::new(0), cells })
    }

    /// After these threads have used their lines.
    fn used_by(numbers: &[usize]) -> Arc<Self> {
        let pointer = Pointer::new(Epoch::new(4));
        for &number in numbers {
            thread_slot::set(number);
            drop(pointer.epoch.pin(|| ()));
        }
        thread_slot::set(0);
        pointer
    }

    fn read(&self) {
        let named = self.named.load(Acquire);
        assert_eq!(self.cells[named].get(), 10 + named as u64);
    }

    fn pin_and_read(&self) {
        let pin = self.epoch.pin(|| ());
        self.read();
        drop(pin);
    }

    /// Unlinks the first cell, and writes it if it is free. Returns `true` if it is.
    fn reuse(&self) -> bool {
        self.named.store(1, Release);
        let stamp = self.epoch.stamp();
        self.epoch.advance();
        let free = self.epoch.is_free(stamp);
        if free {
            self.cells[0].end();
        }
        free
    }
}

/// Runs a reader, or two, beside the reuse of what they read.
fn reuse_beside(used: &'static [usize], readers: usize, read: fn(&Pointer)) {
    model(move || {
        let pointer = Pointer::used_by(used);
        let readers: Vec<_> = (1..=readers)
            .map(|number| {
                let pointer = Arc::clone(&pointer);
                spawn(number, move || read(&pointer))
            })
            .collect();
        let free = pointer.reuse();
        for reader in readers {
            reader.join().unwrap();
        }
        assert!(free || pointer.reuse(), "with no reader left all is free");
    });
}

#[test]
fn epoch_protects_what_a_reader_reads() {
    reuse_beside(&[1], 1, Pointer::pin_and_read);
}

#[test]
fn epoch_protects_the_first_read_of_a_thread() {
    reuse_beside(&[], 1, Pointer::pin_and_read);
}

#[test]
fn epoch_protects_two_readers() {
    reuse_beside(&[1], 2, Pointer::pin_and_read);
}

/// The second announcement must order the end of the first read before it.
#[test]
fn epoch_knows_that_the_read_before_is_over() {
    reuse_beside(&[1], 1, |pointer| {
        pointer.pin_and_read();
        pointer.pin_and_read();
    });
}

/// So must each change of depth.
#[test]
fn epoch_protects_nested_pins() {
    reuse_beside(&[1], 1, |pointer| {
        pointer.pin_and_read();
        let outer = pointer.epoch.pin(|| ());
        let inner = pointer.epoch.pin(|| ());
        drop(outer);
        pointer.read();
        drop(inner);
    });
}

/// One thread unlinks, another reuses.
#[test]
fn epoch_advanced_by_another_than_who_unlinked() {
    model(|| {
        let pointer = Pointer::used_by(&[1]);
        let reader = {
            let pointer = Arc::clone(&pointer);
            spawn(1, move || pointer.pin_and_read())
        };
        let stamp = Arc::new(AtomicUsize::new(0));
        let unlinker = {
            let (pointer, stamp) = (Arc::clone(&pointer), Arc::clone(&stamp));
            spawn(2, move || {
                pointer.named.store(1, Release);
                stamp.store(pointer.epoch.stamp() as usize, Release);
            })
        };
        pointer.epoch.advance();
        let stamp = stamp.load(Acquire);
        if stamp > 0 && pointer.epoch.is_free(stamp as u64) {
            pointer.cells[0].end();
        }
        reader.join().unwrap();
        unlinker.join().unwrap();
    });
}

/// One thread announces, another reuses.
#[test]
fn epoch_advanced_for_another() {
    model(|| {
        let pointer = Pointer::used_by(&[1]);
        let reader = {
            let pointer = Arc::clone(&pointer);
            spawn(1, move || pointer.pin_and_read())
        };
        let collector = {
            let pointer = Arc::clone(&pointer);
            spawn(2, move || pointer.epoch.advance())
        };
        pointer.named.store(1, Release);
        let stamp = pointer.epoch.stamp();
        if pointer.epoch.is_free(stamp) {
            pointer.cells[0].end();
        }
        reader.join().unwrap();
        collector.join().unwrap();
    });
}

/// Readers without a fence, where the heavy side is skipped: by a collector that has used the cache
/// alone while another thread uses it for the first time. The steps of `advance` in that case are
/// repeated here, because loom cannot run those of the other.
#[test]
fn epoch_alone_until_the_first_read_of_another() {
    model(|| {
        let pointer = Pointer::new(Epoch::new(4).with_light_readers());
        drop(pointer.epoch.pin(|| ()));
        let reader = {
            let pointer = Arc::clone(&pointer);
            spawn(1, move || pointer.pin_and_read())
        };
        pointer.named.store(1, Release);
        fence(SeqCst);
        if pointer.epoch.is_alone() {
            pointer.cells[0].end();
        }
        reader.join().unwrap();
    });
}

/// Readers that began without a fence, and a heavy side that fails from now on.
fn switching(numbers: &[usize]) -> Arc<Pointer> {
    let pointer = Pointer::new(Epoch::new(4).with_light_readers());
    for &number in numbers {
        thread_slot::set(number);
        drop(pointer.epoch.pin(|| ()));
    }
    thread_slot::set(0);
    pointer
}

/// A line that is idle, or announces something, without a fence proves nothing; one that has made a
/// pin with the fence does.
fn switch_beside(reads: fn(&Pointer), collections: usize) {
    model(move || {
        let pointer = switching(&[0, 1]);
        let reader = {
            let pointer = Arc::clone(&pointer);
            spawn(1, move || reads(&pointer))
        };
        let mut free = false;
        for _ in 0..collections {
            free = free || pointer.reuse();
        }
        reader.join().unwrap();
        // Once all threads have made a pin with the fence, all is free.
        for number in [1, 0] {
            thread_slot::set(number);
            drop(pointer.epoch.pin(|| ()));
        }
        assert!(free || pointer.reuse());
    });
}

#[test]
fn epoch_switches_to_fences_beside_a_reader() {
    switch_beside(Pointer::pin_and_read, 1);
}

#[test]
fn epoch_switches_to_fences_beside_a_reader_of_many_reads() {
    switch_beside(
        |pointer| {
            pointer.pin_and_read();
            pointer.pin_and_read();
        },
        2,
    );
}

#[test]
fn epoch_switches_to_fences_beside_nested_pins() {
    switch_beside(
        |pointer| {
            let outer = pointer.epoch.pin(|| ());
            pointer.pin_and_read();
            pointer.read();
            drop(outer);
            pointer.pin_and_read();
        },
        1,
    );
}

/// Two collectors find out at once that the heavy side fails.
#[test]
fn epoch_is_switched_by_two_collectors() {
    model(|| {
        let pointer = switching(&[0, 1, 2]);
        let reader = {
            let pointer = Arc::clone(&pointer);
            spawn(1, move || pointer.pin_and_read())
        };
        let collector = {
            let pointer = Arc::clone(&pointer);
            spawn(2, move || {
                drop(pointer.epoch.pin(|| ()));
                pointer.epoch.advance();
            })
        };
        pointer.reuse();
        reader.join().unwrap();
        collector.join().unwrap();
    });
}
