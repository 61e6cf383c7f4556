//! Keys that a remote tier is to know: as [`Part`] and [`Owned`], with [`RemoteKey`].
//!
//! What has them is said once more part by part, and not by one implementation for all keys that
//! are `RemoteKey`: where a part is wrong rustc must not find out that the whole key is, too
//! (`diagnostics.rs`).

use super::bounds::{Fits, Impossible, Key, Never};
use super::view::{Leaf, Owned, Part, View};
use crate::tier::RemoteKey;
use crate::util::tuples::for_each_tuple;
use std::hash::Hash;

/// As [`KeyPart`](super::KeyPart), for a key that a remote tier is to know.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a remote tier",
    label = "must be `RemoteKey + Hash + Eq + Clone + Send + Sync + 'static`",
    note = "say with `#[cached(key(name: String = expression))]` what stands for the argument, \
            implement `cache_core::tier::RemoteKey` for its type, or leave it out with \
            `#[cached(skip(argument))]`"
)]
pub trait RemotePart<Way> {
    /// The borrowed form, which is looked up.
    type Borrowed<'a>: TierPart + Part<Key = Self::Kept>
    where
        Self: 'a;

    /// The owned form, which is kept.
    type Kept: Key + RemoteKey + Send + Sync;

    /// Returns the borrowed form.
    fn part(&self) -> Self::Borrowed<'_>;
}

impl<T> RemotePart<Fits> for T
where
    T: ToOwned<Owned: Key + RemoteKey + Send + Sync> + RemoteKey + Hash + Eq + ?Sized,
{
    type Borrowed<'a>
        = &'a T
    where
        T: 'a;
    type Kept = T::Owned;

    #[inline]
    fn part(&self) -> &T {
        self
    }
}

impl<T: Impossible + ?Sized> RemotePart<Never> for T {
    type Borrowed<'a>
        = ()
    where
        T: 'a;
    type Kept = ();

    fn part(&self) {}
}

/// As [`Part`].
pub trait TierPart: Part<Key: RemoteKey + Send + Sync, Owned: TierOwned> + RemoteKey {}

/// As [`Owned`].
pub trait TierOwned: Owned<Key: RemoteKey + Send + Sync> {}

impl<T> TierPart for &T where
    T: ToOwned<Owned: Key + RemoteKey + Send + Sync> + RemoteKey + Hash + Eq + ?Sized
{
}
impl<P: TierPart> TierPart for Option<P> {}

impl<K: Key + RemoteKey + Send + Sync> TierOwned for Leaf<K> {}
impl<O: TierOwned> TierOwned for Option<O> {}
impl TierOwned for Never {}

macro_rules! tuple {
    ($($part:ident)*) => {
        impl<$($part: TierPart),*> TierPart for ($($part,)*) {}
        impl<$($part: TierOwned),*> TierOwned for ($($part,)*) {}
    };
}

for_each_tuple!(tuple);

/// A borrowed key is written as the owned one is.
impl<P: RemoteKey> RemoteKey for View<P> {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}
