//! A function over many keys at once: `many = ids`.
//!
//! Each element of the argument, with the other parts, is a key. The elements are looked up one by
//! one, the body is called with those that are missing, and the pairs of elements and values that
//! it returns are put together with those that were found. The loads are a batch: `load/batch.rs`.

use super::bounds::HashBuilder;
use super::diagnostics::{Fits, Impossible, Never};
use super::return_kind::ReturnKind;
use super::view::{OwnKey, Owned, Part, View};
use crate::__private::macro_caches;
use crate::api::cache::Cache;
use crate::flight::wait::Caller;
use crate::load::batch::{Answers, Batch, numbered, numbers};
use crate::load::refresh::Looked;
use std::future::Future;
use std::hash::Hash;

/// What a function over many keys returns.
#[diagnostic::on_unimplemented(
    message = "a function over many keys cannot return `{Self}`",
    label = "no collection of pairs of `{I}` and a value",
    note = "return a `HashMap`, a `BTreeMap`, or a `Vec` of pairs: elements of the argument with \
            their values, those that have one"
)]
pub trait Pairs<I, V, Way>: Sized {
    /// How it is taken apart and put together. Without a bound, for only this trait is to be
    /// reported: its [`Pairing`] is demanded where it is used.
    type As;

    /// Returns it.
    #[must_use]
    fn pairing() -> Self::As;
}

impl<I, V, C> Pairs<I, V, Fits> for C
where
    I: Hash + Eq + Clone,
    C: IntoIterator<Item = (I, V)> + FromIterator<(I, V)>,
{
    type As = Collected;

    fn pairing() -> Collected {
        Collected
    }
}

impl<I, V, C: Impossible> Pairs<I, V, Never> for C {
    type As = Never;

    fn pairing() -> Never {
        unreachable!("there is no such collection")
    }
}

/// How a collection of pairs is taken apart and put together.
pub trait Pairing<C, I, V> {
    /// Returns clones of the elements, for the body.
    fn asked(&self, ids: &[&I]) -> Vec<I>;

    /// Takes a collection apart.
    fn apart(&self, pairs: C) -> Vec<(I, V)>;

    /// Returns for each pair the index of its element among those that the body was called with.
    fn numbers(&self, asked: &[&I], pairs: &[(I, V)]) -> Vec<Option<usize>>;

    /// Puts a collection together again.
    fn together(&self, pairs: Vec<(I, V)>) -> C;

    /// Makes a collection of those elements that have a value.
    fn found(&self, ids: &[I], values: Vec<Option<V>>) -> C;
}

/// The pairing of all collections.
#[derive(Clone, Copy, Debug)]
pub struct Collected;

impl<I, V, C> Pairing<C, I, V> for Collected
where
    I: Hash + Eq + Clone,
    C: IntoIterator<Item = (I, V)> + FromIterator<(I, V)>,
{
    fn asked(&self, ids: &[&I]) -> Vec<I> {
        ids.iter().copied().cloned().collect()
    }
    fn apart(&self, pairs: C) -> Vec<(I, V)> {
        pairs.into_iter().collect()
    }
    fn numbers(&self, asked: &[&I], pairs: &[(I, V)]) -> Vec<Option<usize>> {
        numbers(asked, pairs.iter().map(|(id, _)| id))
    }
    fn together(&self, pairs: Vec<(I, V)>) -> C {
        pairs.into_iter().collect()
    }
    fn found(&self, ids: &[I], values: Vec<Option<V>>) -> C {
        let pairs = ids.iter().zip(values);
        pairs.filter_map(|(id, value)| Some((id.clone(), value?))).collect()
    }
}

/// What a look-up of many keys has found. `None` for a call that bypasses the cache.
pub struct BatchLookup<O: Owned, V>(Option<Found<O::Key, V>>);

struct Found<K, V> {
    /// For each element, in their order, the value that was found.
    values: Vec<Option<V>>,
    /// Of the missing elements: their indices, their keys, and what the look-up saw of them.
    missing: Vec<usize>,
    keys: Vec<K>,
    looked: Vec<Looked<V>>,
}

impl<O: Owned, V> std::fmt::Debug for BatchLookup<O, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchLookup").field("bypassed", &self.0.is_none()).finish_non_exhaustive()
    }
}

impl<O: Owned, V: Clone + Send + Sync + 'static> BatchLookup<O, V> {
    /// Looks up each key. Only for missing elements an owned key is made.
    pub(super) fn look<P, S: HashBuilder>(
        cache: &Cache<P::Key, V, S>,
        views: impl Iterator<Item = View<P>>,
    ) -> Self
    where
        P: Part<Key = O::Key, Owned = O>,
    {
        if macro_caches::bypassed() {
            return Self::bypassed();
        }
        let values = Vec::with_capacity(views.size_hint().0);
        let mut found = Found { values, missing: vec![], keys: vec![], looked: vec![] };
        for (place, view) in views.enumerate() {
            let value = match cache.look_to_load(&view, cache.hash(&view)) {
                Looked::Served(value, _) => Some(value),
                looked => {
                    found.missing.push(place);
                    found.keys.push(view.0.to_key());
                    found.looked.push(looked);
                    None
                }
            };
            found.values.push(value);
        }
        Self(Some(found))
    }

    /// A call that bypasses the cache.
    pub(super) const fn bypassed() -> Self {
        Self(None)
    }

    /// Loads the missing elements. `body` is called with elements, not keys.
    pub(super) async fn load<I, C, R, S, H, F>(
        self,
        cache: &Cache<O::Key, V, S>,
        caller: Caller,
        ids: &[I],
        mut body: impl FnMut(Vec<I>) -> F,
        (keep, pairing): (H, impl Pairing<C, I, V>),
    ) -> R
    where
        S: HashBuilder,
        H: ReturnKind<R, C>,
        F: Future<Output = R>,
    {
        let Some(Found { mut values, missing, keys, looked }) = self.0 else {
            return body(pairing.asked(&ids.iter().collect::<Vec<_>>())).await;
        };
        let loader = |places: Vec<usize>| {
            let asked: Vec<&I> = places.into_iter().map(|place| &ids[missing[place]]).collect();
            let (loading, pairing) = (body(pairing.asked(&asked)), &pairing);
            async move {
                let pairs = pairing.apart(H::into_result(loading.await)?);
                let asked = numbered(pairing.numbers(&asked, &pairs), pairs);
                Ok(Answers { asked, others: Vec::new() })
            }
        };
        let hasher = cache.hasher().clone();
        let batch = Batch::new(&keys, looked.into_iter(), hasher, |key| cache.hash(key));
        match batch.load(cache.store(), caller, loader, keep.sharing()).await {
            Ok(loaded) => {
                missing.iter().zip(loaded).for_each(|(&place, value)| values[place] = value);
            }
            Err(left) => return H::from_result(Err(left)),
        }
        H::from_result(Ok(pairing.found(ids, values)))
    }
}

/// Runs a body for all elements, and caches what it returns.
pub(super) async fn refresh<O: Owned, V, I, C, R, S, H>(
    cache: &Cache<O::Key, V, S>,
    caller: Caller,
    (ids, keys): (&[I], Vec<OwnKey<O>>),
    body: impl Future<Output = R>,
    (_, pairing): (H, impl Pairing<C, I, V>),
) -> R
where
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
    H: ReturnKind<R, C>,
{
    let keys = keys.into_iter().map(|OwnKey(key)| cache.hashed(key)).collect();
    let loader = async {
        match H::into_result(body.await) {
            Ok(pairs) => {
                let pairs = pairing.apart(pairs);
                let numbers = pairing.numbers(&ids.iter().collect::<Vec<_>>(), &pairs);
                let numbered = numbers.into_iter().zip(&pairs);
                let kept =
                    numbered.filter_map(|(number, (_, value))| Some((number?, value.clone())));
                let kept = kept.collect();
                (H::from_result(Ok(pairing.together(pairs))), kept)
            }
            Err(left) => (H::from_result(Err(left)), Vec::new()),
        }
    };
    cache.store().reload_many(caller, keys, loader).await
}
