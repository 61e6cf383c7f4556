//! Callers of one load, and how a test knows that they wait for it without sleeping.
//!
//! A caller that joins a load compares its key with that of the load, and does nothing else before
//! it waits. In a cache without entries no other comparison takes place. So callers have joined
//! when the keys of a [`Crowd`] have been compared as often as there are callers.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use cache_core::Cache;

use super::threads::wait_until;

/// Counts the comparisons of its keys.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<AtomicUsize>);

impl Crowd {
    pub(crate) fn key(&self, name: u32) -> Key {
        Key { name, crowd: self.clone() }
    }

    pub(crate) fn joined(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// Waits until so many callers have joined a load.
    pub(crate) fn wait_for(&self, callers: usize) {
        wait_until(|| self.joined() >= callers);
    }
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: u32,
    crowd: Crowd,
}

impl Key {
    /// Another key of the same crowd.
    pub(crate) fn sibling(&self, name: u32) -> Key {
        self.crowd.key(name)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.crowd.0.fetch_add(1, SeqCst);
        self.name == other.name
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A load that runs until the test ends it, with callers that have joined it.
pub(crate) struct Running {
    end: Sender<()>,
    leader: JoinHandle<u32>,
    joined: Vec<JoinHandle<u32>>,
}

impl Running {
    /// Begins a load of `key` that gives `value`, and lets `callers` more callers join it.
    pub(crate) fn begin<S>(
        cache: &Cache<Key, u32, S>,
        key: &Key,
        value: u32,
        callers: usize,
    ) -> Self
    where
        S: BuildHasher + Clone + Send + Sync + 'static,
    {
        let (end, ends) = channel();
        let (begun, begins) = channel();
        let (leading, own_key) = (cache.clone(), key.clone());
        let leader = thread::spawn(move || {
            leading.get_with(own_key, || {
                begun.send(()).unwrap();
                ends.recv().unwrap();
                value
            })
        });
        begins.recv().unwrap();
        let before = key.crowd.joined();
        let join = || {
            let (cache, key) = (cache.clone(), key.clone());
            thread::spawn(move || cache.get_with(key, || unreachable!("a load is running")))
        };
        let joined = (0..callers).map(|_| join()).collect();
        key.crowd.wait_for(before + callers);
        Running { end, leader, joined }
    }

    /// Lets the load end, and returns what its leader and all that joined it were given.
    pub(crate) fn end(self) -> Vec<u32> {
        self.end.send(()).unwrap();
        let mut given = vec![self.leader.join().unwrap()];
        given.extend(self.joined.into_iter().map(|caller| caller.join().unwrap()));
        given
    }
}
