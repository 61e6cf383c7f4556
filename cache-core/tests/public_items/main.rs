//! The public items of the published crates, beside the committed listing of them: a change that
//! users can see shows in a review as a change of the listing.
//!
//! The listing is made of the sources, with syn, and so by any toolchain and without a network. An
//! item is in it if the crate's root or a public module names it in a `pub use`, and is written as
//! the source has it, without documentation and bodies. The order is that of the text, so that
//! moving an item to another file changes nothing. Not in it: implementations that a macro of the
//! crate writes, auto traits, and what a type alias or bound of another crate means.
//!
//! After an intended change: `PUBLIC_ITEMS=overwrite cargo test -p cache-core --test public_items`.

mod listing;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::listing::Crate;

/// Compares a crate with its listing, or writes that anew.
fn check(name: &str, roots: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let items = Crate::read(&here.join("..").join(name).join("src"), roots).items();
    let path = here.join("tests/public_items").join(format!("{name}.txt"));
    if std::env::var_os("PUBLIC_ITEMS").is_some_and(|word| word == "overwrite") {
        let text: String = items.iter().flat_map(|item| [item, "\n"]).collect();
        fs::write(&path, text).unwrap();
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let gone: Vec<_> = listed.difference(&items).map(|item| format!("- {item}")).collect();
    let new: Vec<_> = items.difference(&listed).map(|item| format!("+ {item}")).collect();
    let changes = [gone, new].concat().join("\n");
    assert!(
        changes.is_empty(),
        "the public items of {name} have changed; if that is meant, run this test with \
         PUBLIC_ITEMS=overwrite, and tell users in CHANGELOG.md:\n{changes}"
    );
}

#[test]
fn public_items_of_cache_core_are_those_listed() {
    check("cache-core", &["lib.rs", "tier/mod.rs", "__private/macro_caches.rs"]);
}

#[test]
fn public_items_of_cache_memcached_are_those_listed() {
    check("cache-memcached", &["lib.rs"]);
}

#[test]
fn the_listing_has_what_users_see_and_nothing_else() {
    let source = "
        pub use inner::{Seen, Shown};
        pub mod open;
        pub(crate) use inner::Hidden;
        /// A word.
        #[derive(Clone)]
        pub struct Seen<T> { pub open: T, closed: u8 }
        impl<T> Seen<T> {
            /// Says it.
            pub fn say(&self, words: &[&'static str]) -> Option<T> { None }
            pub(crate) fn think(&self) {}
            fn dream(&self) {}
        }
        impl<T: Copy> Iterator for Seen<T> { type Item = T; fn next(&mut self) -> Option<T> { None } }
        pub trait Shown { const N: u8 = 1; fn must(&self); fn may(&self) -> u8 { 1 } }
        #[cfg(test)]
        impl Seen<u8> { pub fn test(&self) {} }
    ";
    let hidden = "pub struct Hidden; impl Hidden { pub fn say(&self) {} }";
    let expected = [
        "impl<T: Copy> Iterator for Seen<T>",
        "impl<T> Seen<T> :: pub fn say(&self, words: &[&'static str]) -> Option<T>",
        "pub mod open",
        "pub struct Seen<T> #[derive(Clone)]",
        "pub struct Seen<T> :: pub open: T",
        "pub trait Shown",
        "pub trait Shown :: const N: u8 = default",
        "pub trait Shown :: fn may(&self) -> u8 = default",
        "pub trait Shown :: fn must(&self)",
        "pub use Seen",
        "pub use Shown",
    ];
    let files = [("lib.rs".into(), source.to_owned()), ("inner.rs".into(), hidden.to_owned())];
    let items = Crate::parse(&files, &["lib.rs"]).items();
    let expected: BTreeSet<String> = expected.map(str::to_owned).into();
    assert_eq!(items, expected);
}
