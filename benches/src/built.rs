//! What this program was built with and from; the build script knows the first.

use std::path::{Path, PathBuf};

/// `rustc --version`.
pub const COMPILER: &str = env!("BENCHES_COMPILER");
/// The target triple.
pub const TARGET: &str = env!("BENCHES_TARGET");

/// Returns the root of the workspace.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns a path that a user gave: relative ones begin at the root of the workspace, because
/// cargo starts benchmarks in the folder of their package, which is not where the user is.
pub fn at_root(path: impl AsRef<Path>) -> PathBuf {
    root().join(path)
}
