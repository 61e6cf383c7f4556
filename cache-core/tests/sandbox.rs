//! A process that forbids itself system calls when its caches are in use already: `membarrier`, on
//! which the reclamation of memory relies, and what stands in for it; `madvise`, by which pages go
//! back. No panic, no value that stays.
//!
//! A filter cannot be taken off again, so each case is a process of its own: this binary, run
//! again.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod common {
    #[allow(dead_code, reason = "other binaries use the rest")]
    pub(crate) mod census;
}

use std::collections::BTreeMap;
use std::env;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cache_core::Cache;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, apply_filter_all_threads,
};

use cache_core::__private::testing::validate;
use common::census::{Census, Token};

const CASE: &str = "CASE_OF_THE_SANDBOX_TEST";
/// Longer than any machine takes, for a process that has got stuck.
const TOO_LONG: Duration = Duration::from_secs(300);

#[cfg(target_arch = "x86_64")]
const MEMBARRIER: i64 = 324;
#[cfg(target_arch = "aarch64")]
const MEMBARRIER: i64 = 283;
#[cfg(target_arch = "x86_64")]
const MPROTECT: i64 = 10;
#[cfg(target_arch = "aarch64")]
const MPROTECT: i64 = 226;
#[cfg(target_arch = "x86_64")]
const MADVISE: i64 = 28;
#[cfg(target_arch = "aarch64")]
const MADVISE: i64 = 233;
const NOT_PERMITTED: u32 = 1;

/// What the process forbids itself.
#[derive(Clone, Copy, PartialEq)]
enum Forbids {
    Membarrier,
    /// And to take all rights to a page away.
    AllBarriers,
    /// To give pages back.
    Pages,
}

fn filter(forbids: Forbids) -> BpfProgram {
    let call = if forbids == Forbids::Pages { MADVISE } else { MEMBARRIER };
    let mut rules = BTreeMap::from([(call, Vec::new())]);
    if forbids == Forbids::AllBarriers {
        let no_rights =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0).unwrap();
        rules.insert(MPROTECT, vec![SeccompRule::new(vec![no_rights]).unwrap()]);
    }
    let refuse = SeccompAction::Errno(NOT_PERMITTED);
    let arch = env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    filter.try_into().unwrap()
}

/// Two threads write, and a third has looked once, when the filter comes: for all of them or for
/// one. They go on; in the end everything that has left is dropped.
fn goes_on(forbids: Forbids, for_all: bool) {
    let census = Census::default();
    let cache: Cache<u64, Token> = Cache::new(100);
    let barrier = Barrier::new(3);
    let write = |sets_filter: bool| {
        let write = |times: u64| {
            for n in 0..times {
                cache.insert(n % 300, census.token());
                cache.get_with(n % 70, || census.token()).look();
                cache.view(&(n % 90), Token::look);
            }
        };
        write(2_000);
        barrier.wait();
        if sets_filter {
            let program = filter(forbids);
            let set = if for_all { apply_filter_all_threads } else { apply_filter };
            set(&program).expect("a filter");
        }
        barrier.wait();
        write(5_000);
        barrier.wait();
        // A cache that is made now does without from the start.
        let (census, cache) = (Census::default(), Cache::<u64, Token>::new(10));
        (0..1_000).for_each(|n| cache.insert(n, census.token()));
        assert_eq!(census.alive() as u64, cache.entry_count());
    };
    thread::scope(|scope| {
        scope.spawn(|| write(false));
        scope.spawn(|| write(true));
        assert!(cache.get(&1_000_000).is_none());
        barrier.wait();
        // This thread is known to the cache, and does not look at it while the others go on.
        barrier.wait();
        barrier.wait();
    });
    validate(&cache);
    // Now it does, and whatever a reader of the old kind might have held is known to be free.
    assert!(cache.get(&1_000_000).is_none());
    cache.run_pending_tasks();
    assert_eq!(census.alive() as u64, cache.entry_count());
    (0..2_000).for_each(|n| cache.insert(n, census.token()));
    cache.invalidate_all();
    assert_eq!(census.alive(), 0);
    validate(&cache);
}

/// Runs a case in a process of its own, or is that process.
fn in_a_process(name: &str, case: fn()) {
    if env::var(CASE).is_ok_and(|it| it == name) {
        return case();
    }
    let mut child = Command::new(env::current_exe().expect("a test has a binary"))
        .args(["--exact", name, "--nocapture"])
        .env(CASE, name)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can run its own binary");
    // A process that fails in one thread may wait for ever in another.
    let began = Instant::now();
    while child.try_wait().expect("it is ours").is_none() && began.elapsed() < TOO_LONG {
        thread::yield_now();
    }
    _ = child.kill();
    assert!(child.wait().expect("it is ours").success());
    let mut said = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut said).expect("text");
    // It has done so: the harness found the case.
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
fn a_late_filter_for_all_threads() {
    in_a_process("a_late_filter_for_all_threads", || goes_on(Forbids::Membarrier, true));
}

#[test]
fn a_late_filter_for_one_thread() {
    in_a_process("a_late_filter_for_one_thread", || goes_on(Forbids::Membarrier, false));
}

#[test]
fn a_late_filter_that_leaves_no_barrier() {
    in_a_process("a_late_filter_that_leaves_no_barrier", || goes_on(Forbids::AllBarriers, true));
}

#[test]
fn a_filter_that_lets_no_page_go() {
    in_a_process("a_filter_that_lets_no_page_go", || {
        let cache: Cache<u64, u64> = Cache::new(100_000);
        for round in 0..3 {
            (0..100_000).for_each(|n| cache.insert(n, n + round));
            let is_kept = |n: &u64| n.is_multiple_of(5_000);
            (0..100_000).filter(|n| !is_kept(n)).for_each(|n| cache.invalidate(&n));
            // The first round's pages go, those of the second stay.
            cache.run_pending_tasks();
            validate(&cache);
            let mut kept = (0..100_000).filter(is_kept);
            assert!(kept.all(|n| cache.get(&n).is_none_or(|value| value == n + round)));
            if round == 0 {
                apply_filter_all_threads(&filter(Forbids::Pages)).expect("a filter");
            }
        }
    });
}
