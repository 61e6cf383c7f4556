//! How a memory tier hears of other processes' writes.
//!
//! What a tier can tell is a hint that shortens the wait, not the guarantee: that is the generation
//! for flushes, which every process reads about once a second, and the memory life for single keys.
//! A source that has lost what it should have told says [`Event::Lost`].

use std::sync::Arc;

/// What another process, or this one, has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It has written or removed this key of the tier, or raised the counter of this name.
    Key(Vec<u8>),
    /// It has written or removed keys that begin like this.
    Prefix(Vec<u8>),
    /// It has flushed the tier.
    Everything,
    /// There may have been events that nobody hears of: what is in memory is dropped.
    Lost,
}

/// Receives events.
///
/// It may run on a thread of the tier's, takes no longer than the invalidation of a key, and does
/// not panic.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// A source of events.
pub trait Invalidations: Send + Sync {
    /// Has `sink` told of what happens from now on, until the subscription is dropped.
    fn subscribe(&self, sink: EventSink) -> Subscription;
}

/// Ends the events to a sink when it is dropped.
#[must_use = "dropping it ends the events"]
pub struct Subscription(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Subscription {
    /// Makes a subscription that calls `end` when it is dropped.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Subscription(Some(Box::new(end)))
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}
