//! The caches of all functions under [`#[cached]`](crate::cached) together.
//!
//! The functions here empty them, read their statistics, and bypass them for a while, as tests want
//! to.
//!
//! A function's cache is listed here from the moment it is built, which is the first call of the
//! function or of its companion. Its name is the `name` option, or the path of the function,
//! `my_crate::module::function` and `my_crate::module::Type::method`. Caches that users pass to a
//! function (`cache = ..`) are not listed. Of a function with a `tier`, what is listed is its cache
//! in memory: nothing here is heard by the tier, or by other processes.
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
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::bounds::Key;
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

impl<K: Key, V: Clone + 'static> AnyCache for Cache<K, V> {
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

/// One that any thread may use.
type SharedCache = Arc<dyn AnyCache + Send + Sync>;

impl AnyCache for SharedCache {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn clear(&self) {
        (**self).clear();
    }
    fn stats(&self) -> Stats {
        (**self).stats()
    }
}

/// One that the calling thread may use.
type ListedCache = Rc<dyn AnyCache>;

/// The caches in statics. They are never dropped, nor are the handles here.
static SHARED: Global<Vec<SharedCache>> = Global::new(
    Vec::new(),
    // A forked child has only the guards of the calling thread.
    |_| BYPASSES.store(BYPASSES_HERE.try_with(Cell::get).unwrap_or(0), Relaxed),
    || (),
);

/// The number of guards in the process. While it is zero a call reads nothing else.
static BYPASSES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The caches of this thread, which end with it.
    static LOCAL: RefCell<Vec<ListedCache>> = const { RefCell::new(Vec::new()) };
    /// The number of guards that this thread holds.
    static BYPASSES_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Lists a cache that lives in a static.
pub(super) fn list<K, V>(cache: &Cache<K, V>)
where
    K: Key + Send + Sync,
    V: Clone + Send + Sync + 'static,
{
    let cache = Arc::new(cache.clone());
    SHARED.lock().push(cache);
}

/// Lists a cache of this thread.
pub(super) fn list_here<K: Key, V: Clone + 'static>(cache: &Cache<K, V>) {
    let cache = Rc::new(cache.clone());
    // A thread that is being torn down has no list.
    let _ = LOCAL.try_with(|caches| caches.borrow_mut().push(cache));
}

/// Returns the listed caches. Copied, because their use runs user code, drops of values, which may
/// build the cache of another function.
fn listed() -> Vec<ListedCache> {
    let shared = SHARED.lock().clone();
    let mut all: Vec<ListedCache> =
        shared.into_iter().map(|cache| Rc::new(cache) as ListedCache).collect();
    let _ = LOCAL.try_with(|local| all.extend(local.borrow().iter().cloned()));
    all
}

/// Empties the caches of all functions; of functions with `thread_local`, those of the calling
/// thread.
///
/// As with [`Cache::invalidate_all`], no load that began before is stored after.
///
/// # Panics
///
/// With the first panic of a `Drop` of a key or a value, once all caches are empty.
pub fn clear_all() {
    empty(&listed());
}

/// Empties the caches of this name, and returns how many there are: none before the first call of
/// the function, one for each instance of a generic function.
pub fn clear(name: &str) -> usize {
    let mut caches = listed();
    caches.retain(|cache| cache.name() == name);
    empty(&caches);
    caches.len()
}

/// Empties all of them, even if a `Drop` of the user panics.
fn empty(caches: &[ListedCache]) {
    let mut panics = DeferredPanic::default();
    for cache in caches {
        panics.catch(|| cache.clear());
    }
    panics.resume();
}

/// Returns the name and the statistics of each cache, in the order in which they were built.
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

/// Until the guard is dropped, functions under `#[cached]` that the calling thread calls run their
/// bodies: they look into no cache, store nothing, and do not wait for each other.
///
/// Other threads are not affected, so tests that run in parallel do not disturb each other. Calls
/// of a companion (`f::get`, `f::insert`, ..) and of a cache work as usual. Guards may be nested,
/// and dropped in any order. A guard cannot leave its thread; a task that may move between threads
/// cannot hold one while it waits. An `async fn` looks for a guard when it is first polled.
#[must_use = "the caches are in use again as soon as the guard is dropped"]
pub fn bypass() -> Bypass {
    BYPASSES_HERE.with(|here| here.set(here.get() + 1));
    BYPASSES.fetch_add(1, Relaxed);
    Bypass(PhantomData)
}

/// While it lives, calls on its thread bypass the caches of functions: see [`bypass`].
#[derive(Debug)]
pub struct Bypass(PhantomData<*const ()>);

impl Drop for Bypass {
    fn drop(&mut self) {
        BYPASSES.fetch_sub(1, Relaxed);
        // A guard in another thread-local may outlive the counter, which nothing reads then.
        let _ = BYPASSES_HERE.try_with(|here| here.set(here.get() - 1));
    }
}

/// Returns `true` if the calling thread bypasses caches. The first read, which nearly always
/// suffices, is of a word that is written only by guards, so it stays in the caches of all cores; a
/// thread always sees its own guards there.
#[inline]
pub(crate) fn bypassed() -> bool {
    BYPASSES.load(Relaxed) != 0 && bypassed_here()
}

#[cold]
fn bypassed_here() -> bool {
    BYPASSES_HERE.try_with(|here| here.get() != 0).unwrap_or(false)
}
