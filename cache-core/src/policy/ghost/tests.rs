//! The table of ghosts alone.

use std::collections::HashMap;

use super::*;
use crate::policy::tests::hash;

fn counts(small: u32, main: u32) -> EvictionCounts {
    EvictionCounts { small: small as u16, main: main as u16 }
}

#[test]
fn a_ghost_lives_as_long_as_it_should() {
    for start in [0, 100, 127, u32::MAX - 10] {
        for (age, main) in [0, 1, 8, 63, 64, 65, 100, 127].into_iter().zip([false, true].repeat(4))
        {
            let mut ghosts = Ghosts::default();
            ghosts.size_for(10);
            ghosts.push(hash(7), main, 200, counts(start, start));
            let later = start.wrapping_add(age);
            let now = if main { counts(start, later) } else { counts(later, start) };
            let ghost = ghosts.take(hash(7), now);
            assert_eq!(
                ghost.map(|g| (g.main(), g.age(), g.used())).is_some(),
                age <= u32::from(LIFETIME)
            );
            assert!(ghost.is_none_or(|g| (g.main(), g.age(), g.used()) == (main, age, 200)));
            assert_eq!(ghosts.take(hash(7), now), None, "it is taken once");
        }
    }
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
fn an_earlier_ghost_of_a_key_makes_room_for_its_next() {
    let mut ghosts = Ghosts::default();
    ghosts.size_for(1);
    (0..20).for_each(|count| ghosts.push(hash(1), false, count as u8, counts(count, 0)));
    assert_eq!(ghosts.take(hash(1), counts(20, 0)).unwrap().used(), 19);
    assert_eq!(ghosts.take(hash(1), counts(20, 0)), None);
    let keys: HashMap<u32, u8> = (0..8).map(|key| (key, key as u8 + 50)).collect();
    keys.iter().for_each(|(&key, &used)| ghosts.push(hash(key), true, used, counts(20, 0)));
    for (key, used) in keys {
        assert_eq!(ghosts.take(hash(key), counts(20, 0)).map(|ghost| ghost.used()), Some(used));
    }
}
