//! `Eq` that calls the cache: every call ends, with the right result or with a panic that says what
//! is wrong, and leaves the cache whole.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::thread;

use cache_core::{Cache, Op};

use crate::common::configurations::{Life, Size, Subject, TTL, every};
use crate::common::ending::at_the_end_of_a_thread;
use crate::common::hashers::Constant;
use crate::common::panics::silence_panics_on_purpose;
use crate::common::tasks::Polled;
use crate::common::threads::must_end;
use cache_core::__private::testing::validate;

thread_local! {
    /// What the thread's comparisons do.
    static ACT: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
    /// Whether they panic.
    static PANICS: Cell<bool> = const { Cell::new(false) };
    /// Loads that have begun and are not polled again.
    static PENDING: RefCell<Vec<Pin<Box<dyn Future<Output = u64>>>>> =
        const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Debug)]
struct Key(u64);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        assert!(!PANICS.get(), "on purpose");
        // Not from inside itself.
        let act = ACT.with(|act| act.borrow_mut().take());
        if let Some(mut act) = act {
            act();
            ACT.set(Some(act));
        }
        self.0 == other.0
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

type Keyed = Cache<Key, u64, Constant>;

fn new_key() -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(1000);
    Key(NEXT.fetch_add(1, SeqCst))
}

/// A name, and what is called.
type Call = (&'static str, fn(&Keyed, Key));

/// Calls that look for a key before they write it.
const CALLS: [Call; 12] = [
    ("insert", |cache, key| cache.insert(key, 1)),
    ("insert_with_ttl", |cache, key| cache.insert_with_ttl(key, 1, TTL)),
    ("remove", |cache, key| _ = cache.remove(&key)),
    ("invalidate", |cache, key| cache.invalidate(&key)),
    ("set_ttl", |cache, key| _ = cache.set_ttl(&key, TTL)),
    ("get_with", |cache, key| assert_eq!(cache.get_with(key, || 1), 1)),
    ("try_get_with", |cache, key| _ = cache.try_get_with(key, || Err::<u64, _>("none"))),
    ("get_many_with", |cache, key| {
        let loaded = cache.get_many_with(std::slice::from_ref(&key), |_| vec![(key.clone(), 1)]);
        assert_eq!(loaded, [Some(1)]);
    }),
    ("or_insert", |cache, key| _ = cache.entry(key).or_insert(1)),
    ("upsert", |cache, key| _ = cache.entry(key).and_upsert_with(|_| 1)),
    ("compute", |cache, key| _ = cache.entry(key).and_compute_with(|_| Op::Remove)),
    ("remove_if", |cache, _| _ = cache.invalidate_entries_if(|key, _| key.0 == 3)),
];

/// Makes a call while comparisons do `act`. Returns the text of its panic, if it panicked.
fn call_with(act: impl FnMut() + 'static, call: impl FnOnce()) -> Option<String> {
    ACT.set(Some(Box::new(act)));
    let called = catch_unwind(AssertUnwindSafe(call));
    let act = ACT.take();
    drop(act);
    called.err().map(|panic| *panic.downcast::<String>().expect("a text"))
}

/// Fails unless the panic says what is wrong.
fn check_text(text: &str, name: &str) {
    assert!(text.contains("`Eq`") && text.contains("writes to the cache"), "{name}: {text}");
}

/// Makes each call on a cache with some entries while comparisons do what `act` does.
fn each_call_ends(
    subject: &Subject<Key, u64, Constant>,
    entries: u64,
    act: fn(&Keyed),
    may_panic: bool,
) {
    silence_panics();
    for (name, call) in CALLS {
        (0..entries).for_each(|n| subject.put(Key(n), 1));
        let (cache, own) = (&subject.cache, subject.cache.clone());
        for key in [Key(77), Key(0)] {
            let own = own.clone();
            if let Some(text) = call_with(move || act(&own), || call(cache, key)) {
                assert!(may_panic, "{name} panicked: {text}");
                check_text(&text, name);
            }
            PENDING.take();
            validate(cache);
        }
        // No flight is left that a caller would wait for.
        assert_eq!(cache.get_with(Key(99), || 99), 99);
        let _ = cache.remove(&Key(99));
        cache.invalidate_all();
        subject.log.take();
        subject.check_holds(0);
    }
}

/// Expected panics come in hundreds.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload_as_str().is_some_and(|text| text.contains("writes to the cache")) {
                tell(panic);
            }
        }));
    });
}

fn inserting(subject: &Subject<Key, u64, Constant>) {
    // Thousands of comparisons for each call: in half of the configurations.
    if subject.setup.listening != subject.setup.stats {
        return;
    }
    each_call_ends(subject, 5, |cache| cache.insert(new_key(), 1), true);
}

#[test]
fn calls_end_though_eq_inserts_a_new_key_at_each_comparison() {
    must_end(|| every::<Key, u64, Constant>(inserting));
}

/// The successor of a slot has its key: it need not be compared again.
fn updating(subject: &Subject<Key, u64, Constant>) {
    let may_panic = matches!(subject.setup.size, Size::Count(1) | Size::Weighted(7));
    each_call_ends(subject, 5, |cache| cache.insert(Key(2), 1), may_panic);
}

#[test]
fn calls_end_and_do_not_panic_though_eq_updates_an_entry_at_each_comparison() {
    must_end(|| every::<Key, u64, Constant>(updating));
}

/// Begins a load that stays where it is until its future is dropped.
fn begin_load(cache: &Keyed, key: Key) {
    let cache = cache.clone();
    let mut load: Pin<Box<dyn Future<Output = u64>>> =
        Box::pin(async move { cache.get_with_async(key, pending()).await });
    assert!(load.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    PENDING.with(|pending| pending.borrow_mut().push(load));
}

fn beginning_loads(subject: &Subject<Key, u64, Constant>) {
    // Each of hundreds of loads is compared with all those before it: in a few configurations.
    let setup = subject.setup;
    let small = matches!(setup.size, Size::Unbounded | Size::Count(1));
    if small && setup.life == Life::Forever && setup.listening && setup.stats {
        each_call_ends(subject, 1, |cache| begin_load(cache, new_key()), true);
    }
}

#[test]
fn calls_end_though_eq_begins_a_load_at_each_comparison() {
    must_end(|| every::<Key, u64, Constant>(beginning_loads));
}

/// The load that a call is about to wait for is dropped, and another of the same key begins, so
/// that there is always one to wait for.
#[test]
fn a_load_ends_though_eq_begins_one_of_its_key_at_each_comparison() {
    must_end(|| {
        silence_panics();
        let cache: Keyed = Cache::builder().build_with_hasher(Constant);
        for (name, call) in CALLS {
            begin_load(&cache, Key(77));
            let own = cache.clone();
            let act = move || {
                PENDING.take();
                begin_load(&own, Key(77));
            };
            if let Some(text) = call_with(act, || call(&cache, Key(77))) {
                check_text(&text, name);
            }
            PENDING.take();
            validate(&cache);
            cache.invalidate_all();
            assert_eq!(cache.get_with(Key(77), || 5), 5);
            cache.invalidate_all();
        }
    });
}

#[test]
fn threads_whose_eq_keeps_each_other_going_end() {
    must_end(|| {
        silence_panics();
        for (name, call) in CALLS {
            let cache: Keyed = Cache::builder().max_capacity(500).build_with_hasher(Constant);
            (0..5).for_each(|n| cache.insert(Key(n), 1));
            let together = Barrier::new(4);
            thread::scope(|scope| {
                for n in 0..4 {
                    let (cache, together) = (&cache, &together);
                    scope.spawn(move || {
                        let own = cache.clone();
                        let act = move || own.insert(new_key(), 1);
                        together.wait();
                        if let Some(text) = call_with(act, || call(cache, Key(70 + n))) {
                            check_text(&text, name);
                        }
                    });
                }
            });
            validate(&cache);
        }
    });
}

#[test]
fn calls_of_an_ending_thread_end_too() {
    must_end(|| {
        silence_panics();
        let cache: Keyed = Cache::builder().build_with_hasher(Constant);
        (0..5).for_each(|n| cache.insert(Key(n), 1));
        let own = cache.clone();
        let text = at_the_end_of_a_thread(move || {
            let inserting = own.clone();
            call_with(move || inserting.insert(new_key(), 1), || own.insert(Key(77), 1))
        });
        check_text(&text.expect("it panics"), "insert");
        validate(&cache);
    });
}

/// Retries that other threads cause are no error, however many.
#[test]
fn contention_makes_no_call_panic() {
    must_end(|| {
        let cache: Keyed = Cache::builder().max_capacity(20).build_with_hasher(Constant);
        thread::scope(|scope| {
            for n in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..4000 {
                        let key = Key((round * 7 + n) % 40);
                        match round % 4 {
                            0 | 1 => cache.insert(key, 1),
                            2 => cache.invalidate(&key),
                            _ => assert_eq!(cache.get_with(key, || 1), 1),
                        }
                    }
                });
            }
        });
        validate(&cache);
    });
}

/// A call that has made room in other shards holds it while it compares once more. What `Eq` stores
/// then needs room, too, and cannot wait for the call that it runs inside.
#[test]
fn eq_may_store_what_takes_all_the_room_that_its_call_has_made() {
    must_end(|| {
        silence_panics();
        for own_weight in [1, 900, 1000] {
            let cache: Cache<Key, u64> = Cache::builder()
                .max_capacity(1000)
                .initial_capacity(10_000)
                .weigher(|_, weight| *weight as u32)
                .build();
            let mut panicked = 0;
            for n in 0..200 {
                // The key is present, so that it is compared; another, in another shard, takes all
                // the room.
                cache.insert(Key(n), 1);
                cache.insert(Key(500 + n), 999);
                let own = cache.clone();
                let act = move || own.insert(new_key(), own_weight);
                panicked += usize::from(call_with(act, || cache.insert(Key(n), 1000)).is_some());
                validate(&cache);
                assert!(panicked > 0 || cache.contains_key(&Key(n)));
            }
            cache.invalidate_all();
            assert_eq!(cache.weighted_size(), 0);
        }
    });
}

/// As above, but another thread stores it, and `Eq` waits for that.
#[test]
fn eq_may_wait_for_a_thread_that_needs_the_room_that_its_call_has_made() {
    must_end(|| {
        let cache: Cache<Key, u64> = Cache::builder()
            .max_capacity(1000)
            .initial_capacity(10_000)
            .weigher(|_, weight| *weight as u32)
            .build();
        for n in 0..100 {
            cache.insert(Key(n), 1);
            cache.insert(Key(500 + n), 999);
            let (own, mut times) = (cache.clone(), 0);
            let act = move || {
                times += 1;
                let cache = own.clone();
                if times < 4 {
                    thread::spawn(move || cache.insert(new_key(), 500)).join().unwrap();
                }
            };
            assert_eq!(call_with(act, || cache.insert(Key(n), 1000)), None);
            validate(&cache);
            assert!(cache.contains_key(&Key(n)));
        }
    });
}

/// The condition may or may not be shown what it writes itself, but not without end.
fn replacing_condition(subject: &Subject<Key, u64, Constant>) {
    (0..5).for_each(|n| subject.put(Key(n), 1));
    let shown = Cell::new(0);
    subject.invalidate_entries_if(|key, _| {
        shown.set(shown.get() + 1);
        subject.cache.insert(key.clone(), 1);
        true
    });
    assert!(shown.get() < 1000, "{}", shown.get());
    validate(&subject.cache);
}

#[test]
fn a_condition_that_replaces_what_it_is_shown_ends() {
    must_end(|| every::<Key, u64, Constant>(replacing_condition));
}

/// Another thread replaces the entry whenever the condition is shown it.
fn outpaced_condition(subject: &Subject<Key, u64, Constant>) {
    (0..5).for_each(|n| subject.put(Key(n), 1));
    let mut shown = 0;
    subject.invalidate_entries_if(|key, _| {
        shown += 1;
        if key.0 == 3 {
            let replace = || subject.cache.insert(Key(3), shown);
            thread::scope(|scope| scope.spawn(replace).join().unwrap());
        }
        key.0 == 3
    });
    assert!(shown < 1000, "{shown}");
    validate(&subject.cache);
}

#[test]
fn a_condition_that_is_slower_than_other_writers_ends() {
    must_end(|| every::<Key, u64, Constant>(outpaced_condition));
}

/// The load fails, and so does the search for the old entry: the flight ends all the same.
#[test]
fn a_load_that_fails_ends_its_flight_though_eq_panics() {
    must_end(|| {
        silence_panics_on_purpose();
        let ways: [fn(&Keyed); 3] = [
            |cache| {
                let load = || {
                    PANICS.set(true);
                    panic!("on purpose")
                };
                cache.get_with(Key(1), load);
            },
            |cache| {
                let load = || {
                    PANICS.set(true);
                    Err::<u64, _>("none")
                };
                let _ = cache.try_get_with(Key(1), load);
            },
            |cache| {
                let load = || {
                    PANICS.set(true);
                    None
                };
                let _ = cache.optionally_get_with(Key(1), load);
            },
        ];
        for load in ways {
            let clock = cache_core::FakeClock::new();
            let cache: Keyed = Cache::builder()
                .clock(clock.clone())
                .time_to_live(TTL)
                .stale_if_error(TTL)
                .build_with_hasher(Constant);
            cache.insert(Key(1), 1);
            clock.advance(TTL);
            assert!(catch_unwind(AssertUnwindSafe(|| load(&cache))).is_err());
            PANICS.set(false);
            let mut again = Polled::new(cache.get_with_async(Key(1), async { 2 }));
            assert_eq!(again.poll(), Some(2), "there is no flight to wait for");
            drop(again);
            validate(&cache);
        }
    });
}
