//! `tier = ..`: functions whose cache has a tier behind it that several processes share.
//!
//! A second function of the same name stands for a second process.

mod codecs;
mod companions;
mod keys;
mod loads;
mod many;
mod tasks;

use std::time::Duration;

use cache_core::FakeClock;
use cache_core::tier::{FakeTier, TierItem};

const SECOND: Duration = Duration::from_secs(1);

/// An empty tier, and its time.
fn fake() -> (FakeClock, FakeTier) {
    let clock = FakeClock::new();
    let tier = FakeTier::new(&clock);
    (clock, tier)
}

/// A tier for the functions of one test.
macro_rules! tier {
    ($name:ident) => {
        static $name: std::sync::LazyLock<cache_core::tier::FakeTier> =
            std::sync::LazyLock::new(|| crate::tiers::fake().1);
    };
}
use tier;

/// The keys that a tier knows, as what follows the name, and their items. A name in a tier is
/// followed by the schema and the generation.
fn items(tier: &FakeTier, name: &str) -> Vec<(String, TierItem)> {
    let keys = tier.keys().into_iter().filter_map(|key| {
        let text = String::from_utf8(key.clone()).expect("readable");
        let rest = text.strip_prefix(name)?.strip_prefix(':')?.to_owned();
        let (schema, rest) = rest.split_once(':')?;
        let (generation, rest) = rest.split_once(':')?;
        assert!(generation.parse::<u64>().is_ok(), "{text}");
        Some((format!("{schema}:{rest}"), tier.item(&key).expect("it has a value")))
    });
    keys.collect()
}

/// The keys alone.
fn keys(tier: &FakeTier, name: &str) -> Vec<String> {
    items(tier, name).into_iter().map(|(key, _)| key).collect()
}
