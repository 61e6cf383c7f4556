//! What the test binaries with a harness of their own share: how cases are listed and run.
//!
//! The standard harness cannot say of a test that it is ignored when it finds, at run time, that
//! what it needs is not installed.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;

/// The cases of a file, each with its name.
pub(crate) type Cases = &'static [(&'static str, fn())];

/// Lists the cases of a file as its `CASES`.
macro_rules! cases {
    ($($(#[$cfg:meta])? $case:ident),* $(,)?) => {
        pub(crate) const CASES: crate::harness::Cases =
            &[$($(#[$cfg])? (stringify!($case), $case)),*];
    };
}
pub(crate) use cases;

/// The cases of one file as tests.
pub(crate) fn trials(
    family: &'static str,
    cases: Cases,
    is_ignored: bool,
) -> impl Iterator<Item = Trial> {
    cases.iter().map(move |(name, case)| {
        let trial = Trial::test(format!("{family}::{name}"), || {
            case();
            Ok(())
        });
        trial.with_ignored_flag(is_ignored)
    })
}

/// Waits until the condition holds.
///
/// # Panics
/// If that takes longer than any machine is slow.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
