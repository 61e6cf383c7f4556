//! User code that blocks, at every point of every operation: it runs under no lock of the cache, so
//! no other thread waits for it.

use std::sync::mpsc::channel;
use std::thread;

use cache_core::{Op, RandomState};

use crate::common::configurations::Way;
use crate::common::hashers::{Constant, TestHasher};
use crate::common::tasks::block_on;
use crate::common::threads::must_end;
use crate::spots::{Fragile, Operation, SPOTS, Spot, all, arm_with, disarm};

enum Progress {
    Blocked,
    Ended,
}

/// What other threads do meanwhile: everything, except wait for a load or a computation of theirs.
fn use_the_cache<S: TestHasher>(f: &Fragile<S>) {
    for n in [3, 50, 51, 90] {
        let _ = f.cache.get(&f.key(n));
        f.cache.view(&f.key(n), |_| ());
        let _ = f.cache.contains_key(&f.key(n));
        f.insert(n);
        f.cache.remove(&f.key(n));
        f.insert(n);
    }
    // More than there is room for.
    (60..80).for_each(|n| f.insert(n));
    f.cache.get_with(f.key(91), || f.value(91));
    block_on(f.cache.get_with_async(f.key(92), async { f.value(92) }));
    f.cache.entry(f.key(93)).and_upsert_with(|_| f.value(93));
    f.cache.entry(f.key(94)).and_compute_with(|_| Op::Nop);
    f.cache.iter().for_each(drop);
    f.cache.invalidate_entries_if(|key, _| key.0 % 2 == 0);
    f.cache.run_pending_tasks();
    f.cache.invalidate_all();
}

/// Lets one operation block at one spot while another thread uses the cache. Returns `false` if it
/// did not pass there so often.
fn one_case<S: TestHasher>(operation: Operation<S>, spot: Spot, passes: u32, way: Way) -> bool {
    let fragile = Fragile::<S>::new(way);
    let ((told, tells), (go, may_go)) = (channel(), channel::<()>());
    let blocked = thread::scope(|scope| {
        // Dropped by a panic here, so that the other thread ends.
        let (fragile, go) = (&fragile, go);
        scope.spawn(move || {
            let at_spot = told.clone();
            arm_with(spot, passes, move || {
                at_spot.send(Progress::Blocked).unwrap();
                may_go.recv().unwrap();
            });
            operation.1(fragile);
            disarm();
            told.send(Progress::Ended).unwrap();
        });
        let blocked = matches!(tells.recv().unwrap(), Progress::Blocked);
        if blocked {
            use_the_cache(fragile);
        }
        let _ = go.send(());
        blocked
    });
    fragile.check_works();
    let Fragile { cache, census, .. } = fragile;
    drop(cache);
    assert_eq!(census.alive(), 0, "leaked: {}, {spot:?} after {passes}", operation.0);
    blocked
}

fn every_case<S: TestHasher>(way: Way) {
    let mut blocked = 0;
    for operation in all::<S>() {
        for spot in SPOTS {
            blocked += (0..).take_while(|&passes| one_case(operation, spot, passes, way)).count();
        }
    }
    assert!(blocked > 300, "most operations pass many spots: {blocked}");
}

fn every_way<S: TestHasher>() {
    Way::ALL.into_iter().for_each(every_case::<S>);
}

#[test]
fn user_code_that_blocks_anywhere_holds_up_no_other_thread() {
    must_end(every_way::<RandomState>);
}

/// All keys have one hash and stand in one shard.
#[test]
fn user_code_that_blocks_anywhere_holds_up_no_other_thread_if_all_hashes_collide() {
    must_end(every_way::<Constant>);
}
