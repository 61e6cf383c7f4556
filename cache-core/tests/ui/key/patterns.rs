//! What a pattern binds has a type that must show, and can be left out in full or in part.

use cache_core::cached;

struct User {
    id: u64,
    name: String,
}

#[cached(key(id))]
fn untyped(User { id, name }: User) -> String {
    format!("{id} {name}")
}

#[cached(skip(nam))]
fn unknown(User { id, name }: User) -> String {
    format!("{id} {name}")
}

#[cached(skip(name))]
fn rest_untyped(User { id, name }: User) -> String {
    format!("{id} {name}")
}

#[cached(skip(rate))]
fn rest_no_key((rate, factor): (f64, f64)) -> u64 {
    (rate * factor) as u64
}

struct Shop;

impl Shop {
    #[cached(skip(..))]
    fn undecided(&self, n: u64) -> u64 {
        n
    }
}

#[cached(many = ids, skip(..))]
fn many(ids: &[u64]) -> Vec<(u64, u64)> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
