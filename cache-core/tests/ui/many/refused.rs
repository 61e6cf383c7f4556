//! What `many` is not for.

use cache_core::cached;
use std::collections::HashMap;

#[cached(many = id)]
fn unknown(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(many = ids)]
fn not_a_slice(ids: Vec<u64>) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(many = ids)]
fn borrowed(ids: &[&str]) -> HashMap<String, u64> {
    ids.iter().map(|id| ((*id).to_owned(), 1)).collect()
}

#[cached(many = ids)]
fn floats(ids: &[f64]) -> Vec<(f64, u64)> {
    ids.iter().map(|id| (*id, 1)).collect()
}

#[cached(many = ids, skip(ids), cache_errors, single_flight = false)]
fn options(ids: &[u64]) -> Result<HashMap<u64, u64>, String> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[cached(many = ids, key(n: usize = ids.len()))]
fn not_in_the_key(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(many = "ids")]
fn text(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(many = ids)]
fn optional(ids: &[u64]) -> Option<HashMap<u64, u64>> {
    Some(ids.iter().map(|id| (*id, *id)).collect())
}

#[cached(many = ids, skip(log))]
async fn mutable(ids: &[u64], log: &mut Vec<u64>) -> HashMap<u64, u64> {
    log.extend(ids);
    ids.iter().map(|id| (*id, *id)).collect()
}

struct Shop;

impl Shop {
    #[cached(many = ids, skip(self))]
    fn by_value(self, ids: &[u64]) -> HashMap<u64, u64> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

fn main() {}
