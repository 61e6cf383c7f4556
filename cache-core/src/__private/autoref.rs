//! A part of a key of which the attribute knows only the expression: `key(self.id)`.
//!
//! A reference is looked up as it is, `self.name.as_str()` as a `&str`; any other value is
//! borrowed, `self.id` as a `&u64`. rustc chooses by the type, without specialisation: it prefers
//! an inherent method to one of a trait. That method has an unusual name, so that no trait of the
//! user has one of the same name.

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
