//! Belady's MIN: what no cache can beat, because it knows the future.
//!
//! An entry that is wanted again the furthest in the future leaves first. A key that is wanted
//! later than all that are held is not stored at all (bypass). That is optimal for entries of equal
//! size; for sizes there is no such rule, so there is none here.

use crate::{replay::Tally, trace::Trace};
use std::collections::BinaryHeap;

/// The key does not come again.
const NEVER: u32 = u32::MAX;

/// For each access, the next one of the same key.
pub struct Future(Vec<u32>);

impl Future {
    /// Looks through a trace from its end.
    ///
    /// Where keys have a time to live, an access that comes later than that after the one before it
    /// does not count: what was held then has expired. As an entry may be older than its last use,
    /// MIN is then an upper bound that may be out of reach.
    pub fn of(trace: &Trace) -> Future {
        let mut latest = vec![NEVER; trace.distinct as usize];
        let mut next = vec![NEVER; trace.ids.len()];
        for (now, &id) in trace.ids.iter().enumerate().rev() {
            let then = std::mem::replace(&mut latest[id as usize], now as u32);
            let life = trace.lives.as_ref().map_or(NEVER, |lives| lives[id as usize]);
            let in_time = then != NEVER && then - (now as u32) < life;
            next[now] = if in_time { then } else { NEVER };
        }
        Future(next)
    }
}

/// Replays a trace with room for `capacity` entries. O(log capacity) an access.
pub fn min(trace: &Trace, future: &Future, capacity: u64) -> Tally {
    let mut resident = vec![false; trace.distinct as usize];
    // When the entries are wanted next; the access says whose it is. What lies in the past is left
    // over from hits, and is below all that matters.
    let mut wanted = BinaryHeap::new();
    let (mut held, mut hits) = (0_u64, 0_u64);
    for ((now, &id), &next) in (0_u32..).zip(&trace.ids).zip(&future.0) {
        if wanted.len() as u64 > 2 * capacity + 1024 {
            wanted.retain(|then| *then > now);
        }
        let entry = id as usize;
        if resident[entry] {
            hits += 1;
            held -= 1;
            resident[entry] = false;
        }
        if next == NEVER {
            continue;
        }
        if held == capacity {
            match wanted.peek() {
                Some(&furthest) if furthest > next => {
                    wanted.pop();
                    resident[trace.ids[furthest as usize] as usize] = false;
                    held -= 1;
                }
                _ => continue,
            }
        }
        resident[entry] = true;
        held += 1;
        wanted.push(next);
    }
    let accesses = trace.ids.len() as u64;
    Tally { accesses, hits, bytes: accesses, hit_bytes: hits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    /// The most hits that any decisions give, by trying all: after each access a store may hold any
    /// part of what it held and the key.
    fn exhaustive(trace: &Trace, capacity: usize) -> u64 {
        let mut states: HashMap<Vec<u32>, u64> = HashMap::from([(vec![], 0)]);
        for &id in &trace.ids {
            let mut next: HashMap<Vec<u32>, u64> = HashMap::new();
            for (held, hits) in states {
                let hits = hits + u64::from(held.contains(&id));
                let with: HashSet<u32> = held.iter().copied().chain([id]).collect();
                let mut with: Vec<u32> = with.into_iter().collect();
                with.sort_unstable();
                let without = |out: usize| [&with[..out], &with[out + 1..]].concat();
                let mut outcomes: Vec<Vec<u32>> = (0..with.len()).map(without).collect();
                outcomes.push(with.clone());
                for outcome in outcomes.into_iter().filter(|held| held.len() <= capacity) {
                    let best = next.entry(outcome).or_default();
                    *best = hits.max(*best);
                }
            }
            states = next;
        }
        states.into_values().max().unwrap_or(0)
    }

    #[test]
    fn no_decisions_are_better() {
        let mut state = 5_u64;
        for round in 0..60 {
            let keys = (0..30).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % (3 + round % 5)
            });
            let trace = Trace::of_keys("t", keys.collect::<Vec<_>>());
            let future = Future::of(&trace);
            for capacity in 1..4 {
                let found = min(&trace, &future, capacity as u64).hits;
                assert_eq!(found, exhaustive(&trace, capacity), "{:?} {capacity}", trace.ids);
            }
        }
    }

    #[test]
    fn a_loop_keeps_what_fits_and_drops_the_rest() {
        let trace = Trace::of_keys("t", (0..10_000).map(|access| access % 100));
        let future = Future::of(&trace);
        // 50 of 100 keys stay; the other places hold one key for each that they pass on.
        let percent = min(&trace, &future, 50).percent();
        assert!((49.0..51.0).contains(&percent), "{percent}");
        assert_eq!(min(&trace, &future, 100).hits, 9_900);
    }

    #[test]
    fn what_has_expired_is_not_worth_a_place() {
        let mut trace = Trace::of_keys("t", ["a", "a", "b", "b", "a"]);
        trace.lives = Some(vec![2, 2]);
        assert_eq!(min(&trace, &Future::of(&trace), 2).hits, 2);
    }
}
