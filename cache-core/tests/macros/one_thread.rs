//! Keys and values that may not leave their thread: `#[cached(thread_local)]`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::catch_unwind;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{self, ThreadId};

use cache_core::{Cache, Status, cached, macro_caches};

use crate::common::runs::{run, runs};

/// A key without `Send` and `Sync`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name(Rc<str>);

/// A value that is dropped on the thread that has made it.
struct Local(ThreadId, Rc<Cell<u32>>);

static DROPPED: AtomicU32 = AtomicU32::new(0);

impl Local {
    fn new(living: &Rc<Cell<u32>>) -> Rc<Self> {
        living.set(living.get() + 1);
        Rc::new(Local(thread::current().id(), Rc::clone(living)))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Relaxed);
        self.1.set(self.1.get() - 1);
        if self.0 != thread::current().id() {
            // A panic might be caught.
            std::process::abort();
        }
    }
}

#[test]
fn values_may_be_rc() {
    #[cached(thread_local)]
    fn greeting(name: &str) -> Rc<str> {
        run();
        format!("Hello, {name}!").into()
    }
    let first = greeting("you");
    assert!(Rc::ptr_eq(&first, &greeting("you")));
    assert_eq!((&*first, runs()), ("Hello, you!", 1));
    assert_eq!((greeting::get("me"), greeting::get("you")), (None, Some(Rc::clone(&first))));
    greeting::insert("me", Rc::clone(&first));
    assert!(Rc::ptr_eq(&first, &greeting("me")));
    assert_eq!((greeting::invalidate("me"), greeting::invalidate("me")), (true, false));
    assert!(!Rc::ptr_eq(&first, &greeting::refresh("you")));
    assert!(!Rc::ptr_eq(&greeting::uncached("you"), &greeting("you")));
    assert_eq!(greeting::get_with_status("you").1, Status::Hit);
    let stats = greeting::stats();
    assert_eq!((stats.hits, stats.misses), (5, 2));
    greeting::with(|cache: &Cache<(String,), Rc<str>>| {
        assert_eq!((cache.entry_count(), cache.iter().count()), (1, 1));
        assert_eq!(cache.remove(&("you".to_owned(),)).as_deref(), Some("Hello, you!"));
    });
    greeting("you");
    greeting::clear();
    assert_eq!(greeting::get("you"), None);
}

#[test]
fn keys_may_be_rc() {
    #[cached(thread_local)]
    fn length(name: Name, parts: &[Rc<str>], path: &Path) -> usize {
        run();
        name.0.len() + parts.len() + path.as_os_str().len()
    }
    let (name, parts) = (Name("abc".into()), [Rc::from("x")]);
    for _ in 0..2 {
        assert_eq!(length(name.clone(), &parts, Path::new("a/b")), 7);
    }
    assert_eq!((length(Name("abc".into()), &parts, "a".as_ref()), runs()), (5, 2));
    assert_eq!(length::get(name, &parts, Path::new("a/b")), Some(7));
    length::with(|cache: &Cache<(Name, Vec<Rc<str>>, _), _>| assert_eq!(cache.entry_count(), 2));
}

#[test]
fn computed_and_untyped_parts() {
    struct Graph(Rc<str>);
    impl Graph {
        #[cached(thread_local, key(self.0))]
        fn size(&self) -> Rc<usize> {
            run();
            Rc::new(self.0.len())
        }
        #[cached(thread_local, key(name: Rc<str> = Rc::clone(&self.0), n))]
        fn nth(&self, n: usize) -> Option<Rc<u8>> {
            run();
            self.0.as_bytes().get(n).copied().map(Rc::new)
        }
    }
    let graph = Graph("abc".into());
    assert!(Rc::ptr_eq(&graph.size(), &graph.size()));
    assert_eq!((graph.nth(1), graph.nth(1), runs()), (Some(Rc::new(b'b')), Some(Rc::new(b'b')), 2));
    assert_eq!((graph.nth(9), graph.nth(9), runs()), (None, None, 4));
}

#[test]
fn generic_functions_without_bounds_on_threads() {
    #[cached(thread_local)]
    fn boxed<T: Hash + Eq + Clone + 'static>(value: T) -> Rc<T> {
        run();
        Rc::new(value)
    }
    assert!(Rc::ptr_eq(&boxed(Name("a".into())), &boxed(Name("a".into()))));
    assert!(Rc::ptr_eq(&boxed(1_u8), &boxed(1_u8)));
    assert_eq!((runs(), boxed::with::<u8, _>(Cache::entry_count)), (2, 1));
}

#[test]
fn errors_stay_on_their_thread() {
    /// Neither `Clone` nor `Send`.
    #[derive(Debug)]
    struct Refused(Rc<str>);
    #[cached(thread_local)]
    fn root(n: i64) -> Result<Rc<i64>, Refused> {
        run();
        if n < 0 { Err(Refused("negative".into())) } else { Ok(Rc::new(n.isqrt())) }
    }
    assert!(Rc::ptr_eq(&root(9).unwrap(), &root(9).unwrap()));
    assert_eq!(runs(), 1);
    for _ in 0..2 {
        assert_eq!(&*root(-1).unwrap_err().0, "negative");
    }
    assert_eq!(runs(), 3);
}

#[test]
fn a_recursive_function_over_a_tree_of_rc() {
    #[derive(PartialEq, Eq)]
    struct Tree(Option<[Rc<Tree>; 2]>);
    /// By its address.
    #[derive(Clone)]
    struct At(Rc<Tree>);
    impl PartialEq for At {
        fn eq(&self, other: &Self) -> bool {
            Rc::ptr_eq(&self.0, &other.0)
        }
    }
    impl Eq for At {}
    impl Hash for At {
        fn hash<H: Hasher>(&self, state: &mut H) {
            Rc::as_ptr(&self.0).hash(state);
        }
    }
    #[cached(thread_local)]
    fn leaves(tree: At) -> Rc<u64> {
        run();
        let sum = |[left, right]: &[Rc<Tree>; 2]| {
            *leaves(At(Rc::clone(left))) + *leaves(At(Rc::clone(right)))
        };
        Rc::new(tree.0.0.as_ref().map_or(1, sum))
    }
    // Each node has one child twice.
    let mut tree = Rc::new(Tree(None));
    for _ in 0..20 {
        tree = Rc::new(Tree(Some([Rc::clone(&tree), tree])));
    }
    assert_eq!((*leaves(At(tree)), runs()), (1 << 20, 21));
    leaves::clear();
}

#[test]
fn a_panic_of_the_body_leaves_the_cache_whole() {
    thread_local! {
        static FAILS: Cell<bool> = const { Cell::new(true) };
    }
    #[cached(thread_local)]
    fn shaky(n: u64) -> Rc<u64> {
        run();
        assert!(!FAILS.get(), "on purpose");
        Rc::new(n)
    }
    assert!(catch_unwind(|| shaky(1)).is_err());
    FAILS.set(false);
    assert_eq!((*shaky(1), *shaky(1), runs()), (1, 1, 2));
    shaky::with(cache_core::__private::testing::validate);
}

#[test]
fn many_at_once() {
    #[cached(thread_local, many = names)]
    fn lengths(names: &[Rc<str>]) -> HashMap<Rc<str>, Rc<usize>> {
        run();
        names.iter().map(|name| (Rc::clone(name), Rc::new(name.len()))).collect()
    }
    let names = [Rc::from("a"), Rc::from("bc")];
    assert_eq!(*lengths(&names)["bc"], 2);
    assert_eq!((lengths(&names[1..]).len(), runs()), (1, 1));
}

#[test]
fn values_are_dropped_on_their_thread_when_replaced_cleared_and_at_its_end() {
    thread_local! {
        static LIVING: Rc<Cell<u32>> = Rc::default();
    }
    #[cached(thread_local, max_capacity = 4)]
    fn local(_n: u64) -> Rc<Local> {
        LIVING.with(Local::new)
    }
    thread::spawn(|| {
        let living = LIVING.with(Rc::clone);
        (0..100).for_each(|n| drop(local(n)));
        assert_eq!(living.get(), 4);
        (90..100).for_each(|n| drop(local::refresh(n)));
        assert_eq!(living.get(), 4);
        local::clear();
        assert_eq!(living.get(), 0);
        local(1);
        assert_eq!((living.get(), DROPPED.load(Relaxed)), (1, 110));
    })
    .join()
    .expect("no panic");
    assert_eq!(DROPPED.load(Relaxed), 111);
}

/// A load of a cache of one thread that runs inside a load which other threads wait for, and the
/// other way round: what the graph of loads holds of it may be dropped by any thread.
#[test]
fn loads_of_one_thread_and_of_all_threads_nest() {
    #[cached(thread_local)]
    fn inner(n: u64) -> Rc<u64> {
        Rc::new(if n == 0 { 0 } else { outer(n - 1) + 1 })
    }
    #[cached]
    fn outer(n: u64) -> u64 {
        *inner(n)
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| outer(12))).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().expect("no panic"), 12));
    });
}

#[test]
fn the_list_of_all_caches_knows_them() {
    #[cached(thread_local, name = "of one thread")]
    fn listed(n: u64) -> Rc<u64> {
        Rc::new(n)
    }
    assert_eq!((macro_caches::clear("of one thread"), *listed(1)), (0, 1));
    assert!(macro_caches::stats().iter().any(|(name, _)| name == "of one thread"));
    let elsewhere = thread::spawn(|| macro_caches::clear("of one thread"));
    assert_eq!(elsewhere.join().expect("no panic"), 0);
    assert_eq!((macro_caches::clear("of one thread"), listed::get(1)), (1, None));
    let _guard = macro_caches::bypass();
    assert!(!Rc::ptr_eq(&listed(1), &listed(1)));
}

#[test]
fn the_handle_has_the_methods_of_any_cache() {
    #[cached(thread_local)]
    fn cell(_n: u64) -> Rc<RefCell<u64>> {
        Rc::default()
    }
    *cell(1).borrow_mut() += 1;
    cell::with(|cache| {
        assert_eq!(cache.view(&(1,), |cell| *cell.borrow()), Some(1));
        let own = cache.clone();
        let loaded = own.get_with((2,), || Rc::new(RefCell::new(7)));
        assert!(Rc::ptr_eq(&loaded, &cell(2)));
        let entry = own.entry((3,)).or_insert_with(|| Rc::new(RefCell::new(8)));
        assert_eq!(*entry.value().borrow(), 8);
        assert!(own.get_or_guard(&(4,)).map_err(|guard| guard.insert(Rc::default())).is_err());
        assert_eq!(own.invalidate_entries_if(|(n,), _| *n > 2), 2);
    });
}
