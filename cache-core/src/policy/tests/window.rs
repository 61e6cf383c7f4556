//! The window: what moves it, and what small passes on.

use super::super::QueuePolicy;
use super::super::trend::LONGER_STEPS;
use super::Toy;
use crate::table::Queue;

#[test]
fn young_ghosts_move_the_window() {
    let mut toy = Toy::new(100, 2000);
    toy.policy.window = 5;
    toy.access_all(0..200);
    let before = toy.policy.window;
    let (_, gone) = toy.access(1000);
    toy.access(gone.unwrap());
    assert_eq!(toy.policy.window, before + 1);
    // Now the small queue is below its window, and main must evict.
    let (_, gone) = toy.access(1001);
    toy.access(gone.unwrap());
    assert_eq!(toy.policy.window, before);
    toy.policy.set_capacity(1000);
    assert_eq!(toy.policy.window, before * 10);
    toy.policy.validate(&toy.slots);
}

/// A shrinking window leaves small with more than its part. What was never used there has no
/// business in main.
#[test]
fn a_full_cache_promotes_only_what_was_used() {
    let mut toy = Toy::new(100, 2000);
    toy.policy.window = 50;
    toy.access_all(0..100);
    let (small, main) = toy.order();
    assert_eq!((small.len(), main.len()), (50, 50));
    toy.access(small[1]);
    toy.policy.window = 10;
    for key in 1000..1040 {
        let (_, gone) = toy.access(key);
        assert!(small.contains(&gone.unwrap()), "{gone:?} was in main");
    }
    let entered: Vec<u32> = toy.order().1.into_iter().filter(|id| !main.contains(id)).collect();
    assert_eq!(entered, [small[1]]);
}

#[test]
fn a_ghost_that_the_gate_turns_away_leaves_the_window_alone() {
    let mut toy = Toy::new(100, 2000);
    toy.access_all(0..100);
    let (_, gone) = toy.access(1000);
    let main = toy.order().1;
    toy.access_all(main.into_iter().flat_map(|key| [key; 3]));
    let window = toy.policy.window;
    toy.access(gone.unwrap());
    assert_eq!(toy.queue(gone.unwrap()), Queue::Small);
    assert_eq!(toy.policy.window, window);
}

#[test]
fn one_sided_evidence_moves_the_window_faster() {
    let mut policy = QueuePolicy::new(1 << 20);
    policy.ghosts.size_for(1);
    let mut moved_by = |from_main| {
        let (before, counts) = (policy.window, policy.counts());
        policy.ghosts.push(1, from_main, 0, counts);
        let ghost = policy.ghosts.take(1, counts).unwrap();
        policy.move_window(ghost, 1);
        policy.window.abs_diff(before)
    };
    assert_eq!(moved_by(false), 1);
    let steps: Vec<u64> = (0..1000).map(|_| moved_by(false)).collect();
    assert!(steps.is_sorted() && steps[999] == LONGER_STEPS as u64, "{}", steps[999]);
    assert_eq!(moved_by(true), 1, "against the trend");
    let mixed: u64 = (0..1000).map(|step| moved_by(step % 2 == 0)).skip(500).max().unwrap();
    assert_eq!(mixed, 1);
}
