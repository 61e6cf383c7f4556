//! The one path of all methods that load: look the key up; if it has no value, load it.
//!
//! The methods differ in three things, which are arguments here: whether they receive the key or a
//! borrowed form of it ([`IntoKey`]), what their loader returns, and how waiters share its error
//! ([`ErrorSharing`]).

use std::future::Future;
use std::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::Cache;
use crate::flight::share_error::ErrorSharing;
use crate::load::lookup::Lookup;
use crate::types::status::Status;
use crate::util::hash::Hashed;

/// A key as a method receives it. The owned key is made only if a load needs it.
pub(crate) trait IntoKey<K> {
    type Query: Hash + Equivalent<K> + ?Sized;

    /// The form by which the key is looked up.
    fn query(&self) -> &Self::Query;

    fn into_key(self) -> K;
}

/// The key itself.
pub(crate) struct ByValue<K>(pub(crate) K);

/// A borrowed form of the key.
pub(crate) struct ByRef<'q, Q: ?Sized>(pub(crate) &'q Q);

impl<K: Hash + Eq> IntoKey<K> for ByValue<K> {
    type Query = K;

    #[inline]
    fn query(&self) -> &K {
        &self.0
    }

    #[inline]
    fn into_key(self) -> K {
        self.0
    }
}

impl<K, Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized> IntoKey<K> for ByRef<'_, Q> {
    type Query = Q;

    #[inline]
    fn query(&self) -> &Q {
        self.0
    }

    #[inline]
    fn into_key(self) -> K {
        self.0.to_owned()
    }
}

impl<K, V, S> Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// Returns the key's value; if there is none, loads it as a thread.
    #[inline]
    pub(crate) fn fetch<E>(
        &self,
        key: impl IntoKey<K>,
        loader: impl FnOnce() -> Result<V, E>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let hash = self.hash(key.query());
        match self.lookup_to_load(key.query(), hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            looked_up => self.load_missed(looked_up, Hashed { hash, key }, loader, &share),
        }
    }

    #[cold]
    #[inline(never)]
    fn load_missed<E>(
        &self,
        looked_up: Lookup<V>,
        Hashed { hash, key }: Hashed<impl IntoKey<K>>,
        loader: impl FnOnce() -> Result<V, E>,
        share: &impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let key = Hashed { hash, key: key.into_key() };
        self.store().load(looked_up, key, loader, share)
    }

    /// As [`fetch`](Self::fetch), as a task.
    pub(crate) async fn fetch_async<E>(
        &self,
        key: impl IntoKey<K>,
        loader: impl Future<Output = Result<V, E>>,
        share: impl ErrorSharing<E>,
    ) -> Result<(V, Status), E> {
        let hash = self.hash(key.query());
        match self.lookup_to_load(key.query(), hash) {
            Lookup::Hit(value, status) => Ok((value, status)),
            looked_up => {
                let key = Hashed { hash, key: key.into_key() };
                self.store().load_async(looked_up, key, loader, &share).await
            }
        }
    }
}
