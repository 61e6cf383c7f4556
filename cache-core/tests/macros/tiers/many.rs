//! `many` and `tier` together: one exchange for all keys that the memory does not have.

use std::cell::RefCell;
use std::collections::HashMap;

use cache_core::cached;
use cache_core::tier::Raw;

use super::{keys, tier};
use crate::common::panics::{panics, silence_panics_on_purpose};
use crate::common::tasks::block_on;

thread_local! {
    /// What the bodies on this thread were asked for.
    static ASKED: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

fn ask(ids: &[u64]) {
    ASKED.with_borrow_mut(|asked| asked.push(ids.to_vec()));
}

/// What the bodies were asked for since the last time.
fn asked() -> Vec<Vec<u64>> {
    ASKED.take()
}

fn names_of(ids: &[u64], region: &str) -> HashMap<u64, String> {
    ask(ids);
    ids.iter().filter(|id| **id < 100).map(|id| (*id, format!("{region}{id}"))).collect()
}

fn map<const N: usize>(pairs: [(u64, &str); N]) -> HashMap<u64, String> {
    pairs.into_iter().map(|(id, name)| (id, name.to_owned())).collect()
}

tier!(SHARED);

mod here {
    #[cache_core::cached(
        many = ids, tier = &*super::SHARED, ttl = 60, name = "names", codec = cache_core::tier::Raw
    )]
    pub(super) fn names(region: &str, ids: &[u64]) -> std::collections::HashMap<u64, String> {
        super::names_of(ids, region)
    }
}

mod there {
    #[cache_core::cached(
        many = ids, tier = &*super::SHARED, ttl = 60, name = "names",
        codec = cache_core::tier::Raw,
    )]
    pub(super) async fn names(region: &str, ids: &[u64]) -> Vec<(u64, String)> {
        super::names_of(ids, region).into_iter().collect()
    }
}

#[test]
fn each_key_is_loaded_once_for_all_processes() {
    assert_eq!(here::names("n", &[1, 2]), map([(1, "n1"), (2, "n2")]));
    assert_eq!(here::names("n", &[2, 3, 3, 500]), map([(2, "n2"), (3, "n3")]));
    assert_eq!(asked(), [vec![1, 2], vec![3, 500]]);
    let found = block_on(there::names("n", &[3, 4, 1]));
    assert_eq!(
        found,
        map([(3, "n3"), (4, "n4"), (1, "n1")]).into_iter().collect::<Vec<_>>().tap(&[3, 4, 1])
    );
    assert_eq!(asked(), [[4]]);
    assert_eq!(here::names::get("n", &4).as_deref(), Some("n4"));
    assert_eq!(here::names("n", &[4, 1]), map([(4, "n4"), (1, "n1")]));
    assert_eq!(keys(&SHARED, "names").len(), 4);
    assert_eq!(here::names::invalidate("n", &4), Ok(true));
    assert_eq!(asked().len(), 0);
}

/// In the order of the elements.
trait Tap {
    fn tap(self, order: &[u64]) -> Self;
}

impl Tap for Vec<(u64, String)> {
    fn tap(mut self, order: &[u64]) -> Self {
        self.sort_by_key(|(id, _)| order.iter().position(|other| other == id));
        self
    }
}

#[test]
fn call_that_fails_leaves_no_lease_behind() {
    silence_panics_on_purpose();
    tier!(TIER);
    #[cached(many = ids, tier = &*TIER, ttl = 60, name = "failing", codec = Raw)]
    fn failing(ids: &[u64], how: u8) -> Result<Vec<(u64, String)>, String> {
        match how {
            0 => Err("not now".to_owned()),
            _ => Ok(ids.iter().map(|id| (*id, id.to_string())).collect()),
        }
    }
    assert_eq!(failing(&[1, 2], 0), Err("not now".to_owned()));
    assert_eq!(failing(&[1, 2], 0), Err("not now".to_owned()));
    assert_eq!(failing::tiered().stats().remote.leases_lost, 0);
    assert_eq!(failing(&[1, 2], 1).map(|pairs| pairs.len()), Ok(2));
    assert_eq!(keys(&TIER, "failing").len(), 2);
    #[cached(many = ids, tier = &*TIER, ttl = 60, name = "panicking", codec = Raw)]
    fn panicking(ids: &[u64]) -> Vec<(u64, String)> {
        panic!("{}", if ids.is_empty() { "not asked" } else { "on purpose" })
    }
    assert!(panics(|| panicking(&[1])));
}

#[test]
fn refresh_replaces_what_has_a_value() {
    tier!(TIER);
    thread_local! {
        static ROUND: RefCell<u64> = const { RefCell::new(0) };
    }
    #[cached(many = ids, tier = &*TIER, ttl = 60, name = "rounds", codec = Raw)]
    fn rounds(ids: &[u64]) -> Vec<(u64, String)> {
        let round = ROUND.with_borrow_mut(|round| {
            *round += 1;
            *round
        });
        // The second time, the second has none.
        let some = ids.iter().filter(|id| round == 1 || **id != 2);
        some.map(|id| (*id, format!("{id} of {round}"))).collect()
    }
    rounds(&[1, 2]);
    assert_eq!(rounds::refresh(&[1, 2]), [(1, "1 of 2".to_owned())]);
    let expected = [(1, "1 of 2".to_owned()), (2, "2 of 1".to_owned())];
    assert_eq!(rounds(&[1, 2]), expected);
    rounds::cache().invalidate_all();
    assert_eq!(rounds(&[1, 2]), expected);
}
