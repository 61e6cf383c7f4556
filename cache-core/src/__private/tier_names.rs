//! The names of functions in a remote tier.
//!
//! A function is named by its path, `shop.prices.price` for `shop::prices::price`, because a name
//! in a tier has no colons. A path that is too long, or does not print, is shortened to its end and
//! a hash of all of it. Of a method the type is part of the name whatever the user calls it: the
//! instances of a generic type, and the types of a trait, must not share values.

use crate::tier::{hashed, is_readable};
use crate::util::fork::Global;

/// The most bytes of a name.
const LONGEST: usize = 64;
/// The most bytes of it that are readable beside a hash, which takes 33 with its mark.
const LONGEST_BEFORE_HASH: usize = LONGEST - 33;

/// Returns the name of a function's values in a tier: its own, and that of its type if it is a
/// method.
///
/// Input: `shop::price`. Output: `shop.price`.
/// Input: `price`, `shop::Shop<u8>`. Output: `price@shop.Shop<u8>`.
pub(super) fn remote_name(name: &str, of_type: Option<&str>) -> String {
    let whole = match of_type {
        None => name.replace("::", "."),
        Some(of_type) => format!("{name}@{of_type}").replace("::", "."),
    };
    let is_valid = !whole.is_empty() && !whole.contains(':') && is_readable(whole.as_bytes());
    if whole.len() <= LONGEST && is_valid {
        return whole;
    }
    let readable = |at: &char| at.is_ascii_graphic() && *at != ':';
    let end: Vec<char> = whole.chars().rev().filter(readable).take(LONGEST_BEFORE_HASH).collect();
    let end: String = end.into_iter().rev().collect();
    let name = hashed(end.as_bytes(), whole.as_bytes());
    String::from_utf8(name).expect("it is ASCII")
}

/// The names that were derived from paths, each with the place of its function.
static DERIVED: Global<Vec<(String, &'static str)>> = Global::new(Vec::new(), |_| (), || ());

/// Notes a name that was derived from a path. Functions inside of functions, and methods of one
/// name of different traits, may have one path.
///
/// # Panics
/// If a function at another place has that name: each would be given the other's values.
pub(super) fn claim(name: &str, place: &'static str) {
    let mut derived = DERIVED.lock();
    let other = derived.iter().find(|(known, _)| known == name).map(|(_, place)| *place);
    match other {
        None => derived.push((name.to_owned(), place)),
        Some(other) if other == place => {}
        Some(other) => {
            drop(derived);
            panic!(
                "#[cached(tier = ..)]: the functions at {other} and at {place} would both be \
                 `{name}` in a tier; say `name = \"..\"`, another one for each"
            );
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn remote_name_of_a_path_has_no_colons() {
        assert_eq!(remote_name("shop::prices::price", None), "shop.prices.price");
        assert_eq!(remote_name("price", Some("shop::Shop<u8>")), "price@shop.Shop<u8>");
    }

    #[test]
    fn remote_name_that_is_no_name_ends_in_a_hash_of_all() {
        let long = "module::".repeat(20);
        let names = [
            remote_name(&format!("{long}price"), None),
            remote_name(&format!("a::{long}price"), None),
            remote_name("price", Some("shop::Shop<(u8, u16)>")),
            remote_name("price", Some("shop::Shop<(u8,u16)>x y")),
            remote_name("größe", None),
            remote_name("", None),
        ];
        for name in &names {
            assert!((33..=LONGEST).contains(&name.len()), "{name}");
            assert!(is_readable(name.as_bytes()) && !name.contains(':'), "{name}");
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert_eq!(names[0].len(), LONGEST);
        assert!(names[0].contains(".module.price~"), "{}", names[0]);
        // As every version of the library has it.
        assert_eq!(names[4], "gre~aed06bd1b4de70e93ed830df3b23bae0");
    }

    #[test]
    fn claim_of_another_function_is_refused() {
        claim("tests.first", "a.rs:1:1");
        claim("tests.first", "a.rs:1:1");
        claim("tests.second", "a.rs:2:1");
        let again = std::panic::catch_unwind(|| claim("tests.first", "a.rs:3:1"));
        let text = *again.expect_err("refused").downcast::<String>().expect("a text");
        assert!(text.contains("a.rs:1:1") && text.contains("a.rs:3:1"), "{text}");
        claim("tests.third", "a.rs:3:1");
    }
}
