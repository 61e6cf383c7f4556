//! Tells the benchmarks which compiler they were built with, and for which machine: figures are
//! worth nothing without.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=BENCHES_COMPILER={}", version.unwrap_or_default());
    println!("cargo::rustc-env=BENCHES_TARGET={}", env::var("TARGET").unwrap_or_default());
}
