//! What the other modules stand on and that knows nothing of caches.

pub(crate) mod fork;
