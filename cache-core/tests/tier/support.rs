//! What the tests of this family share.

use std::time::Duration;

use cache_core::FakeClock;
use cache_core::tier::{FakeHold, FakeTier, Lease, LeaseTerms, Leased, Tier};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Terms of a lease of ten seconds.
pub(crate) fn terms() -> LeaseTerms {
    LeaseTerms::new(10 * SECOND)
}

pub(crate) fn fake() -> (FakeClock, FakeTier) {
    let clock = FakeClock::new();
    let tier = FakeTier::new(&clock);
    (clock, tier)
}

/// Takes the lease of a missing key.
#[track_caller]
pub(crate) fn won(tier: &impl Tier, key: &[u8]) -> Lease {
    match tier.lease(key, terms()) {
        Ok(Leased::Won(lease)) => lease,
        other => panic!("no lease, but {other:?}"),
    }
}

/// The value of a key.
#[track_caller]
pub(crate) fn value(tier: &impl Tier, key: &[u8]) -> Option<Vec<u8>> {
    tier.get(key).unwrap().map(|item| item.value)
}

/// Lets the operation go on whose reply is held, and holds the reply of the next one.
pub(crate) fn next_reply(tier: &FakeTier, replies: FakeHold) -> FakeHold {
    let requests = tier.hold_requests();
    replies.release();
    requests.wait_for(1);
    let replies = tier.hold_replies();
    requests.release();
    replies.wait_for(1);
    replies
}
