//! Calls of all kinds on a few keys by several threads: their answers are those of some order of
//! the calls. See `common/history.rs` for what that means, and for the checker.

use std::sync::Barrier;
use std::thread;

use cache_core::{Cache, RandomState};

use crate::common::hashers::{Constant, TestHasher};
use crate::common::history::{Action, History};
use crate::common::numbers::Numbers;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

const THREADS: u64 = 4;
const KEYS: usize = 2;
const CALLS: usize = 6;

fn action(numbers: &mut Numbers, value: u64) -> Action {
    match numbers.below(16) {
        0 => Action::Insert(value),
        1 => Action::Invalidate,
        2 => Action::Remove,
        3 => Action::InvalidateAll,
        4 => Action::Refresh(value),
        5 | 6 => Action::Upsert(value),
        7 => Action::TakeAway,
        8 => Action::Get,
        10 => Action::LoadByGuard(value),
        11 => Action::DropGuard,
        12 => Action::Revalidate(value),
        n => Action::Load { value, as_batch: n == 9 },
    }
}

fn rounds<S: TestHasher>(rounds: u64, flush: bool) {
    for round in 0..rounds {
        let cache: Cache<u64, u64, S> = Cache::builder().build_with_hasher(S::default());
        let histories: [History; KEYS] = Default::default();
        let begin = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (cache, histories, begin) = (&cache, &histories, &begin);
                scope.spawn(move || {
                    let mut numbers = Numbers::seeded(round * THREADS + thread + 1);
                    begin.wait();
                    for call in 0..CALLS as u64 {
                        // Different in each call, so that an answer says whose value it is.
                        let value = 10_000_000 * (thread + 1) + 100_000 * (call + 1);
                        let key = numbers.below(KEYS as u64);
                        let mut action = action(&mut numbers, value);
                        // A flush touches all keys, so it would have to be in each one's history.
                        if action == Action::InvalidateAll && !flush {
                            action = Action::Get;
                        }
                        let key = if flush { 0 } else { key };
                        histories[key as usize].perform(cache, key, action, thread::yield_now);
                    }
                });
            }
        });
        histories.into_iter().for_each(History::check);
        validate(&cache);
    }
}

#[test]
fn every_history_of_calls_is_linearizable() {
    must_end(|| {
        rounds::<RandomState>(1500, false);
        rounds::<Constant>(1500, false);
    });
}

#[test]
fn every_history_with_flushes_is_linearizable() {
    must_end(|| {
        rounds::<RandomState>(1000, true);
        rounds::<Constant>(1000, true);
    });
}
