//! Each wrong use of `#[cached]` is one clear error at the right place, saying the remedy.
//!
//! The expected texts hold those of the compiler too, so they belong to the toolchain of the
//! project; `TRYBUILD=overwrite` writes them anew. A binary of its own, so that this command runs
//! nothing else.

#![cfg(feature = "macros")]

#[test]
fn wrong_uses_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
