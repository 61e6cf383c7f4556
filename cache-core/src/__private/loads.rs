//! From a look-up that found nothing to a load, for functions over one key.
//!
//! # The stack
//! A body may call cached functions in turn, its own among them, so what a load keeps on the stack
//! while the body runs limits how deep a recursion can go. So a load has two halves,
//! [`begin_plain`] and [`end_plain`], that are not inlined, and the body is called between them, by
//! the function that is compiled for it: only what the end needs is alive there, behind one
//! `Option`. [`Miss`] is small for the same reason: it lies in the caller's frame, and without
//! optimisation more than once.

use super::bounds::HashBuilder;
use super::type_probe::ReturnKind;
use super::view::{Owned, Part, View};
use crate::api::cache::Cache;
use crate::flight::flight::FlightKind;
use crate::flight::share_error::ErrorSharing;
use crate::load::attempt::{Attempt, Led, Lookup, StaleEntry};
use crate::load::guard::{RunningLoad, RunningReload};
use crate::types::status::Status;
use crate::util::hash::{Hashed, KeyHash};
use std::future::Future;

/// A call that has no value yet. `None` if it bypasses the cache.
/// Otherwise the key to be loaded, and what the look-up saw of it. A load of the kind "unshared"
/// joins no other run, and no other call joins it; one of the kind "refresh" loads whatever is
/// stored or being loaded.
pub struct Miss<O: Owned, V>(pub(super) Option<Missed<O::Key, V>>);

/// The key to be loaded, what the look-up saw of it, and how it is loaded.
pub(super) struct Missed<K, V> {
    pub(super) key: Hashed<K>,
    /// Seldom there.
    due: Option<Box<StaleEntry<V>>>,
    kind: FlightKind,
}

impl<O: Owned, V> Miss<O, V> {
    /// Only here, on a miss, an owned key is made.
    #[cold]
    pub(super) fn new<P: Part<Key = O::Key>>(
        hash: KeyHash,
        view: View<P>,
        looked_up: Lookup<V>,
    ) -> Self {
        let due = match looked_up {
            Lookup::RefreshDue(stale) => Some(Box::new(stale)),
            Lookup::Hit(..) | Lookup::Miss => None,
        };
        let key = Hashed { hash, key: view.0.to_key() };
        Self(Some(Missed { key, due, kind: FlightKind::Shared }))
    }

    /// A call that has looked nothing up: it loads anew.
    pub(super) fn anew<P: Part<Key = O::Key>>(hash: KeyHash, view: View<P>) -> Self {
        let key = Hashed { hash, key: view.0.to_key() };
        Self(Some(Missed { key, due: None, kind: FlightKind::Refresh }))
    }

    /// Returns the same call, with an unshared load.
    pub fn unshared(self) -> Self {
        Self(self.0.map(|missed| match missed.kind {
            FlightKind::Refresh => missed,
            _ => Missed { kind: FlightKind::Unshared, ..missed },
        }))
    }
}

impl<K, V> Missed<K, V> {
    /// Returns `true` if it loads whatever is stored.
    pub(super) fn is_anew(&self) -> bool {
        self.kind == FlightKind::Refresh
    }

    /// Returns the key, and what the look-up saw.
    pub(super) fn into_parts(self) -> (Hashed<K>, Lookup<V>, FlightKind) {
        let looked_up = self.due.map_or(Lookup::Miss, |due| Lookup::RefreshDue(*due));
        (self.key, looked_up, self.kind)
    }
}

/// A load whose body runs.
pub(super) enum RunningCall<'c, K: Eq, V: Clone> {
    Load(RunningLoad<'c, K, V>),
    Reload(RunningReload<'c, K, V>),
}

/// What comes of a load: a value and how it was obtained, or the rest of a return value.
type Loaded<V, H, R> = Result<(V, Status), <H as ReturnKind<R, V>>::Uncached>;

/// Begins a load: waits for others, if need be. Returns what the function returns; `None` if the
/// body is to run, and what is `running` then, unless the call bypasses the cache.
#[inline(never)]
pub(super) fn begin_plain<'c, O: Owned, V, S: HashBuilder, R, H: ReturnKind<R, V>>(
    cache: &'c Cache<O::Key, V, S>,
    missed: Miss<O, V>,
    running: &mut Option<RunningCall<'c, O::Key, V>>,
    keep: H,
) -> Option<R>
where
    V: Clone,
{
    let result = begin(cache, missed, running, keep)?;
    Some(H::from_result(result.map(|(value, _)| value)))
}

/// As [`begin_plain`], with how the value was obtained.
#[inline(never)]
pub(super) fn begin_stated<'c, O: Owned, V, S: HashBuilder, R, H: ReturnKind<R, V>>(
    cache: &'c Cache<O::Key, V, S>,
    missed: Miss<O, V>,
    running: &mut Option<RunningCall<'c, O::Key, V>>,
    keep: H,
) -> Option<H::Stated>
where
    V: Clone,
{
    begin(cache, missed, running, keep).map(H::stated)
}

fn begin<'c, O: Owned, V, S: HashBuilder, R, H: ReturnKind<R, V>>(
    cache: &'c Cache<O::Key, V, S>,
    missed: Miss<O, V>,
    running: &mut Option<RunningCall<'c, O::Key, V>>,
    keep: H,
) -> Option<Loaded<V, H, R>>
where
    V: Clone,
{
    let missed = missed.0?;
    if missed.is_anew() {
        *running = Some(RunningCall::Reload(cache.store().lead_reload(missed.key).begin_reload()));
        return None;
    }
    let (mut key, looked_up, kind) = missed.into_parts();
    if let (Lookup::Miss, FlightKind::Shared) = (&looked_up, kind) {
        match cache.store().lead_at_once(key) {
            Ok(guard) => {
                *running = Some(RunningCall::Load(guard.begin()));
                return None;
            }
            Err(returned) => key = returned,
        }
    }
    let attempt = Attempt::new(cache.store(), key, looked_up, kind);
    match attempt.until_led(&keep.sharing()) {
        Ok(Led::Done(done)) => Some(Ok(done)),
        Err(uncached) => Some(Err(uncached)),
        Ok(Led::Lead(guard)) => {
            *running = Some(RunningCall::Load(guard.begin()));
            None
        }
    }
}

/// Ends what [`begin_plain`] has begun, with what the body has returned.
#[inline(never)]
pub(super) fn end_plain<K: Eq, V, R, H: ReturnKind<R, V>>(
    running: &mut Option<RunningCall<'_, K, V>>,
    returned: R,
    keep: H,
) -> R
where
    V: Clone,
{
    match running.take() {
        None => returned,
        Some(running) => {
            H::from_result(end(running, H::into_result(returned), keep).map(|(value, _)| value))
        }
    }
}

/// As [`end_plain`], with how the value was obtained.
#[inline(never)]
pub(super) fn end_stated<K: Eq, V, R, H: ReturnKind<R, V>>(
    running: &mut Option<RunningCall<'_, K, V>>,
    returned: R,
    keep: H,
) -> H::Stated
where
    V: Clone,
{
    let returned = H::into_result(returned);
    H::stated(match running.take() {
        None => returned.map(|value| (value, Status::Loaded)),
        Some(running) => end(running, returned, keep),
    })
}

fn end<K: Eq, V, R, H: ReturnKind<R, V>>(
    running: RunningCall<'_, K, V>,
    returned: Result<V, H::Uncached>,
    keep: H,
) -> Loaded<V, H, R>
where
    V: Clone,
{
    match running {
        RunningCall::Load(running) => running.end(returned, &keep.sharing()),
        RunningCall::Reload(running) => {
            running.end(returned.as_ref().ok().cloned());
            returned.map(|value| (value, Status::Loaded))
        }
    }
}

/// A whole load, as a task.
pub(super) async fn run_async<O: Owned, V, S: HashBuilder, E>(
    cache: &Cache<O::Key, V, S>,
    missed: Miss<O, V>,
    body: impl Future<Output = Result<V, E>>,
    share: &impl ErrorSharing<E>,
) -> Result<(V, Status), E>
where
    V: Clone,
{
    let loaded = |value| (value, Status::Loaded);
    let Some(missed) = missed.0 else { return body.await.map(loaded) };
    if missed.is_anew() {
        let led = [cache.store().lead_reload(missed.key)];
        let body = async {
            let returned = body.await;
            let value = returned.as_ref().ok().cloned();
            (returned, [value], None)
        };
        return cache.store().reload_async(led, body).await.map(loaded);
    }
    let (key, looked_up, kind) = missed.into_parts();
    Attempt::new(cache.store(), key, looked_up, kind).run_async(body, share).await
}
