//! Programs as users of other caches write them, moved here: each was written against the
//! documentation of its cache, and then changed as little as it takes.
//!
//! A line that was changed says how it was: `// was: ..`. Where a cache is another type with the
//! same methods, that is the `use` line alone. The last test counts these lines.

mod lru;
mod mini_moka;
mod moka_future;
mod moka_sync;
mod quick_cache;

/// The most lines that a program may have had to change.
const MOST_CHANGES: usize = 3;

#[test]
fn no_program_was_changed_in_more_than_three_lines() {
    let files = [
        include_str!("lru.rs"),
        include_str!("mini_moka.rs"),
        include_str!("moka_future.rs"),
        include_str!("moka_sync.rs"),
        include_str!("quick_cache.rs"),
    ];
    let mut programs = 0;
    for file in files {
        for program in file.split("#[test]").skip(1) {
            programs += 1;
            let changes = program.matches("// was:").count();
            assert!((1..=MOST_CHANGES).contains(&changes), "{changes} changes in{program}");
        }
    }
    assert!(programs >= 20, "{programs}");
}
