//! The arguments of a call as a key that borrows.
//!
//! The cache of a function keeps tuples of owned values, `(String, u64)`. A call has `&str` and
//! `u64`. A [`View`] holds references to the arguments in a tuple of the same shape,
//! `(&str, &u64)`. It must hash like the owned tuple, and does so without any code for it: a
//! reference hashes like what it points to, a tuple hashes part by part, an `Option` hashes its
//! discriminant and then its part, and `Borrow`, on which `ToOwned` is built, promises that owned
//! and borrowed forms hash alike. The shapes nest, so `Option<(&str, u64)>` works as well.

use super::bounds::{Key, Never};
use equivalent::Equivalent;
use std::borrow::Borrow;
use std::hash::Hash;
use std::marker::PhantomData;

/// One borrowed part of a key, or a tuple or `Option` of such parts.
pub trait Part: Hash {
    /// The owned form, as it is stored in the cache.
    type Key: Key;

    /// A stand-in for the type of the owned form.
    type Owned: Owned<Key = Self::Key>;

    /// Returns `true` if the owned form is equal.
    fn is(&self, key: &Self::Key) -> bool;

    /// Returns the owned form; only here an argument is cloned.
    fn to_key(&self) -> Self::Key;
}

impl<T> Part for &T
where
    T: ToOwned<Owned: Key> + Hash + Eq + ?Sized,
{
    type Key = T::Owned;
    type Owned = Leaf<T::Owned>;

    #[inline]
    fn is(&self, key: &T::Owned) -> bool {
        **self == *key.borrow()
    }

    #[inline]
    fn to_key(&self) -> T::Owned {
        (**self).to_owned()
    }
}

impl<P: Part> Part for Option<P> {
    type Key = Option<P::Key>;
    type Owned = Option<P::Owned>;

    #[inline]
    fn is(&self, key: &Self::Key) -> bool {
        match (self, key) {
            (Some(part), Some(key)) => part.is(key),
            (None, None) => true,
            _ => false,
        }
    }

    #[inline]
    fn to_key(&self) -> Self::Key {
        self.as_ref().map(P::to_key)
    }
}

/// Tuples of up to twelve parts: the standard library hashes no longer ones.
macro_rules! tuple {
    ($($part:ident $index:tt),*) => {
        impl<$($part: Part),*> Part for ($($part,)*) {
            type Key = ($($part::Key,)*);
            type Owned = ($($part::Owned,)*);

            #[inline]
            fn is(&self, _key: &Self::Key) -> bool {
                true $(&& self.$index.is(&_key.$index))*
            }

            #[inline]
            #[allow(clippy::unused_unit, reason = "the body of the tuple of no parts")]
            fn to_key(&self) -> Self::Key {
                ($(self.$index.to_key(),)*)
            }
        }

        impl<$($part: Owned),*> Owned for ($($part,)*) {
            type Key = ($($part::Key,)*);
        }
    };
}

tuple!();
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

/// A tuple of parts to look up; it lives on the stack for one call.
///
/// A new type, because [`Equivalent`] cannot be implemented here for a plain tuple.
#[derive(Hash)]
pub struct View<P>(pub P);

impl<P: Part> Equivalent<P::Key> for View<P> {
    #[inline]
    fn equivalent(&self, key: &P::Key) -> bool {
        self.0.is(key)
    }
}

/// A stand-in for the type of an owned key.
///
/// If a part of a key is wrong rustc does not know this type, and so reports nothing about the key.
pub trait Owned {
    /// The type of the key.
    type Key: Key;
}

/// A stand-in for the type of one part of a key.
pub struct Leaf<K>(PhantomData<fn() -> K>);

impl<K: Key> Owned for Leaf<K> {
    type Key = K;
}

/// With `Leaf` as the only implementor, rustc would infer it and report follow-up errors.
impl Owned for Never {
    type Key = ();
}

impl<O: Owned> Owned for Option<O> {
    type Key = Option<O::Key>;
}

/// The owned key of a call, on its way into the cache.
pub struct OwnKey<O: Owned>(pub(super) O::Key);

/// Returns the owned key of a call.
pub fn key_of<P: Part>(view: View<P>) -> OwnKey<P::Owned> {
    OwnKey(view.0.to_key())
}

/// Returns the owned keys of a call for many.
pub fn keys_of<P: Part>(views: impl Iterator<Item = View<P>>) -> Vec<OwnKey<P::Owned>> {
    views.map(key_of).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use std::hash::{DefaultHasher, Hasher};
    use std::path::{Path, PathBuf};

    fn hash(value: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// Both must hold for a look-up to find the key at all.
    fn assert_stands_for<P: Part>(view: View<P>, key: &P::Key) {
        assert_eq!(hash(&view), hash(key));
        assert!(view.equivalent(key));
        assert!(view.equivalent(&key_of(view.by_ref()).0));
    }

    impl<P: Part> View<P> {
        fn by_ref(&self) -> View<Borrowed<'_, P>> {
            View(Borrowed(&self.0))
        }
    }

    /// A part through a reference, to use a view twice.
    struct Borrowed<'a, P>(&'a P);

    impl<P: Part> Hash for Borrowed<'_, P> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    impl<P: Part> Part for Borrowed<'_, P> {
        type Key = P::Key;
        type Owned = P::Owned;

        fn is(&self, key: &P::Key) -> bool {
            self.0.is(key)
        }

        fn to_key(&self) -> P::Key {
            self.0.to_key()
        }
    }

    #[test]
    fn view_hashes_and_compares_like_the_owned_tuple() {
        assert_stands_for(View(()), &());
        assert_stands_for(View((&7_u64,)), &(7,));
        assert_stands_for(View(("a", &7_u64)), &("a".to_owned(), 7));
        assert_stands_for(View((Some("a"), None::<&[u8]>)), &(Some("a".to_owned()), None));
        assert_stands_for(
            View((Path::new("a/b"), [1_u8, 2].as_slice())),
            &(PathBuf::from("a/b"), vec![1, 2]),
        );
        assert_stands_for(View((&[1_u8, 2], &*Cow::Borrowed("a"))), &([1, 2], "a".to_owned()));
        assert_stands_for(
            View((("a", &1_u8), Some(("b", Some(&2_u8))))),
            &(("a".to_owned(), 1), Some(("b".to_owned(), Some(2)))),
        );
        assert_stands_for(
            View((&1, &2, &3, &4, &5, &6, &7, &8, &9, &10, &11, "12")),
            &(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, "12".to_owned()),
        );
    }

    #[test]
    fn view_differs_where_any_part_does() {
        let view = View(("a", &1_u8, Some("b"), (&2_u8, "c")));
        let key = key_of(view.by_ref()).0;
        assert!(view.equivalent(&key));
        let mut other = key.clone();
        other.0 = "x".to_owned();
        assert!(!view.equivalent(&other));
        other = key.clone();
        other.1 = 9;
        assert!(!view.equivalent(&other));
        for maybe in [None, Some("x".to_owned())] {
            other = key.clone();
            other.2 = maybe;
            assert!(!view.equivalent(&other));
        }
        other = key;
        other.3.1 = "x".to_owned();
        assert!(!view.equivalent(&other));
        assert!(!View((None::<&str>,)).equivalent(&(Some("a".to_owned()),)));
    }
}
