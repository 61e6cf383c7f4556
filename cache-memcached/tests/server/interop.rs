//! A program in another language reads what the bare codecs write, and the other way round.
//!
//! It is `interop.py`, run by the interpreter that the environment variable `PYTHON` names, or by
//! `python3`. Without one that has pymemcache, the test is reported as ignored.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use cache_core::tier::{Codec, Json, Raw, TieredCache};
use cache_memcached::Memcached;

use crate::harness::cases;
use crate::memcached::Server;
use crate::tiers::{MINUTE, patient};

cases![python_and_rust_read_what_the_other_wrote];

fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Returns `true` if there is a Python with pymemcache.
pub(crate) fn is_installed() -> bool {
    let asked = python().args(["-c", "import pymemcache"]).output();
    asked.is_ok_and(|output| output.status.success())
}

fn cache<K, V, C>(tier: &Memcached, name: &str, codec: C) -> TieredCache<K, V>
where
    K: cache_core::tier::RemoteKey + std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    C: Codec<V>,
{
    TieredCache::builder(name)
        .tier(tier.clone())
        .time_to_live(MINUTE)
        .poll_period(Duration::MAX)
        .codec(codec)
        .build()
}

type User = BTreeMap<String, serde_json::Value>;

fn user(name: &str, visits: u32) -> User {
    [("name".to_owned(), name.into()), ("visits".to_owned(), visits.into())].into()
}

fn python_and_rust_read_what_the_other_wrote() {
    let server = Server::start();
    let tier = patient([server.address()]).build();
    let greetings: TieredCache<String, String> = cache(&tier, "greetings", Raw);
    let users: TieredCache<u64, User> = cache(&tier, "users", Json);
    greetings.insert("de".into(), "Grüezi".into()).expect("stored");
    greetings.insert("it".into(), "Ciao".into()).expect("stored");
    assert_eq!(users.get_with(7, || user("Ada", 3)), user("Ada", 3));
    assert_eq!(users.get_with(8, || user("Eve", 1)), user("Eve", 1));
    users.invalidate(&8).expect("removed");

    let port = server.address().rsplit(':').next().expect("a port").to_owned();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/interop.py");
    let output = python().args([script, &port]).output().expect("it was there before");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");

    // Another process: nothing of it is in memory.
    let greetings: TieredCache<String, String> = cache(&tier, "greetings", Raw);
    let users: TieredCache<u64, User> = cache(&tier, "users", Json);
    assert_eq!(greetings.get("fr").as_deref(), Some("Bonjour à tous"));
    assert_eq!(greetings.get("it"), None);
    assert_eq!(users.get_with(9, || unreachable!("Python wrote it")), user("Grace", 1));
    // What is no value is a miss, and is replaced.
    assert_eq!(users.get_with(10, || user("Joan", 2)), user("Joan", 2));
    assert_eq!(users.stats().remote.rejected_corrupt, 1);
    let users: TieredCache<u64, User> = cache(&tier, "users", Json);
    assert_eq!(users.get(&10), Some(user("Joan", 2)));
}
