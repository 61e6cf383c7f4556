//! Values that are counted: none may be lost, and none dropped twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts how many of its tokens are alive, and detects one that is dropped twice.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<CensusInner>);

#[derive(Default)]
struct CensusInner {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Census {
    pub(crate) fn token(&self) -> Token {
        self.0.made.fetch_add(1, SeqCst);
        Token { census: self.clone(), alive: Box::new(ALIVE) }
    }

    pub(crate) fn alive(&self) -> usize {
        // In this order: what another thread makes and drops meanwhile is not missing.
        let dropped = self.0.dropped.load(SeqCst);
        self.0.made.load(SeqCst) - dropped
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(SeqCst)
    }
}

const ALIVE: u64 = 0xa11e_a11e_a11e_a11e;

/// Something that has to be dropped, once.
pub(crate) struct Token {
    census: Census,
    /// On the heap, so that a use after free or a second drop is seen by an allocator that checks.
    alive: Box<u64>,
}

impl Token {
    /// Fails if this token was dropped before.
    pub(crate) fn look(&self) {
        assert_eq!(*self.alive, ALIVE, "a token is used after its drop");
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        self.look();
        self.census.token()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.look();
        *self.alive = 0;
        self.census.0.dropped.fetch_add(1, SeqCst);
    }
}
