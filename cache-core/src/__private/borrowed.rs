//! Arguments that the attribute takes for an `Option` or a `Cow` of something borrowed, by the last
//! word of their type. A type of the user that merely has this name is one error, by these traits.

use std::borrow::Cow;

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
