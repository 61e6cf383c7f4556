//! Options of a cache that are given what cannot be one.

use std::time::{Duration, Instant};

use cache_core::Cache;

struct ByPrice;

fn main() {
    let minute = Duration::from_secs(60);
    let _ = Cache::<u32, u32>::builder().clock(Instant::now());
    let _ = Cache::<u32, u32>::builder().executor("rayon");
    let _ = Cache::<u32, u32>::builder().negative_ttl(minute);
    let _ = Cache::<u32, u32>::builder().expire_after(minute);
    let _ = Cache::<u32, u32>::builder().expire_after(ByPrice);
}
