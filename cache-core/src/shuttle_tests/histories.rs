//! Histories of calls of all kinds, checked by `history.rs`.

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use super::history::{Action, History};
use super::{cache, model, together};
use crate::__private::testing::validate;

/// Three threads with three calls each.
fn histories(actions: fn(u64) -> Action) {
    let (cache, history) = (cache(), Arc::new(History::default()));
    let calls = |thread: u64| -> Box<dyn FnOnce() + Send> {
        let (cache, history) = (cache.clone(), Arc::clone(&history));
        Box::new(move || {
            for call in 0..3 {
                let action = actions(10_000_000 * (thread + 1) + 100_000 * (call + 1));
                history.perform(&cache, 1, action, thread::yield_now);
                thread::yield_now();
            }
        })
    };
    together([calls(0), calls(1), calls(2)]);
    validate(&cache);
    Arc::into_inner(history).expect("all have ended").check();
}

#[test]
fn every_history_is_linearizable() {
    model(|| {
        histories(|value| match thread_rng().gen_range(0..10) {
            0 => Action::Get,
            1 => Action::Insert(value),
            2 => Action::Invalidate,
            3 => Action::Remove,
            4 => Action::InvalidateAll,
            5 => Action::Refresh(value),
            6 => Action::Upsert(value),
            7 => Action::TakeAway,
            n => Action::Load { value, as_batch: n == 8 },
        });
    });
}

#[test]
fn every_history_of_guards_and_refusals_is_linearizable() {
    model(|| {
        histories(|value| match thread_rng().gen_range(0..8) {
            0 => Action::Get,
            1 => Action::Insert(value),
            2 => Action::Invalidate,
            3 => Action::Upsert(value),
            4 => Action::DropGuard,
            5 => Action::LoadByGuard(value),
            6 => Action::Revalidate(value),
            _ => Action::Load { value, as_batch: false },
        });
    });
}

#[test]
fn every_history_of_computations_and_refreshes_is_linearizable() {
    model(|| {
        histories(|value| match thread_rng().gen_range(0..4) {
            0 => Action::Get,
            1 => Action::Upsert(value),
            2 => Action::Refresh(value),
            _ => Action::Load { value, as_batch: false },
        });
    });
}
