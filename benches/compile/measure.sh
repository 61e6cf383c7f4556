#!/usr/bin/env bash
# How long does it take to compile two hundred annotated functions? With `#[cached]` of this crate, with
# that of `cached` 4.1 (`by_key`, and sharded), and with no attribute at all.
#
# Run from anywhere: `bash benches/compile/measure.sh [rounds]`. Downloads `cached` once. Each round
# compiles each crate anew, the crates it depends on not, in turns; the medians are printed, in seconds.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
rounds="${1:-5}"
functions=200
# What was compiled before must not help.
export CARGO_INCREMENTAL=0
work="${CARGO_TARGET_DIR:-$root/target}/compile"
mkdir -p "$work"

# name of the crate, dependency, attribute
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
crate ours "cache-core = { path = \"$root/cache-core\" }" "#[cache_core::cached(ttl = 60, max_capacity = 1000)]"
crate by_key 'cached = "4.1"' \
    '#[cached::macros::cached(max_size = 1000, ttl_secs = 60, sync_writes = "by_key")]'
crate sharded 'cached = "4.1"' '#[cached::macros::concurrent_cached(max_size = 1000, ttl_secs = 60)]'

# Seconds that one compilation of the crate itself takes; its dependencies are there.
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
            '{ ms[NR] = $1 } END { printf "cargo %-15s  %-8s %6.2f s\n", command, name, ms[int((NR + 1) / 2)] / 1000 }'
        rm "$work/${command// /}-$name.$$"
    done
done
