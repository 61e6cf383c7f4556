//! A function over many keys at once: `many = ids`.
//!
//! Each element of the argument, with the other parts, is a key. The elements are looked up one by
//! one, the body is called with those that are missing, and the pairs of elements and values that
//! it returns are put together with those that were found. The loads are a batch: `load/batch.rs`.

use super::bounds::{Fits, HashBuilder, Impossible, Key, Never};
use super::type_probe::ReturnKind;
use super::view::{OwnKey, Owned, Part, View};
use crate::api::cache::Cache;
use crate::flight::share_error::SharedError;
use crate::load::attempt::Lookup;
use crate::load::batch::{Batch, LoadedBatch, answers, numbers};
use std::hash::Hash;

/// What a function over many keys returns.
#[diagnostic::on_unimplemented(
    message = "a function over many keys cannot return `{Self}`",
    label = "no collection of pairs of `{I}` and a value",
    note = "return a `HashMap`, a `BTreeMap`, or a `Vec` of pairs: elements of the argument with \
            their values, those that have one"
)]
pub trait Pairs<I, V, Way>: Sized {
    /// Returns how it is taken apart and put together.
    fn pairing() -> Pairing<I, V, Self>;
}

impl<I, V, C> Pairs<I, V, Fits> for C
where
    I: Hash + Eq + Clone,
    C: IntoIterator<Item = (I, V)> + FromIterator<(I, V)>,
{
    fn pairing() -> Pairing<I, V, C> {
        Pairing {
            cloned: |ids| ids.iter().copied().cloned().collect(),
            apart: |pairs| pairs.into_iter().collect(),
            numbers: |asked, pairs| numbers(asked, pairs.iter().map(|(id, _)| id)),
            together: |pairs| pairs.into_iter().collect(),
            complete: |ids, mut values, loaded| {
                let missing = values.iter_mut().filter(|value| value.is_none());
                loaded.into_iter().zip(missing).for_each(|(loaded, value)| *value = loaded);
                let pairs = ids.iter().zip(values);
                pairs.filter_map(|(id, value)| Some((id.clone(), value?))).collect()
            },
        }
    }
}

impl<I, V, C: Impossible> Pairs<I, V, Never> for C {
    fn pairing() -> Pairing<I, V, C> {
        unreachable!("there is no such collection")
    }
}

/// For each element a number or a value, if it has one.
type Sparse<T> = Vec<Option<T>>;
/// A collection that has been taken apart.
type PairList<I, V> = Vec<(I, V)>;

/// How a collection of pairs is taken apart and put together. Pointers, not a trait: only [`Pairs`]
/// is to be reported.
pub struct Pairing<I, V, C> {
    /// Returns clones of elements, for the body.
    pub(super) cloned: fn(&[&I]) -> Vec<I>,
    /// Takes a collection apart.
    apart: fn(C) -> PairList<I, V>,
    /// Returns for each pair the index of its element among those that the body was called with.
    numbers: fn(&[&I], &PairList<I, V>) -> Sparse<usize>,
    /// Puts a collection together again.
    together: fn(PairList<I, V>) -> C,
    /// Makes a collection of those elements that have a value: one that was found or, in the place
    /// of a missing one, one that was loaded.
    pub(super) complete: fn(&[I], Sparse<V>, Sparse<V>) -> C,
}

impl<I, V, C> Pairing<I, V, C> {
    /// Returns what a body has returned, with the numbers of the elements.
    pub(super) fn answers<K>(&self, asked: &[&I], returned: C) -> LoadedBatch<K, V> {
        let pairs = (self.apart)(returned);
        answers(asked.len(), (self.numbers)(asked, &pairs), pairs, |_| None)
    }

    /// Returns what a body has returned for all elements, as it was, and the value to keep for
    /// each, if it has one.
    pub(super) fn kept<R, H: ReturnKind<R, C>>(
        &self,
        ids: &[I],
        returned: R,
    ) -> (R, Sparse<V>, Option<SharedError>)
    where
        V: Clone,
    {
        let mut kept = vec![None; ids.len()];
        let returned = H::into_result(returned).map(|pairs| {
            let pairs = (self.apart)(pairs);
            let numbers = (self.numbers)(&Vec::from_iter(ids), &pairs);
            for (number, (_, value)) in numbers.into_iter().zip(&pairs) {
                number.map(|number| kept[number].get_or_insert_with(|| value.clone()));
            }
            (self.together)(pairs)
        });
        (H::from_result(returned), kept, None)
    }
}

/// What a look-up of many keys has found. `None` for a call that bypasses the cache.
pub struct BatchLookup<O: Owned, V>(pub(super) Option<Found<O::Key, V>>);

/// The values that were found, and what is missing.
pub(super) struct Found<K, V> {
    /// For each element, in their order, the value that was found.
    pub(super) values: Sparse<V>,
    /// Of the missing elements, the keys, and what the look-up saw of them.
    pub(super) keys: Vec<K>,
    pub(super) looked_up: Vec<Lookup<V>>,
    /// Nothing was looked up: all keys are loaded, whatever is stored.
    pub(super) anew: bool,
}

impl<O: Owned, V> BatchLookup<O, V> {
    /// A call that has looked nothing up: it loads anew.
    pub(super) fn anew<P: Part<Key = O::Key>>(views: impl Iterator<Item = View<P>>) -> Self {
        let keys: Vec<O::Key> = views.map(|view| view.0.to_key()).collect();
        let values = keys.iter().map(|_| None).collect();
        Self(Some(Found { values, keys, looked_up: Vec::new(), anew: true }))
    }
}

impl<K: Key, V: Clone + 'static> Found<K, V> {
    /// Returns the elements without a value.
    pub(super) fn missing<'i, I>(&self, ids: &'i [I]) -> Vec<&'i I> {
        let found = ids.iter().zip(&self.values);
        let missing = found.filter_map(|(id, value)| value.is_none().then_some(id));
        missing.take(self.keys.len()).collect()
    }

    /// Returns the keys, of a call that loads all of them anew.
    pub(super) fn into_keys<O: Owned<Key = K>>(self) -> Vec<OwnKey<O>> {
        self.keys.into_iter().map(OwnKey).collect()
    }

    /// Returns the values, and the batch of the missing keys.
    pub(super) fn into_batch<S: HashBuilder>(
        self,
        cache: &Cache<K, V, S>,
    ) -> (Sparse<V>, Batch<'_, K, V>) {
        let (hasher, looked_up) = (cache.inner.hasher.clone(), self.looked_up.into_iter());
        let hash = |key: &K| cache.hash(key);
        (self.values, Batch::new(cache.store(), &self.keys, looked_up, hasher, hash))
    }
}
