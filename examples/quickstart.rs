//! The two ways to use the cache: an attribute on a function, and the cache itself.
//!
//! Run with `cargo run --example quickstart`.

use cache_core::{Cache, cached};

/// Runs its body at most once a minute for each name.
#[cached(ttl = 60)]
fn greeting(name: &str) -> String {
    println!("  (making a greeting for {name})");
    format!("Hello, {name}!")
}

fn main() {
    println!("{}", greeting("Ada"));
    println!("{}", greeting("Ada")); // from the cache: nothing is made

    // A cache of your own, for at most 100 entries.
    let lengths: Cache<String, usize> = Cache::new(100);
    let length = lengths.get_with("Grace".to_owned(), || "Grace".len());
    println!("\"Grace\" has {length} letters; the cache now says {:?}", lengths.get("Grace"));
}
