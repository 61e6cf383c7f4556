//! Types that are only called like one that the attribute knows how to borrow: one error each.

use cache_core::cached;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Option<T>(T);

mod borrowing {
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct Cow<'a, T: ?Sized>(pub &'a T);
}

mod owning {
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct Cow<T>(pub T);
}

#[derive(Clone)]
struct String;

#[cached]
fn option(text: Option<&str>) -> usize {
    text.0.len()
}

#[cached(companion = false)]
fn option_of_a_pair(pair: Option<(&str, u64)>) -> usize {
    pair.0.0.len()
}

#[cached]
fn cow(text: borrowing::Cow<'_, str>) -> usize {
    text.0.len()
}

#[cached]
async fn other_cow(number: owning::Cow<u64>) -> u64 {
    number.0
}

#[cached]
fn string(_text: String, _other: &String) -> u64 {
    1
}

#[cached]
fn owned_option(number: Option<u64>) -> u64 {
    number.0
}

fn main() {
    owned_option(Option(1));
}
