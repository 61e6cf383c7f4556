//! The child of a fork without `exec`: its parent's connections are not its own. A binary of its
//! own, because a fork copies whatever the other tests of the process are doing.

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the other binary uses the rest")]
#[path = "server/memcached.rs"]
mod memcached;

#[cfg(target_os = "linux")]
fn main() {
    use libtest_mimic::{Arguments, Trial, run};

    let is_missing = !memcached::is_installed();
    let cases: [(&str, fn()); 3] = [
        ("parent_and_child_have_their_own_connections", children::own_connections),
        ("a_child_hears_what_its_parent_subscribed_to", children::hearing),
        ("parent_and_child_are_two_processes_to_a_tiered_cache", children::tiered),
    ];
    let trials = cases.map(|(name, case)| {
        let trial = Trial::test(name, move || {
            case();
            Ok(())
        });
        trial.with_ignored_flag(is_missing)
    });
    let mut arguments = Arguments::from_args();
    // One at a time: a thread that is just starting holds a lock that a child cannot get.
    arguments.test_threads = Some(1);
    run(&arguments, trials.into()).exit();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod children {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Barrier};
    use std::thread;
    use std::time::{Duration, Instant};

    use cache_core::tier::{Event, Tier, TieredCache};
    use cache_memcached::{Hearing, Memcached};

    use crate::memcached::Server;

    const LONGEST: Duration = Duration::from_secs(30);

    fn patient(server: &Server) -> cache_memcached::MemcachedBuilder {
        let builder = Memcached::builder().server(server.address());
        builder.connect_timeout(LONGEST).exchange_timeout(LONGEST)
    }

    fn wait_until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !condition() {
            assert!(Instant::now() < deadline, "it does not come");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// A child that does its work and ends.
    struct Child(libc::pid_t);

    impl Child {
        fn new(work: impl FnOnce()) -> Self {
            // SAFETY: the child goes on with this function only, in which it uses the tier (whose
            // locks it leaves alone if they are its parent's), the allocator (whose locks the C
            // library holds meanwhile) and what the test has made in this thread.
            match unsafe { libc::fork() } {
                -1 => panic!("the system forks no process"),
                0 => {
                    let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
                    // SAFETY: it has no conditions.
                    unsafe { libc::_exit(i32::from(failed)) }
                }
                child => Child(child),
            }
        }

        fn wait(self) {
            let deadline = Instant::now() + 2 * LONGEST;
            let mut status = 0;
            // SAFETY: the pointer is one to a number.
            while unsafe { libc::waitpid(self.0, &raw mut status, libc::WNOHANG) } == 0 {
                if Instant::now() > deadline {
                    // SAFETY: it takes no pointers, and the child is ours.
                    unsafe { libc::kill(self.0, libc::SIGKILL) };
                    panic!("the child does not end");
                }
                thread::sleep(Duration::from_millis(2));
            }
            assert_eq!(status, 0, "the child has failed");
        }
    }

    /// Writes and reads keys of its own. Replies to another process would be errors.
    fn traffic(tier: &Memcached, name: &str, rounds: usize) {
        for round in 0..rounds {
            let key = format!("{name}:{}", round % 10);
            tier.put(key.as_bytes(), key.as_bytes(), None).expect("stored");
            let item = tier.get(key.as_bytes()).expect("an answer").expect("an item");
            assert_eq!(item.value, key.as_bytes());
            assert_eq!(item.distrusted_before, None, "no exchange has failed");
        }
    }

    pub(crate) fn own_connections() {
        let server = Server::start();
        let tier = patient(&server).build();
        let stop = AtomicBool::new(false);
        let started = Barrier::new(3);
        thread::scope(|scope| {
            for thread in 0..2 {
                let (tier, stop, started) = (&tier, &stop, &started);
                scope.spawn(move || {
                    traffic(tier, &format!("thread{thread}"), 10);
                    started.wait();
                    while !stop.load(SeqCst) {
                        traffic(tier, &format!("thread{thread}"), 10);
                    }
                });
            }
            started.wait();
            traffic(&tier, "parent", 10);
            // In the middle of exchanges of the other threads, with connections in the pool.
            for round in 0..20 {
                let child = Child::new(|| {
                    traffic(&tier, &format!("child{round}"), 30);
                    let grandchild = Child::new(|| traffic(&tier, "grandchild", 30));
                    traffic(&tier, &format!("child{round}"), 30);
                    grandchild.wait();
                });
                traffic(&tier, "parent", 30);
                child.wait();
            }
            stop.store(true, SeqCst);
        });
        assert_eq!(tier.health(), Default::default());
    }

    pub(crate) fn hearing() {
        let server = Server::start();
        let (tier, other) = (patient(&server).watch().build(), patient(&server).watch().build());
        let (heard, losses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (heard_by_sink, losses_by_sink) = (Arc::clone(&heard), Arc::clone(&losses));
        let source = tier.invalidations().expect("the watch is on");
        let subscription = source.subscribe(Arc::new(move |event| {
            let count = if event == Event::Lost { &losses_by_sink } else { &heard_by_sink };
            count.fetch_add(1, SeqCst);
        }));
        wait_until(|| tier.hearing() == Hearing::Listening && losses.load(SeqCst) == 1);
        let child = Child::new(|| {
            assert_eq!(tier.get(b"key"), Ok(None));
            wait_until(|| tier.hearing() == Hearing::Listening && losses.load(SeqCst) == 2);
            // The parent's own writes are another process's here.
            wait_until(|| heard.load(SeqCst) >= 1);
        });
        wait_until(|| server.say("stats").contains("STAT log_watchers 2"));
        tier.remove(b"key").expect("an answer");
        child.wait();
        assert_eq!(heard.load(SeqCst), 0, "its own writes");
        other.remove(b"key").expect("an answer");
        wait_until(|| heard.load(SeqCst) == 1);
        drop(subscription);
    }

    /// Loads and invalidates a few keys.
    fn use_cache(cache: &TieredCache<u64, String>, rounds: u64) {
        for round in 0..rounds {
            let key = round * 7 % 20;
            assert_eq!(cache.get_with(key, || format!("value{key}")), format!("value{key}"));
            if round % 5 == 0 {
                cache.invalidate(&key).expect("removed");
            }
        }
    }

    /// In the middle of loads and writes. What one of the two writes, the other one reads, and the
    /// child's own thread hears of its parent's flush.
    pub(crate) fn tiered() {
        let server = Server::start();
        let cache = TieredCache::<u64, String>::builder("users")
            .tier(patient(&server).build())
            .memory_time_to_live(LONGEST)
            .poll_period(Duration::from_millis(20))
            .build();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    use_cache(&cache, 20);
                }
            });
            for round in 0..10 {
                let [old, of_child] = [100, 200].map(|base| base + round);
                cache.insert(old, "old".to_owned()).expect("stored");
                let child = Child::new(|| {
                    assert_eq!(cache.get_with(old, || unreachable!("it is there")), "old");
                    use_cache(&cache, 40);
                    cache.insert(of_child, "written".to_owned()).expect("stored");
                    wait_until(|| cache.memory().get(&old).is_none());
                    assert_eq!(cache.get(&old), None);
                    use_cache(&cache, 40);
                });
                wait_until(|| cache.get(&of_child).as_deref() == Some("written"));
                cache.invalidate_all().expect("flushed");
                child.wait();
            }
            stop.store(true, SeqCst);
        });
    }
}
