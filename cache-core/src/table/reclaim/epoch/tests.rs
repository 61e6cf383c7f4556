//! Epochs alone; `table/loom_tests.rs` runs them in every order.

use super::*;

#[test]
#[cfg(target_pointer_width = "64")]
fn a_line_is_two_lines_of_a_core_s_cache() {
    assert_eq!(size_of::<Reader>(), 128);
}

#[test]
fn advance_frees_what_no_reader_can_reach() {
    let epoch = Epoch::new(4);
    let stamp = epoch.stamp();
    assert!(!epoch.is_free(stamp));
    epoch.advance();
    assert!(epoch.is_free(stamp));
}

#[test]
fn advance_waits_for_the_reader_pinned_before_and_not_for_one_pinned_after() {
    let epoch = Epoch::new(4);
    let before = epoch.pin(|| ());
    let stamp = epoch.stamp();
    epoch.advance();
    assert!(!epoch.is_free(stamp));
    drop(before);
    let after = epoch.pin(|| ());
    epoch.advance();
    assert!(epoch.is_free(stamp));
    drop(after);
}

#[test]
fn pins_nest_and_may_be_dropped_in_any_order() {
    let epoch = Epoch::new(4);
    let outer = epoch.pin(|| ());
    let inner = epoch.pin(|| ());
    let stamp = epoch.stamp();
    drop(outer);
    epoch.advance();
    assert!(!epoch.is_free(stamp));
    drop(inner);
    epoch.advance();
    assert!(epoch.is_free(stamp));
}

#[test]
fn threads_beyond_the_expected_get_lines_of_their_own() {
    let epoch = Epoch::new(1);
    let lines: Vec<*const Reader> = (0..100).map(|n| std::ptr::from_ref(epoch.reader(n))).collect();
    let mut distinct = lines.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), lines.len());
    assert_eq!(epoch.reader(77).announced.load(Relaxed), UNUSED);
    assert!(epoch.readers().count() >= 100);
}

#[test]
fn a_pin_on_another_thread_is_seen_by_the_collector() {
    let epoch = Epoch::new(2);
    let (guard, unpin) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pin = epoch.pin(|| ());
            guard.wait();
            unpin.wait();
            drop(pin);
            guard.wait();
        });
        guard.wait();
        let stamp = epoch.stamp();
        epoch.advance();
        assert!(!epoch.is_free(stamp));
        unpin.wait();
        guard.wait();
        epoch.advance();
        assert!(epoch.is_free(stamp));
    });
}

/// In a forked child of a thread that has used no cache: what others announced holds nothing back,
/// whether they were ending or not, and the thread itself is not looking.
#[cfg(unix)]
#[test]
fn a_thread_without_a_number_forgets_all_others() {
    let epoch = Epoch::new(2);
    let guard = |is_ending: bool| {
        std::thread::scope(|scope| {
            let pin = || {
                let pin = epoch.pin(|| ());
                // As a thread that has given its number back.
                pin.reader.extra.store(if is_ending { LEASED } else { 0 }, Relaxed);
                std::mem::forget(pin);
            };
            scope.spawn(pin).join().unwrap();
        });
    };
    guard(false);
    guard(true);
    let stamp = epoch.stamp();
    epoch.advance();
    assert!(!epoch.is_free(stamp), "they are looking");
    let alone = || assert!(!epoch.forget_other_threads(), "this one is not");
    std::thread::scope(|scope| scope.spawn(alone).join().unwrap());
    epoch.advance();
    assert!(epoch.is_free(stamp));
}
