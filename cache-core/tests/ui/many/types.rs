//! What the compiler finds of functions over many keys.

use cache_core::cached;
use std::collections::HashMap;

#[cached(many = ids)]
fn positions(ids: &[u64]) -> Vec<u64> {
    ids.to_vec()
}

#[cached(many = ids)]
fn other_keys(ids: &[u64]) -> HashMap<String, u64> {
    ids.iter().map(|id| (id.to_string(), *id)).collect()
}

#[derive(Clone, PartialEq, Eq)]
struct Opaque;

#[cached(many = ids)]
fn not_hash(ids: &[Opaque]) -> Vec<(Opaque, u64)> {
    ids.iter().map(|id| (id.clone(), 1)).collect()
}

struct NotClone;

#[cached(many = ids)]
fn not_clone(ids: &[u64]) -> HashMap<u64, NotClone> {
    ids.iter().map(|id| (*id, NotClone)).collect()
}

fn main() {}
