//! Several real processes over a real memcached. Without one these tests are reported as ignored.
//!
//! This executable runs itself: with the variable [`parent::ROLE`] it is a child, which does what
//! its parent says, line by line over pipes (`child.rs`, and `parent.rs` for the other end). A
//! child ends with its parent, whatever becomes of that.

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod flushes;
#[cfg(unix)]
#[path = "../common/harness.rs"]
mod harness;
#[cfg(unix)]
mod leases;
#[cfg(unix)]
#[allow(dead_code, reason = "another binary uses the rest")]
#[path = "../server/memcached.rs"]
mod memcached;
#[cfg(unix)]
mod model;
#[cfg(unix)]
mod model_child;
#[cfg(unix)]
mod origin;
#[cfg(unix)]
mod outages;
#[cfg(unix)]
mod parent;
#[cfg(unix)]
mod promise;

#[cfg(unix)]
fn main() {
    use harness::trials;
    use libtest_mimic::{Arguments, run};

    if let Ok(settings) = std::env::var(parent::ROLE) {
        return child::run(&settings);
    }
    let is_missing = !memcached::is_installed();
    if is_missing {
        eprintln!("memcached is not installed: the tests that need it are ignored");
    }
    let families: [(&str, harness::Cases); 4] = [
        ("leases", leases::CASES),
        ("flushes", flushes::CASES),
        ("outages", outages::CASES),
        ("model", model::CASES),
    ];
    let with_server =
        families.into_iter().flat_map(|(family, cases)| trials(family, cases, is_missing));
    let alone = trials("promise", promise::CASES, false);
    run(&Arguments::from_args(), with_server.chain(alone).collect()).exit();
}

#[cfg(not(unix))]
fn main() {}
