//! Values that cannot be written for a tier, and tiers that are none.

use std::sync::LazyLock;

use cache_core::tier::{Codec, CodecError, FakeTier, Raw};
use cache_core::{FakeClock, cached};

static TIER: LazyLock<FakeTier> = LazyLock::new(|| FakeTier::new(&FakeClock::new()));

#[derive(Clone)]
struct Price(u64);

#[cached(tier = &*TIER)]
fn by_default(n: u64) -> Price {
    Price(n)
}

#[cached(tier = &*TIER, codec = Raw)]
fn raw(n: u64) -> Price {
    Price(n)
}

#[cached(tier = &*TIER)]
async fn fallible(n: u64) -> Result<Price, String> {
    Ok(Price(n))
}

struct Uncloned;

struct Nothing;

impl<V> Codec<V> for Nothing {
    fn encode(&self, _value: &V, _out: &mut Vec<u8>) -> Result<(), CodecError> {
        Err(CodecError::new("nothing"))
    }
    fn decode(&self, _bytes: &[u8]) -> Result<V, CodecError> {
        Err(CodecError::new("nothing"))
    }
}

#[cached(tier = &*TIER, codec = Nothing)]
fn uncloned(_n: u64) -> Uncloned {
    Uncloned
}

#[cached(tier = &*TIER, codec = Nothing)]
fn all_uncloned(_n: u64) -> Vec<Uncloned> {
    vec![Uncloned]
}

#[cached(tier = &TIER, codec = Raw)]
fn not_led_to(n: u64) -> String {
    n.to_string()
}

#[cached(tier = &TIER, codec = Raw)]
async fn awaited(n: u64) -> String {
    n.to_string()
}

fn main() {
    by_default(1).0;
    raw(1).0;
    uncloned(1);
    all_uncloned(1);
    not_led_to(1);
}
