//! Arguments of which the attribute knows only the expression, or the last word of their type.
//!
//! `key(self.id)`: a reference is looked up as it is, `self.name.as_str()` as a `&str`; any other
//! value is borrowed, `self.id` as a `&u64`. rustc chooses by the type, without specialisation: it
//! prefers an inherent method to one of a trait. That method has an unusual name, so that no trait
//! of the user has one of the same name.
//!
//! An `Option` or a `Cow` of something borrowed is known by the last word of its type. A type of
//! the user that merely has this name is one error, by these traits.

use std::borrow::Cow;

/// The value of an expression, borrowed.
pub struct Bare<'a, T: ?Sized>(pub &'a T);

impl<'a, T: ?Sized> Bare<'a, &'a T> {
    /// What the reference points to.
    #[inline]
    pub const fn part_for_cached(&self) -> &'a T {
        self.0
    }
}

/// The choice for any value that is no reference.
pub trait BareValue<'a, T: ?Sized> {
    /// The value itself.
    fn part_for_cached(&self) -> &'a T;
}

impl<'a, T: ?Sized> BareValue<'a, T> for Bare<'a, T> {
    #[inline]
    fn part_for_cached(&self) -> &'a T {
        self.0
    }
}

/// `Option`, under whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called an `Option` but is none, and borrows",
    label = "not `core::option::Option`",
    note = "leave the argument out with `#[cached(skip(argument))]`, or say what stands for it \
            with `#[cached(key(name: Type = expression))]`"
)]
pub trait OptionPart {
    /// What is borrowed.
    type Value;

    /// Returns the value, if there is one.
    fn value(&self) -> Option<&Self::Value>;
}

impl<T> OptionPart for Option<T> {
    type Value = T;

    #[inline]
    fn value(&self) -> Option<&T> {
        self.as_ref()
    }
}

/// `Cow`, under whatever name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called a `Cow` but is none",
    label = "not `std::borrow::Cow`",
    note = "leave the argument out with `#[cached(skip(argument))]`, or say what stands for it \
            with `#[cached(key(name: Type = expression))]`"
)]
pub trait CowPart {
    /// What is borrowed.
    type Target: ?Sized;

    /// Returns a reference to it.
    fn target(&self) -> &Self::Target;
}

impl<T: ToOwned + ?Sized> CowPart for Cow<'_, T> {
    type Target = T;

    #[inline]
    fn target(&self) -> &T {
        self
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_reference_is_what_it_points_to() {
        let (text, number) = ("a".to_owned(), 7_u64);
        let (borrowed, pointer) = (text.as_str(), &number);
        let part: &str = Bare(&borrowed).part_for_cached();
        assert_eq!(part, "a");
        let part: &String = Bare(&text).part_for_cached();
        assert_eq!(part, "a");
        for part in [Bare(&number).part_for_cached(), Bare(&pointer).part_for_cached()] {
            assert_eq!(*part, 7);
        }
    }
}
