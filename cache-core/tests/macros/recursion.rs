//! What a level of a recursion takes of the stack, without optimisation too: with it, less.

use std::cell::Cell;
use std::thread;

use cache_core::cached;

/// The stack of a thread of a test.
const STACK: usize = 2 << 20;

thread_local! {
    static HIGHEST: Cell<usize> = const { Cell::new(0) };
    static LOWEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Notes where on the stack the calling body runs.
fn note() {
    let here = 0_u8;
    let address = std::ptr::from_ref(&here) as usize;
    HIGHEST.set(HIGHEST.get().max(address));
    LOWEST.set(LOWEST.get().min(address));
}

/// Runs on a stack of its own; returns the bytes between the first level and the last.
fn taken(run: impl FnOnce() + Send + 'static) -> usize {
    let thread = thread::Builder::new().stack_size(STACK).spawn(|| {
        run();
        HIGHEST.get().saturating_sub(LOWEST.get())
    });
    thread.expect("a thread").join().expect("no panic")
}

#[test]
fn level_of_a_recursion_takes_at_most_500_bytes() {
    #[cached]
    fn depth(n: u64) -> u64 {
        note();
        if n == 0 { 0 } else { 1 + depth(n - 1) }
    }
    let levels = 1_000;
    let taken = taken(move || assert_eq!(depth(levels), levels));
    let of_a_level = taken / usize::try_from(levels).expect("few");
    assert!((16..=500).contains(&of_a_level), "{of_a_level} bytes");
}

#[test]
fn recursion_of_4000_levels_fits_into_the_stack_of_a_test() {
    #[cached]
    fn depth(n: u64) -> u64 {
        if n == 0 { 0 } else { 1 + depth(n - 1) }
    }
    // Larger values take more of it.
    #[cached(ttl = 60)]
    fn fallible(n: u64) -> Result<u64, String> {
        if n == 0 { Ok(0) } else { Ok(1 + fallible(n - 1)?) }
    }
    #[cached(thread_local)]
    fn here(n: u64) -> Option<u64> {
        if n == 0 { Some(0) } else { Some(1 + here(n - 1)?) }
    }
    taken(|| assert_eq!(depth(4_000), 4_000));
    taken(|| assert_eq!(fallible(2_000), Ok(2_000)));
    taken(|| assert_eq!(here(2_000), Some(2_000)));
}
