//! An eviction listener that hands what leaves the cache to another thread.
//!
//! The listener runs inside the call that removed the entry: after the cache has released its
//! locks, so it may use the cache, but before that call returns. A slow listener therefore delays
//! the caller of an `insert` or a `remove`. So this one only sends, and another thread does the
//! slow part. Run with `cargo run --example listener_channel`.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cache_core::{Cache, FakeClock, RemovalCause};

fn main() {
    let (sender, removals) = mpsc::channel::<(&str, u32, RemovalCause)>();

    // Ends when the sender is dropped. The listener owns it, and the cache owns the listener.
    let consumer = thread::spawn(move || {
        for (name, value, cause) in removals {
            let by = if cause.was_evicted() { "the cache" } else { "a caller" };
            println!("{name} = {value} left: {cause:?}, by {by}");
        }
    });

    let clock = FakeClock::new();
    let scores: Cache<&str, u32> = Cache::builder()
        .max_capacity(1) // so that it is clear which entry has to go
        .time_to_live(Duration::from_secs(60))
        .clock(clock.clone())
        .eviction_listener(move |name: &&str, value: &u32, cause| {
            // Key and value are borrowed: the listener copies what the other thread needs. `send`
            // does not block; it fails only if the consumer has ended, and then it is not needed.
            let _ = sender.send((*name, *value, cause));
        })
        .build();

    scores.insert("Ada", 1);
    scores.insert("Ada", 2); // Replaced
    scores.insert("Grace", 3); // Size: there is room for one entry, so `Ada` is evicted
    scores.remove("Grace"); // Explicit

    scores.insert("Alan", 4);
    clock.advance(Duration::from_secs(60));
    // `Alan` is a miss now. The entry is freed and the listener called by a later write, by the
    // janitor if the cache has one, or by this call.
    scores.run_pending_tasks(); // Expired

    scores.insert("Edsger", 5);
    // The listener is not called for entries that are present when the last handle is dropped. To
    // see them too, empty the cache first.
    scores.invalidate_all(); // Explicit
    drop(scores);
    consumer.join().expect("the consumer does not panic");
}
