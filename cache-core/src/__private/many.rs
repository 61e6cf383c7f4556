//! A function over many keys at once: `many = ids`.
//!
//! Each element of the argument, with the other parts, is a key. The elements are looked up one by
//! one, the body is called with those that are missing, and the pairs of elements and values that
//! it returns are put together with those that were found. The loads are a batch: `load/batch.rs`.

use super::bounds::{Fits, HashBuilder, Impossible, Key, Never};
use super::return_kind::ReturnKind;
use super::view::{OwnKey, Owned, Part, View};
use crate::__private::macro_caches;
use crate::api::cache::Cache;
use crate::flight::share_error::SharedError;
use crate::load::attempt::Lookup;
use crate::load::batch::{Answers, Batch, answers, numbers};
use crate::util::hash::Hashed;
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
#[derive(Clone, Copy)]
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
    looked_up: Vec<Lookup<V>>,
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
        let mut found = Found { values, missing: vec![], keys: vec![], looked_up: vec![] };
        for (place, view) in views.enumerate() {
            let value = match cache.lookup_to_load(&view, cache.hash(&view)) {
                Lookup::Hit(value, _) => Some(value),
                looked_up => {
                    found.missing.push(place);
                    found.keys.push(view.0.to_key());
                    found.looked_up.push(looked_up);
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

    /// Loads what is missing. `body` is given elements, not keys.
    pub(super) fn load<I, C, R, S, H>(
        self,
        cache: &Cache<O::Key, V, S>,
        ids: &[I],
        mut body: impl FnMut(Vec<I>) -> R,
        (keep, pairing): (H, impl Pairing<C, I, V>),
    ) -> R
    where
        S: HashBuilder,
        H: ReturnKind<R, C>,
    {
        let Some(found) = self.0 else { return body(pairing.asked(&all(ids))) };
        let Found { mut values, missing, keys, looked_up } = found;
        let loader = |places: Vec<usize>| {
            let asked = elements(ids, &missing, places);
            let returned = H::into_result(body(pairing.asked(&asked)))?;
            Ok(answered(&pairing, &asked, returned))
        };
        let loaded = batch(cache, &keys, looked_up).load(loader, &keep.sharing());
        H::from_result(loaded.map(|loaded| {
            fill(&mut values, &missing, loaded);
            pairing.found(ids, values)
        }))
    }

    /// As [`load`](Self::load), with futures.
    pub(super) async fn load_async<I, C, R, S, H, F>(
        self,
        cache: &Cache<O::Key, V, S>,
        ids: &[I],
        mut body: impl FnMut(Vec<I>) -> F,
        (keep, pairing): (H, impl Pairing<C, I, V>),
    ) -> R
    where
        S: HashBuilder,
        H: ReturnKind<R, C>,
        F: Future<Output = R>,
    {
        let Some(found) = self.0 else { return body(pairing.asked(&all(ids))).await };
        let Found { mut values, missing, keys, looked_up } = found;
        let loader = |places: Vec<usize>| {
            let asked = elements(ids, &missing, places);
            let (loading, pairing) = (body(pairing.asked(&asked)), &pairing);
            async move { Ok(answered(pairing, &asked, H::into_result(loading.await)?)) }
        };
        let loaded = batch(cache, &keys, looked_up).load_async(loader, &keep.sharing()).await;
        H::from_result(loaded.map(|loaded| {
            fill(&mut values, &missing, loaded);
            pairing.found(ids, values)
        }))
    }
}

fn all<I>(ids: &[I]) -> Vec<&I> {
    ids.iter().collect()
}

/// The elements at these places of those that are missing.
fn elements<'i, I>(ids: &'i [I], missing: &[usize], places: Vec<usize>) -> Vec<&'i I> {
    places.into_iter().map(|place| &ids[missing[place]]).collect()
}

/// What a body has returned, with the numbers of the elements.
fn answered<C, I, K, V>(
    pairing: &impl Pairing<C, I, V>,
    asked: &[&I],
    returned: C,
) -> Answers<K, V> {
    let pairs = pairing.apart(returned);
    answers(pairing.numbers(asked, &pairs), pairs, |_| None)
}

fn batch<'c, K, V, S>(
    cache: &'c Cache<K, V, S>,
    keys: &[K],
    looked_up: Vec<Lookup<V>>,
) -> Batch<'c, K, V>
where
    K: Key,
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
{
    let hasher = cache.hasher().clone();
    Batch::new(cache.store(), keys, looked_up.into_iter(), hasher, |key| cache.hash(key))
}

/// Puts what was loaded into the places of what was missing.
fn fill<V>(values: &mut [Option<V>], missing: &[usize], loaded: Vec<Option<V>>) {
    missing.iter().zip(loaded).for_each(|(&place, value)| values[place] = value);
}

/// Runs a body for all elements, and keeps what it returns.
pub(super) fn refresh<O: Owned, V, I, C, R, S, H>(
    cache: &Cache<O::Key, V, S>,
    (ids, keys): (&[I], Vec<OwnKey<O>>),
    body: impl FnOnce() -> R,
    (_, pairing): (H, impl Pairing<C, I, V>),
) -> R
where
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
    H: ReturnKind<R, C>,
{
    let loader = || kept_of::<I, C, R, V, H>(&pairing, ids, body());
    cache.store().reload(hashed(cache, keys), loader)
}

/// As [`refresh`], with a future.
pub(super) async fn refresh_async<O: Owned, V, I, C, R, S, H>(
    cache: &Cache<O::Key, V, S>,
    (ids, keys): (&[I], Vec<OwnKey<O>>),
    body: impl Future<Output = R>,
    (_, pairing): (H, impl Pairing<C, I, V>),
) -> R
where
    V: Clone + Send + Sync + 'static,
    S: HashBuilder,
    H: ReturnKind<R, C>,
{
    let loader = async { kept_of::<I, C, R, V, H>(&pairing, ids, body.await) };
    cache.store().reload_async(hashed(cache, keys), loader).await
}

fn hashed<O: Owned, V, S: HashBuilder>(
    cache: &Cache<O::Key, V, S>,
    keys: Vec<OwnKey<O>>,
) -> Vec<Hashed<O::Key>>
where
    V: Clone + Send + Sync + 'static,
{
    keys.into_iter().map(|OwnKey(key)| cache.hashed(key)).collect()
}

/// What a body has returned, as it was, and the values to keep of it with the numbers of their
/// elements.
fn kept_of<I, C, R, V: Clone, H: ReturnKind<R, C>>(
    pairing: &impl Pairing<C, I, V>,
    ids: &[I],
    returned: R,
) -> (R, Vec<(usize, V)>, Option<SharedError>) {
    match H::into_result(returned) {
        Ok(pairs) => {
            let pairs = pairing.apart(pairs);
            let numbers = pairing.numbers(&all(ids), &pairs);
            let numbered = numbers.into_iter().zip(&pairs);
            let kept = numbered.filter_map(|(number, (_, value))| Some((number?, value.clone())));
            let kept = kept.collect();
            (H::from_result(Ok(pairing.together(pairs))), kept, None)
        }
        Err(left) => (H::from_result(Err(left)), Vec::new(), None),
    }
}
