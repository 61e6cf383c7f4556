//! Keys and values that cannot be written as bytes for a tier.

use cache_core::tier::{Codec, Json, Postcard, Raw, RemoteKey};

struct Price(u64);

fn codec<V>(_: impl Codec<V>) {}

fn key(_: impl RemoteKey) {}

fn main() {
    codec::<Price>(Postcard);
    codec::<Price>(Json);
    codec::<Price>(Raw);
    key(Price(7));
    key((7, Price(7)));
    key(0.5);
}
