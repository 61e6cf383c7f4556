//! A type that borrows, in a shape whose owned form is not known.

use cache_core::cached;

struct Parser<'a>(&'a str);

#[cached]
fn own(parser: Parser<'_>) -> usize {
    parser.0.len()
}

#[cached]
fn list(words: &[&str]) -> usize {
    words.len()
}

fn main() {}
