//! The origin: the source of all values, and what it costs to ask it.
//!
//! A value is the version of its key, which each write raises. A load reads the version when it
//! begins, as a query of a database does.

use std::cell::{Cell, Ref, RefCell};
use std::time::Duration;

use crate::random::Dice;
use crate::time::Time;

/// By what the loads are counted.
pub(crate) const SLICE: Duration = Duration::from_millis(100);

pub(crate) struct Origin {
    time: Time,
    dice: RefCell<Dice>,
    /// How long a load takes.
    load: [Duration; 2],
    /// When each version of each key was made. The last is the present one.
    made: RefCell<Vec<Vec<Duration>>>,
    /// When each load began, and of what.
    loads: RefCell<Vec<(Duration, u32)>>,
    running: Cell<u32>,
    most_running: Cell<u32>,
}

impl Origin {
    pub(crate) fn new(time: &Time, keys: usize, load: [Duration; 2], dice: Dice) -> Self {
        Origin {
            time: time.clone(),
            dice: RefCell::new(dice),
            load,
            made: RefCell::new(vec![vec![Duration::ZERO]; keys]),
            loads: RefCell::default(),
            running: Cell::new(0),
            most_running: Cell::new(0),
        }
    }

    pub(crate) async fn load(&self, key: u32) -> u64 {
        let version = self.version(key);
        self.loads.borrow_mut().push((self.time.now(), key));
        self.running.set(self.running.get() + 1);
        self.most_running.set(self.most_running.get().max(self.running.get()));
        let length = self.dice.borrow_mut().between(self.load[0], self.load[1]);
        self.time.sleep(length).await;
        self.running.set(self.running.get() - 1);
        version
    }

    pub(crate) fn version(&self, key: u32) -> u64 {
        self.made.borrow()[key as usize].len() as u64 - 1
    }

    /// Makes a new version of a key, and returns it.
    pub(crate) fn write(&self, key: u32) -> u64 {
        self.made.borrow_mut()[key as usize].push(self.time.now());
        self.version(key)
    }

    /// Returns when a version was replaced by the next; `None` if it is the present one.
    pub(crate) fn replaced(&self, key: u32, version: u64) -> Option<Duration> {
        self.made.borrow()[key as usize].get(version as usize + 1).copied()
    }

    /// Returns the newest version of a key that was replaced no later than this.
    pub(crate) fn replaced_by(&self, key: u32, time: Duration) -> Option<u64> {
        let made = &self.made.borrow()[key as usize];
        let old = made.iter().skip(1).take_while(|at| **at <= time).count() as u64;
        old.checked_sub(1)
    }

    /// Returns the loads that began in a span of time.
    pub(crate) fn loads(&self, from: Duration, to: Duration) -> u64 {
        self.span(from, to).len() as u64
    }

    /// Returns of how many keys these were.
    pub(crate) fn keys_loaded(&self, from: Duration, to: Duration) -> usize {
        let mut keys: Vec<u32> = self.span(from, to).iter().map(|(_, key)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }

    /// Returns the most loads that began within one slice of a span.
    pub(crate) fn peak(&self, from: Duration, to: Duration) -> u32 {
        let mut slices = vec![0; ((to - from).as_nanos() / SLICE.as_nanos()) as usize + 1];
        for (began, _) in self.span(from, to).iter() {
            slices[((*began - from).as_nanos() / SLICE.as_nanos()) as usize] += 1;
        }
        slices.into_iter().max().unwrap_or(0)
    }

    fn span(&self, from: Duration, to: Duration) -> Ref<'_, [(Duration, u32)]> {
        Ref::map(self.loads.borrow(), |loads| {
            let place = |time: Duration| loads.partition_point(|(began, _)| *began < time);
            &loads[place(from)..place(to)]
        })
    }

    /// Has the most loads at once counted anew.
    pub(crate) fn forget_most_running(&self) {
        self.most_running.set(self.running.get());
    }

    /// Returns the most loads that ran at once.
    pub(crate) fn most_running(&self) -> u32 {
        self.most_running.get()
    }
}
