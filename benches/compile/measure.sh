#!/usr/bin/env bash
# Measures the time to compile two hundred annotated functions: with `#[cached]` of this crate, with
# that of `cached` 4.1 (`by_key`, and sharded), and with no attribute at all.
#
# Run from anywhere: `bash benches/compile/measure.sh [rounds]`. Downloads `cached` once. In each
# round the crates take turns, and each is compiled again without its dependencies. Prints the
# medians in seconds.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
rounds="${1:-5}"
functions=200
# Nothing may be reused from an earlier compilation.
export CARGO_INCREMENTAL=0
work="${CARGO_TARGET_DIR:-$root/target}/compile"
mkdir -p "$work"

# Makes a crate. Arguments: its name, its dependency, the attribute of its functions.
crate() {
    local at="$work/$1"
    mkdir -p "$at/src"
    cat >"$at/Cargo.toml" <<TOML
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[dependencies]
$2
[workspace]
TOML
    {
        echo "//! Functions, all different."
        for n in $(seq "$functions"); do
            echo "$3"
            echo "pub fn price_$n(sku: &str, qty: u64) -> String { format!(\"{sku}{}\", qty + $n) }"
        done
    } >"$at/src/lib.rs"
}

crate plain "" ""
crate ours "cache-core = { path = \"$root/cache-core\" }" \
    '#[cache_core::cached(ttl = 60, max_capacity = 1000)]'
crate by_key 'cached = "4.1"' \
    '#[cached::macros::cached(max_size = 1000, ttl_secs = 60, sync_writes = "by_key")]'
crate sharded 'cached = "4.1"' \
    '#[cached::macros::concurrent_cached(max_size = 1000, ttl_secs = 60)]'

# Prints the milliseconds of one compilation of the crate itself, without its dependencies.
once() {
    touch "$work/$1/src/lib.rs"
    local began ended
    began=$(date +%s%N)
    cargo $2 --quiet --offline --manifest-path "$work/$1/Cargo.toml" --target-dir "$work/target"
    ended=$(date +%s%N)
    echo "$(((ended - began) / 1000000))"
}

for name in plain ours by_key sharded; do
    for command in check build "build --release"; do
        cargo $command --quiet --manifest-path "$work/$name/Cargo.toml" --target-dir "$work/target"
    done
done
for command in check build "build --release"; do
    for round in $(seq "$rounds"); do
        for name in plain ours by_key sharded; do
            once "$name" "$command" >>"$work/${command// /}-$name.$$"
        done
    done
    for name in plain ours by_key sharded; do
        sort -n "$work/${command// /}-$name.$$" | awk -v name="$name" -v command="$command" \
            '{ ms[NR] = $1 }
             END {
                 median = ms[int((NR + 1) / 2)]
                 printf "cargo %-15s  %-8s %6.2f s\n", command, name, median / 1000
             }'
        rm "$work/${command// /}-$name.$$"
    done
done
