//! The table of ghosts alone.

use super::*;
use crate::policy::tests::hash;

fn counts(small: u32, main: u32) -> EvictionCounts {
    EvictionCounts { small: small as u16, main: main as u16 }
}

#[test]
fn a_ghost_has_what_it_was_given_and_is_taken_once() {
    for start in [0, 100, 127, u32::MAX - 10] {
        for (age, main) in [0, 1, 8, 63, 64, 65, 100, 127].into_iter().zip([false, true].repeat(4))
        {
            let mut ghosts = Ghosts::default();
            ghosts.size_for(10);
            ghosts.push(hash(7), main, 200, counts(start, start));
            let later = start.wrapping_add(age);
            let now = if main { counts(start, later) } else { counts(later, start) };
            let ghost = ghosts.take(hash(7), now).unwrap();
            assert_eq!((ghost.main(), ghost.age(), ghost.used()), (main, age, 200));
            assert_eq!(ghosts.take(hash(7), now), None);
        }
    }
}

#[test]
fn the_oldest_ghost_of_a_bucket_falls_out() {
    let (mut ghosts, now) = (Ghosts::default(), counts(0, 0));
    ghosts.size_for(1);
    assert_eq!(ghosts.buckets.len(), 1);
    (0..20).for_each(|key| ghosts.push(hash(key), false, key as u8, now));
    // A hole moves on like a ghost.
    assert_eq!(ghosts.take(hash(15), now).unwrap().used(), 15);
    (20..23).for_each(|key| ghosts.push(hash(key), true, key as u8, now));
    let left: Vec<u32> = (0..23).filter(|&key| ghosts.take(hash(key), now).is_some()).collect();
    assert_eq!(left, [16, 17, 18, 19, 20, 21, 22]);
}

#[test]
fn ghosts_are_seldom_mistaken_for_another_key() {
    let mut ghosts = Ghosts::default();
    ghosts.size_for(100_000);
    let now = counts(0, 0);
    (0..250_000).for_each(|key| ghosts.push(hash(key), key % 5 == 0, 0, now));
    let false_hits = (250_000..350_000).filter(|&key| ghosts.take(hash(key), now).is_some());
    assert!(false_hits.count() < 50);
    let found = (0..250_000).filter(|&key| ghosts.take(hash(key), now).is_some()).count();
    assert!(found > 200_000, "{found}: the buckets fill unevenly");
}

#[test]
fn of_two_ghosts_of_a_key_the_later_counts() {
    let mut ghosts = Ghosts::default();
    ghosts.size_for(1);
    (0..20).for_each(|count| ghosts.push(hash(1), false, count as u8, counts(count, 0)));
    assert_eq!(ghosts.take(hash(1), counts(20, 0)).unwrap().used(), 19);
}
