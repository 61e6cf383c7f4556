//! The caches of all functions under [`#[cached]`](crate::cached) together: to empty them, to look at
//! what they count, and to do without them for a while, as tests want to.
//!
//! A function's cache is listed here from the moment it is built, which is the first call of the
//! function or of its companion. It goes by its name: the `name` option, or the path of the function,
//! `my_crate::module::function` and `my_crate::module::Type::method`. Caches that users hand to a
//! function (`cache = ..`) are their own affair and not listed.
//!
//! ```
//! use cache_core::{cached, macro_caches};
//!
//! #[cached(name = "squares")]
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! square::insert(2, 5); // not what the body would say
//! assert_eq!(square(2), 5);
//! {
//!     let _guard = macro_caches::bypass();
//!     assert_eq!(square(2), 4); // the body ran
//! }
//! assert_eq!(square(2), 5);
//! assert_eq!(macro_caches::clear("squares"), 1);
//! assert_eq!(square(2), 4);
//! ```

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::api::cache::Cache;
use crate::types::stats::Stats;
use crate::util::fork::Global;
use crate::util::panics::DeferredPanic;

/// A cache of any type of key and value.
trait AnyCache {
    fn name(&self) -> &str;
    fn clear(&self);
    fn stats(&self) -> Stats;
}

impl<K, V> AnyCache for Cache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        Cache::name(self).unwrap_or_default()
    }
    fn clear(&self) {
        self.invalidate_all();
    }
    fn stats(&self) -> Stats {
        Cache::stats(self)
    }
}

/// The caches in statics. They are never dropped, nor are the handles here.
static SHARED: Global<Vec<Arc<dyn AnyCache + Send + Sync>>> = Global::new(
    Vec::new(),
    // The guards of threads that are not there in a forked child.
    |_| BYPASSES.store(BYPASSES_HERE.try_with(Cell::get).unwrap_or(0), Relaxed),
    || (),
);

/// How many guards there are in the process. While there are none a call looks at nothing else.
static BYPASSES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The caches of this thread alone, which end with it.
    static LOCAL: RefCell<Vec<Arc<dyn AnyCache + Send + Sync>>> = const { RefCell::new(Vec::new()) };
    /// How many guards this thread holds.
    static BYPASSES_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Lists a cache that lives in a static.
pub(crate) fn list_shared<K, V>(cache: &Cache<K, V>)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    SHARED.lock().push(Arc::new(cache.clone()));
}

/// Lists a cache of this thread.
pub(crate) fn list_local<K, V>(cache: &Cache<K, V>)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    // A thread that is being torn down has no list any more.
    let _ = LOCAL.try_with(|local| local.borrow_mut().push(Arc::new(cache.clone())));
}

/// The listed caches. Copied out, for what is done with them runs user code, drops of values, which
/// may itself build the cache of another function.
fn listed() -> Vec<Arc<dyn AnyCache + Send + Sync>> {
    let mut all = SHARED.lock().clone();
    let _ = LOCAL.try_with(|local| all.extend(local.borrow().iter().cloned()));
    all
}

/// Empties the caches of all functions. Of those with `thread_local`, the ones of the calling thread.
///
/// As with [`Cache::invalidate_all`], no load that began before is stored after.
///
/// # Panics
///
/// With the first panic of a `Drop` of a key or a value, when all caches are empty.
pub fn clear_all() {
    empty(&listed());
}

/// Empties the caches of this name, and says how many there are: none until the function is first
/// called, several for a generic function, one for each of its instances.
pub fn clear(name: &str) -> usize {
    let mut caches = listed();
    caches.retain(|cache| cache.name() == name);
    empty(&caches);
    caches.len()
}

/// A `Drop` of the user's that panics keeps no cache from its turn.
fn empty(caches: &[Arc<dyn AnyCache + Send + Sync>]) {
    let mut panics = DeferredPanic::default();
    for cache in caches {
        panics.catch(|| cache.clear());
    }
    panics.resume();
}

/// The names of all caches, each with what it has counted, in the order in which they were built.
///
/// ```
/// use cache_core::{cached, macro_caches};
///
/// #[cached(name = "halves")]
/// fn half(n: u64) -> u64 {
///     n / 2
/// }
///
/// half(2);
/// half(2);
/// let stats = macro_caches::stats();
/// let (_, halves) = stats.iter().find(|(name, _)| name == "halves").expect("it was called");
/// assert_eq!((halves.hits, halves.misses), (1, 1));
/// ```
#[must_use]
pub fn stats() -> Vec<(String, Stats)> {
    listed().iter().map(|cache| (cache.name().to_owned(), cache.stats())).collect()
}

/// From now on, until the guard is dropped, functions under `#[cached]` that the calling thread calls
/// run their bodies: they look into no cache, store nothing, and do not wait for each other.
///
/// Other threads are not concerned, so tests that run in parallel do not disturb each other. What is
/// asked of a companion (`f::get`, `f::insert`, ..) or of a cache is done as ever. Guards may be
/// nested, and dropped in any order. A guard cannot leave its thread; a task that may move between
/// threads cannot hold one while it waits. An `async fn` looks for a guard when it is first polled.
#[must_use = "the caches are in use again as soon as the guard is dropped"]
pub fn bypass() -> Bypass {
    BYPASSES_HERE.with(|here| here.set(here.get() + 1));
    BYPASSES.fetch_add(1, Relaxed);
    Bypass(PhantomData)
}

/// While it lives, the calls of its thread pass the caches of functions by: see [`bypass`].
#[derive(Debug)]
pub struct Bypass(PhantomData<*const ()>);

impl Drop for Bypass {
    fn drop(&mut self) {
        BYPASSES.fetch_sub(1, Relaxed);
        // A guard in another thread-local may outlive the counter, which then has nothing to say.
        let _ = BYPASSES_HERE.try_with(|here| here.set(here.get() - 1));
    }
}

/// Whether the calling thread passes caches by. The first look, which nearly always suffices, is at a
/// word that nobody writes in a program as it is used; a thread always sees its own guards there.
#[inline]
pub(crate) fn bypassed() -> bool {
    BYPASSES.load(Relaxed) != 0 && bypassed_here()
}

#[cold]
fn bypassed_here() -> bool {
    BYPASSES_HERE.try_with(|here| here.get() != 0).unwrap_or(false)
}
