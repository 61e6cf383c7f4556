//! Histories of calls on one key, and whether they could have come from calls made one at a time.
//!
//! A history is *linearizable* (Herlihy and Wing, "Linearizability: a correctness condition for
//! concurrent objects", 1990) if each call can be given an instant between its beginning and its
//! end such that, in the order of these instants, every answer is right. The search tries which
//! call may come first, again and again (Wing and Gong, "Testing and verifying concurrent objects",
//! 1993), and remembers where it has been: the calls already placed, and the state they left (Lowe,
//! "Testing for linearizability", 2017).
//!
//! A bounded cache may forget at any time, so these caches have no bound and no expiry: nothing may
//! be lost. Loads do not fail here either: a waiter that cannot be given the error of a failed load
//! loads beside others, and only one of these values is stored.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cache_core::__private::{CacheValue, View, Whole, key_of};
use cache_core::{Cache, Entry, Op};

/// A call on the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Get,
    Insert(u64),
    Invalidate,
    Remove,
    InvalidateAll,
    /// Loads this value if there is none. `as_batch`: with `get_many_with`.
    Load {
        value: u64,
        as_batch: bool,
    },
    /// Loads this value if there is none, under a guard.
    LoadByGuard(u64),
    /// Is given a guard if there is none, and drops it.
    DropGuard,
    /// Loads this value, even if there is one.
    Refresh(u64),
    /// Refuses the value that is there, and loads this one, or waits for a load.
    Revalidate(u64),
    /// Adds 1000 to the stored value, or stores this one.
    Upsert(u64),
    /// Removes the stored value in a computation, and returns it.
    TakeAway,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    began: u64,
    ended: u64,
    action: Action,
    answer: Option<u64>,
}

/// What happened to one key.
#[derive(Default)]
pub(crate) struct History {
    time: AtomicU64,
    done: Mutex<Vec<Done>>,
}

impl History {
    /// Makes a call and records it. `pause` is called inside loaders, to let others go on.
    pub(crate) fn perform<S>(
        &self,
        cache: &Cache<u64, u64, S>,
        key: u64,
        action: Action,
        pause: impl Fn(),
    ) where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        let began = self.time.fetch_add(1, SeqCst);
        let answer = answer(cache, key, action, pause);
        let ended = self.time.fetch_add(1, SeqCst);
        self.done.lock().unwrap().push(Done { began, ended, action, answer });
    }

    /// Fails if no order of the calls explains their answers.
    #[track_caller]
    pub(crate) fn check(self) {
        let mut done = self.done.into_inner().unwrap();
        done.sort_by_key(|call| call.began);
        let lines: String = done.iter().map(|call| format!("{call:?}\n")).collect();
        assert!(is_linearizable(&done), "no order explains this:\n{lines}");
    }
}

fn answer<S>(cache: &Cache<u64, u64, S>, key: u64, action: Action, pause: impl Fn()) -> Option<u64>
where
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    let loaded = |value| {
        pause();
        value
    };
    match action {
        Action::LoadByGuard(_) | Action::DropGuard | Action::Revalidate(_) => {
            answer_of_load(cache, key, action, loaded)
        }
        Action::Get => cache.get(&key),
        Action::Insert(value) => {
            cache.insert(key, value);
            None
        }
        Action::Invalidate => {
            cache.invalidate(&key);
            None
        }
        Action::Remove => cache.remove(&key),
        Action::InvalidateAll => {
            cache.invalidate_all();
            None
        }
        Action::Load { value, as_batch: false } => Some(cache.get_with(key, || loaded(value))),
        Action::Load { value, as_batch: true } => {
            cache.get_many_with(&[key], |_| vec![(key, loaded(value))])[0]
        }
        Action::Refresh(value) => Some(refresh(cache, key, || loaded(value))),
        Action::Upsert(value) => {
            let upsert = |old: Option<Entry<u64, u64>>| {
                pause();
                old.map_or(value, |old| old.value() + 1000)
            };
            Some(cache.entry(key).and_upsert_with(upsert).into_value())
        }
        Action::TakeAway => {
            let take = |_| {
                pause();
                Op::Remove
            };
            cache.entry(key).and_compute_with(take).into_entry().map(Entry::into_value)
        }
    }
}

fn refresh<S>(cache: &Cache<u64, u64, S>, key: u64, load: impl FnOnce() -> u64) -> u64
where
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    <u64 as CacheValue<_>>::refresh(cache, key_of(View(&key)), load, Whole)
}

fn answer_of_load<S>(
    cache: &Cache<u64, u64, S>,
    key: u64,
    action: Action,
    loaded: impl Fn(u64) -> u64,
) -> Option<u64>
where
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    match action {
        Action::LoadByGuard(value) => {
            Some(cache.get_or_guard(&key).unwrap_or_else(|guard| guard.insert(loaded(value))))
        }
        Action::DropGuard => cache.get_or_guard(&key).inspect_err(|_| _ = loaded(0)).ok(),
        Action::Revalidate(value) => {
            Some(cache.get_or_revalidate(key, |_| false, || loaded(value)))
        }
        _ => unreachable!("answered by `answer`"),
    }
}

/// What is known of the key between two calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    stored: Option<u64>,
    /// A value that was loaded and not stored, because a write is about to come. A call that joined
    /// that load may be given it, until then.
    given: Option<u64>,
    /// A call has not stored what it says, because a write is about to come.
    owes_a_write: bool,
    /// That call was a computation, so the write is none: computations do not supersede each other.
    owes_a_plain_write: bool,
}

/// The right answers of a call in this state, each with the state it leaves.
///
/// A call that runs when the key is written is superseded: it counts as made just before that
/// write, and as overwritten before any call has seen what it stored.
fn steps(state: State, action: Action) -> Vec<(Option<u64>, State)> {
    let written = |stored| State { stored, ..State::default() };
    let superseded = State { owes_a_write: true, ..state };
    let computed = State { owes_a_plain_write: true, ..superseded };
    let stored = state.stored;
    match action {
        Action::Get => vec![(stored, state)],
        Action::Insert(value) => vec![(None, written(Some(value)))],
        Action::Invalidate | Action::InvalidateAll => vec![(None, written(None))],
        Action::Remove => vec![(stored, written(None))],
        Action::TakeAway | Action::Upsert(_) if state.owes_a_plain_write => Vec::new(),
        Action::TakeAway if stored.is_none() => vec![(None, state)],
        Action::TakeAway => vec![(stored, written(None)), (stored, computed)],
        Action::Upsert(value) => {
            let value = Some(stored.map_or(value, |old| old + 1000));
            vec![(value, written(value)), (value, computed)]
        }
        Action::Refresh(value) => {
            let value = Some(value);
            vec![(value, written(value)), (value, State { given: value, ..superseded })]
        }
        Action::Load { .. } | Action::LoadByGuard(_) | Action::DropGuard if stored.is_some() => {
            vec![(stored, state)]
        }
        Action::DropGuard => {
            let given = state.given.map(|given| (Some(given), state));
            [(None, state)].into_iter().chain(given).collect()
        }
        // It may have waited for the load that has just stored.
        Action::Revalidate(value) if stored.is_some() => {
            let mut refreshed = steps(state, Action::Refresh(value));
            refreshed.extend([(stored, state)]);
            refreshed.extend(state.given.map(|given| (Some(given), state)));
            refreshed
        }
        Action::Load { value, .. } | Action::LoadByGuard(value) | Action::Revalidate(value) => {
            let value = Some(value);
            let own = [
                (value, State { stored: value, ..state }),
                (value, State { given: value, ..superseded }),
            ];
            own.into_iter().chain(state.given.map(|given| (Some(given), state))).collect()
        }
    }
}

/// Returns `true` if some order explains the answers. The calls are sorted by their beginning.
fn is_linearizable(done: &[Done]) -> bool {
    assert!(done.len() <= 64, "the calls that are placed are a set of bits");
    let everything = if done.len() == 64 { u64::MAX } else { (1 << done.len()) - 1 };
    let mut seen: HashSet<(u64, State)> = HashSet::new();
    let mut to_try = vec![(0_u64, State::default())];
    while let Some((placed, state)) = to_try.pop() {
        if placed == everything && !state.owes_a_write {
            return true;
        }
        if !seen.insert((placed, state)) {
            continue;
        }
        let open = || (0..done.len()).filter(|n| placed & (1 << n) == 0).map(|n| (n, done[n]));
        let first_end = open().map(|(_, call)| call.ended).min().unwrap_or(0);
        // A call that began after another ended cannot come before it.
        for (n, call) in open().filter(|(_, call)| call.began < first_end) {
            let right = steps(state, call.action).into_iter().filter(|step| step.0 == call.answer);
            to_try.extend(right.map(|(_, next)| (placed | 1 << n, next)));
        }
    }
    false
}

/// The checker itself rejects what is wrong.
#[test]
fn impossible_histories_are_rejected() {
    let call = |began, ended, action, answer| Done { began, ended, action, answer };
    let load = |value| Action::Load { value, as_batch: false };
    let superseded = |later_get| {
        [
            call(0, 5, load(1), Some(1)),
            call(1, 9, load(9), Some(1)),
            call(2, 3, Action::Remove, None),
            call(6, 7, Action::Get, later_get),
        ]
    };
    assert!(is_linearizable(&superseded(None)), "both came before the removal");
    assert!(is_linearizable(&superseded(Some(1))), "the loads came after the removal");
    // A value that was loaded before a removal, given to a call after it.
    let stale = [
        call(0, 1, load(1), Some(1)),
        call(2, 3, Action::Remove, Some(1)),
        call(4, 5, load(2), Some(1)),
    ];
    assert!(!is_linearizable(&stale));
    let joined_too_late = [
        call(0, 7, load(1), Some(1)),
        call(1, 2, Action::Remove, None),
        call(3, 4, Action::Get, None),
        call(5, 8, load(2), Some(1)),
        call(9, 10, Action::Get, None),
    ];
    assert!(!is_linearizable(&joined_too_late), "the load was superseded before that");
    let lost = [call(0, 1, load(1), Some(1)), call(2, 3, Action::Get, None)];
    assert!(!is_linearizable(&lost), "no write can have superseded it");
    // Two computations that read the same value.
    let lost = [call(0, 3, Action::Upsert(1), Some(1)), call(1, 2, Action::Upsert(1), Some(1))];
    assert!(!is_linearizable(&lost));
}
