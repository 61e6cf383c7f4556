//! Testing what depends on time without waiting for it.
//!
//! A cache reads the time from its clock. Give it a [`FakeClock`], keep a clone, and time passes
//! when you say so: the test is exact and takes no time. Run with
//! `cargo run --example testing_with_fake_clock`.

use std::time::Duration;

use cache_core::{Cache, FakeClock};

fn main() {
    let clock = FakeClock::new();
    let logins: Cache<&str, &str> = Cache::builder()
        .max_capacity(100)
        .time_to_live(Duration::from_secs(60))
        .clock(clock.clone())
        .build();

    logins.insert("token", "Ada");
    println!("after  0 s: {:?}", logins.get("token"));

    clock.advance(Duration::from_secs(59));
    println!("after 59 s: {:?}", logins.get("token"));
    assert_eq!(logins.get("token"), Some("Ada"));

    clock.advance(Duration::from_secs(1));
    println!("after 60 s: {:?}", logins.get("token"));
    assert_eq!(logins.get("token"), None);
}
