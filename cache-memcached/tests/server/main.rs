//! Tests against a real memcached. Without one they are reported as ignored.
//!
//! What does not depend on time is given a time limit that no machine is too slow for; what does
//! depend on it is only bounded from above, by ten times what is promised.

#[cfg(unix)]
mod basics;
#[cfg(unix)]
mod counters;
#[cfg(unix)]
mod failures;
#[cfg(unix)]
mod functions;
#[cfg(unix)]
#[path = "../common/harness.rs"]
mod harness;
#[cfg(unix)]
mod interop;
#[cfg(unix)]
mod leases;
#[cfg(unix)]
mod memcached;
#[cfg(unix)]
mod proxy;
#[cfg(unix)]
mod several;
#[cfg(all(unix, feature = "tokio"))]
mod tasks;
#[cfg(unix)]
mod tiered;
#[cfg(unix)]
mod tiers;
#[cfg(unix)]
mod watching;

#[cfg(unix)]
fn main() {
    use harness::trials;
    use libtest_mimic::{Arguments, run};

    let is_missing = !memcached::is_installed();
    if is_missing {
        eprintln!("memcached is not installed: the tests that need it are ignored");
    }
    let has_python = interop::is_installed();
    if !has_python {
        eprintln!("there is no Python with pymemcache (see CONTRIBUTING): its test is ignored");
    }
    let families = [
        ("basics", basics::CASES),
        ("leases", leases::CASES),
        ("counters", counters::CASES),
        ("failures", failures::CASES),
        ("several", several::CASES),
        ("watching", watching::CASES),
        ("tiered", tiered::CASES),
        ("functions", functions::CASES),
        ("interop", interop::CASES),
        #[cfg(feature = "tokio")]
        ("tasks", tasks::CASES),
    ];
    let trials = families.into_iter().flat_map(|(family, cases)| {
        trials(family, cases, is_missing || (family == "interop" && !has_python))
    });
    run(&Arguments::from_args(), trials.collect()).exit();
}

#[cfg(not(unix))]
fn main() {}
