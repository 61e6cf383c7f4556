//! What is cached outlives the call; `'static` references do as well.

use cache_core::cached;

#[cached]
fn reference(text: &str) -> &str {
    text
}

#[cached]
fn inside<'a>(text: &'a str) -> Option<&'a str> {
    Some(text)
}

#[cached]
fn fixed(_text: &str) -> &'static str {
    "fixed"
}

fn main() {}
