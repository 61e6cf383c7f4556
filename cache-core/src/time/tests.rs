use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::time::clock::{Clock, FakeClock, MonotonicClock, Tick};
use crate::time::source::ClockSource;
use crate::time::ticking::TickingClock;
use crate::util::sync::atomic::Ordering;

const SECOND: Duration = Duration::from_secs(1);

/// Waits for a condition that is bound to become true, for a minute at most.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < 60 * SECOND, "still waiting: {what}");
        thread::yield_now();
    }
}

#[test]
fn tick_arithmetic_saturates_or_returns_none() {
    let tick = Tick::from_nanos(10);
    assert_eq!(tick.checked_add(Duration::from_nanos(5)), Some(Tick::from_nanos(15)));
    assert_eq!(tick.checked_add(Duration::from_nanos(u64::MAX - 10)), Some(Tick::MAX));
    assert_eq!(tick.checked_add(Duration::from_nanos(u64::MAX - 9)), None);
    assert_eq!(tick.checked_add(Duration::MAX), None);
    assert_eq!(tick.saturating_add(Duration::MAX), Tick::MAX);
    assert_eq!(tick.saturating_duration_since(Tick::MAX), Duration::ZERO);
    assert_eq!(Tick::MAX.saturating_duration_since(Tick::ZERO), Tick::MAX.as_duration());
    assert_eq!(Tick::from(Duration::MAX), Tick::MAX);
    assert_eq!(Tick::from(SECOND).as_nanos(), 1_000_000_000);
    assert_eq!(Tick::default(), Tick::ZERO);
}

#[test]
fn fake_clock_moves_only_when_advanced_and_for_all_clones() {
    let clock = FakeClock::default();
    let clone = clock.clone();
    assert_eq!((clock.now(), clone.now()), (Tick::ZERO, Tick::ZERO));
    clone.advance(SECOND);
    clock.advance(SECOND);
    assert_eq!(clock.now(), Tick::from(2 * SECOND));
    assert_eq!(clone.now(), clock.now());
    assert_eq!(FakeClock::new().now(), Tick::ZERO);
}

#[test]
fn fake_clock_advance_saturates() {
    let clock = FakeClock::new();
    clock.advance(SECOND);
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Tick::MAX);
    clock.advance(SECOND);
    assert_eq!(clock.now(), Tick::MAX);
}

#[test]
fn fake_clock_advanced_by_many_threads_loses_nothing() {
    let clock = FakeClock::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| clock.advance(Duration::from_nanos(3))));
        }
    });
    assert_eq!(clock.now(), Tick::from_nanos(12_000));
}

/// Reads handed from thread to thread: each was made after the one before it.
fn assert_never_backwards_between_threads(clock: impl Clock + Clone) {
    let (left, to_left) = (mpsc::channel::<Tick>(), mpsc::channel::<Tick>());
    thread::scope(|scope| {
        let other = clock.clone();
        let (sender, receiver) = (to_left.0, left.1);
        scope.spawn(move || {
            for seen in receiver {
                let now = other.now();
                assert!(now >= seen);
                sender.send(now).expect("the other side is still there");
            }
        });
        for _ in 0..if cfg!(miri) { 10 } else { 2_000 } {
            left.0.send(clock.now()).expect("the other side is still there");
            let seen = to_left.1.recv().expect("the other side is still there");
            assert!(clock.now() >= seen);
        }
        drop(left.0);
    });
}

#[test]
fn monotonic_clock_never_goes_backwards_and_advances() {
    let clock = MonotonicClock::new();
    let start = clock.now();
    assert_never_backwards_between_threads(clock);
    eventually("the monotonic clock to advance", || clock.now() > start);
}

#[test]
fn monotonic_clock_agrees_with_instant() {
    let clock = MonotonicClock::new();
    // Kernels tick at least 100 times a second, except on a machine that is not scheduled itself.
    // So the clocks agree sooner or later; clocks of different speeds never do.
    eventually("the clocks to agree", || {
        let (outer, tick, inner) = (Instant::now(), clock.now(), Instant::now());
        eventually("20 ms to pass", || inner.elapsed() >= Duration::from_millis(20));
        let least = inner.elapsed();
        let by_clock = clock.now().saturating_duration_since(tick);
        let most = outer.elapsed();
        by_clock + Duration::from_millis(10) >= least
            && by_clock <= most + Duration::from_millis(10)
            && most < 2 * least
    });
}

#[test]
fn ticking_clock_never_goes_backwards_and_advances() {
    let clock = TickingClock::new();
    let start = clock.now();
    assert_never_backwards_between_threads(clock.clone());
    eventually("the ticking clock to advance", || clock.now() > start);
}

#[test]
fn ticking_clock_is_never_ahead_of_the_monotonic_clock_and_catches_up() {
    let clock = TickingClock::new();
    let seen = clock.now();
    eventually("the coarse clock to pass a tick seen", || MonotonicClock::new().now() >= seen);
    let target = MonotonicClock::new().now();
    eventually("the ticking clock to catch up", || clock.now() >= target);
}

/// Handles are made and dropped by several threads while tickers end and start.
#[test]
fn ticking_clock_restarted_again_and_again_never_goes_backwards() {
    let start = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                let mut last = Tick::ZERO;
                for _ in 0..if cfg!(miri) { 5 } else { 300 } {
                    let clock = TickingClock::new();
                    assert!(clock.now() >= last);
                    last = clock.now();
                }
                let clock = TickingClock::default();
                let before = clock.now();
                assert!(before >= last);
                eventually("the last ticker to run", || clock.now() > before);
            });
        }
    });
}

#[test]
fn clock_source_recognises_the_built_in_clocks() {
    assert!(matches!(ClockSource::default(), ClockSource::Monotonic));
    assert!(matches!(ClockSource::new(MonotonicClock::new()), ClockSource::Monotonic));
    assert!(matches!(ClockSource::new(TickingClock::new()), ClockSource::Ticking(_)));
    let fake = FakeClock::new();
    let source = ClockSource::new(fake.clone());
    assert!(matches!(source, ClockSource::Fake(_)));
    fake.advance(SECOND);
    assert_eq!(source.clone().now(), 1_000_000_000);
    assert_eq!(format!("{source:?}"), "FakeClock");
}

#[test]
fn clock_source_keeps_a_custom_clock_and_calls_it() {
    struct Counting(AtomicU32);
    impl Clock for Counting {
        fn now(&self) -> Tick {
            Tick::from_nanos(u64::from(self.0.fetch_add(1, Ordering::Relaxed)))
        }
    }
    let shared = Arc::new(Counting(AtomicU32::new(5)));
    let source = ClockSource::new(Arc::clone(&shared));
    assert!(matches!(source, ClockSource::Custom(_)));
    assert_eq!((source.now(), source.now(), shared.now().as_nanos()), (5, 6, 7));
}

#[test]
fn clock_source_gives_the_time_of_its_clock() {
    let before = MonotonicClock::new().now().as_nanos();
    assert!(ClockSource::Monotonic.now() >= before);
    let ticking = TickingClock::new();
    let before = ticking.now().as_nanos();
    assert!(ClockSource::new(ticking).now() >= before);
}
