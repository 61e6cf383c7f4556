//! What belongs to one process: connections, breakers, threads.
//!
//! A forked child has copies of its parent's connections, and of its locks as they were, perhaps
//! held by threads that it does not have. It must touch neither. So what a process uses stands in a
//! link of a chain, with the process's number. A process that finds another number in the last link
//! adds one, and leaves the others as they are: it opens its own connections and knows nothing of
//! its parent's. What it does take over is in atomics: when servers were out of reach.
//!
//! A link costs what the servers cost, once in a process that uses the tier after it was forked.

use std::sync::{Arc, OnceLock};

use cache_core::Clock;

use crate::server::breaker::Breaker;
use crate::server::link::{Known, Limits, Server};
use crate::watch::{Surroundings, Watch};
use crate::wire::batch::random;
use crate::wire::key::Namespace;

/// What is the same in all processes.
pub(crate) struct Config {
    pub(crate) space: Namespace,
    pub(crate) servers: Vec<Arc<Known>>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watching: Watching,
}

/// Whether writes are told, and others' heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watching {
    Off,
    On,
}

/// A link of the chain.
pub(crate) struct Process {
    number: u32,
    /// Tells this process's tombstones from others'.
    pub(crate) id: u64,
    pub(crate) servers: Vec<Server>,
    pub(crate) watch: Option<Watch>,
    next: OnceLock<Box<Process>>,
}

impl Process {
    pub(crate) fn new(config: &Config) -> Self {
        Self::after(None, config)
    }

    /// Returns the link of the calling process.
    pub(crate) fn current(&self, config: &Config) -> &Self {
        let number = std::process::id();
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        if last.number == number {
            return last;
        }
        last.next.get_or_init(|| Box::new(Self::after(Some(last), config)))
    }

    fn after(parent: Option<&Self>, config: &Config) -> Self {
        let id = random();
        let servers = config.servers.iter().map(|known| {
            let breaker = Breaker::new(Arc::clone(&config.clock));
            Server::new(Arc::clone(known), config.limits, breaker)
        });
        let watch = (config.watching == Watching::On).then(|| {
            let watch = Watch::new(Surroundings {
                process: id,
                space: config.space.clone(),
                servers: config.servers.clone(),
                limits: config.limits,
            });
            if let Some(parent) = parent.and_then(|parent| parent.watch.as_ref()) {
                watch.take_over(parent);
            }
            watch
        });
        Process {
            number: std::process::id(),
            id,
            servers: servers.collect(),
            watch,
            next: OnceLock::new(),
        }
    }
}
