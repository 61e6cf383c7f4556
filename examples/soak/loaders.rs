//! What loaders do before they return a value: take their time, panic, load other keys.

use std::panic::panic_any;
use std::thread;
use std::time::Duration;

use crate::actor::{Actor, DEEPEST};
use crate::kinds::Kind;
use crate::random::Random;
use crate::tracked::{Origin, Value};
use crate::watch::Deliberate;
use crate::world::{is_calm, wait_limit};

/// Longer than the wait limit of a load.
fn too_long() -> Duration {
    wait_limit() * 5 / 4
}

/// Takes a moment, as a thread; rarely, longer than callers wait.
pub(crate) fn linger(random: &mut Random) {
    match random.below(200_000) {
        0 if !is_calm() => thread::sleep(too_long()),
        1..2_000 => thread::sleep(Duration::from_micros(random.below(200))),
        2_000..80_000 => (0..random.below(4)).for_each(|_| thread::yield_now()),
        _ => {}
    }
}

/// Takes a moment, as a task.
pub(crate) async fn linger_as_task(random: &mut Random) {
    match random.below(200_000) {
        0 if !is_calm() => tokio::time::sleep(too_long()).await,
        1..120_000 => {
            for _ in 0..random.below(6) {
                tokio::task::yield_now().await;
            }
        }
        _ => {}
    }
}

/// Panics now and then.
pub(crate) fn trip(random: &mut Random) {
    if random.one_in(50) {
        panic_any(Deliberate);
    }
}

impl Actor {
    /// Returns `true` if the present load is to load something else.
    fn nests(&mut self) -> bool {
        self.depth <= DEEPEST && self.random.one_in(5)
    }

    /// Picks what a load of this key asks for: the same key, another of the same cache, or one of
    /// another cache.
    fn inner_aim(&mut self, (shelf, key): (usize, u32)) -> (usize, u32) {
        let (other_shelf, other_key) = self.aim();
        match self.random.below(10) {
            0 => (shelf, key),
            1..5 => (shelf, other_key),
            _ => (other_shelf, other_key),
        }
    }

    /// The middle part of a loader: after it has read the truth, before it returns the value.
    pub(crate) fn toil(&mut self, at: (usize, u32)) {
        linger(&mut self.random);
        if self.nests() {
            match self.random.below(12) {
                0 => self.count(),
                1 => self.get_many_with(),
                2 => {
                    let aim = self.inner_aim(at);
                    self.and_upsert_with(aim);
                }
                _ => {
                    let (shelf, key) = self.inner_aim(at);
                    self.get_with(shelf, key);
                }
            }
        }
        trip(&mut self.random);
    }

    /// As [`toil`](Self::toil), as a task.
    pub(crate) async fn toil_as_task(&mut self, at: (usize, u32)) {
        linger_as_task(&mut self.random).await;
        if self.nests() {
            let (shelf, key) = self.inner_aim(at);
            match self.random.below(400) {
                0 if !is_calm() => self.get_with(shelf, key),
                1..40 => self.sibling().boxed(Kind::TaskCount, (shelf, key)).await,
                40..80 => self.sibling().boxed(Kind::TaskGetManyWith, (shelf, key)).await,
                _ => self.sibling().boxed(Kind::TaskGetWith, (shelf, key)).await,
            }
        }
        trip(&mut self.random);
    }

    /// A loader.
    pub(crate) fn make(mut self, shelf: usize, key: u32) -> Value {
        let version = self.world.shelves[shelf].truth.now(key);
        self.toil((shelf, key));
        self.value((shelf, key), version, Origin::Loaded)
    }

    /// A loader for tasks.
    pub(crate) async fn make_as_task(mut self, shelf: usize, key: u32) -> Value {
        let version = self.world.shelves[shelf].truth.now(key);
        self.toil_as_task((shelf, key)).await;
        self.value((shelf, key), version, Origin::Loaded)
    }
}
