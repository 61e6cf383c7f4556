//! A cache bounded by bytes instead of by the number of entries.
//!
//! The weigher says what an entry costs, the bound is on the sum, and the listener is notified of
//! what had to leave and why. Run with `cargo run --example by_weight`.

use cache_core::Cache;

fn main() {
    let pages: Cache<String, String> = Cache::builder()
        .max_capacity(1_000)
        .weigher(|path: &String, page: &String| {
            u32::try_from(path.len() + page.len()).unwrap_or(u32::MAX)
        })
        .eviction_listener(|path: &String, page: &String, cause| {
            println!("  {path} ({} bytes) leaves: {cause:?}", page.len());
        })
        .build();

    for number in 1..=6 {
        pages.insert(format!("/page/{number}"), "x".repeat(number * 100));
        let (bytes, count) = (pages.weighted_size(), pages.entry_count());
        println!("after /page/{number}: {bytes} of 1000 bytes in {count} entries");
    }
    pages.invalidate_all();
    println!("emptied: {} bytes", pages.weighted_size());
}
