//! What this program was built with; the build script knows it.

/// `rustc --version`.
pub const COMPILER: &str = env!("BENCHES_COMPILER");
/// The target triple.
pub const TARGET: &str = env!("BENCHES_TARGET");
