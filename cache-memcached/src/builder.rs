//! The options of a tier.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, MonotonicClock};

use crate::memcached::{Memcached, Shared};
use crate::process::{Config, Process, Watching};
use crate::server::address::Address;
use crate::server::link::{Known, Limits};
use crate::server::outage::Outages;
use crate::wire::key::Namespace;

/// memcached's limit is 1 MiB for the key, the value and up to 60 bytes of its own.
const VALUE_SIZE: usize = 1_024 * 1_024 - 512;

/// No server takes more, however it was started.
const MOST_VALUE_SIZE: usize = 1 << 30;

/// A limit that is as good as none, and that can be added to the time.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Memcached {
    /// Returns a tier over these servers (`host:port`) with default options. It connects when it is
    /// used.
    ///
    /// ```
    /// use cache_core::tier::Tier;
    /// use cache_memcached::Memcached;
    ///
    /// let tier = Memcached::connect(["127.0.0.1:11211"]);
    /// assert!(tier.check().is_ok());
    /// assert!(Memcached::connect(["127.0.0.1"]).check().is_err());
    /// ```
    #[must_use]
    pub fn connect(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        servers.into_iter().fold(Self::builder(), MemcachedBuilder::server).build()
    }

    /// Returns a builder for a tier with options.
    #[must_use]
    pub fn builder() -> MemcachedBuilder {
        MemcachedBuilder::new()
    }
}

/// Options of a [`Memcached`], made by [`Memcached::builder`].
#[derive(Clone)]
pub struct MemcachedBuilder {
    servers: Vec<String>,
    namespace: String,
    limits: Limits,
    lease: Duration,
    watching: Watching,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for MemcachedBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemcachedBuilder")
            .field("servers", &self.servers)
            .field("namespace", &self.namespace)
            .field("limits", &self.limits)
            .field("lease", &self.lease)
            .field("watching", &self.watching)
            .finish_non_exhaustive()
    }
}

impl MemcachedBuilder {
    fn new() -> Self {
        MemcachedBuilder {
            servers: Vec::new(),
            namespace: String::new(),
            limits: Limits {
                connect: Duration::from_millis(100),
                exchange: Duration::from_millis(50),
                value: VALUE_SIZE,
            },
            lease: Duration::from_secs(2),
            watching: Watching::Off,
            clock: Arc::new(MonotonicClock::new()),
        }
    }

    /// Adds a server, `host:port`. All processes that share the tier must name the servers alike:
    /// the names decide which server has a key.
    ///
    /// A name is looked up again whenever a connection is opened.
    #[must_use]
    pub fn server(mut self, address: impl Into<String>) -> Self {
        self.servers.push(address.into());
        self
    }

    /// Puts this and a colon before each key, so that several applications can share the servers:
    /// up to 64 printable ASCII characters, without blanks, `:` and `~`. Default: none.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = name.into();
        self
    }

    /// Sets how long the opening of a connection may take, the look-up of its name included.
    /// Default: 100 ms.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// Sets how long an exchange may take, from the sending of the commands to the end of the last
    /// reply. Default: 50 ms.
    ///
    /// A call is one exchange with each server that it needs, with all servers at once, and one
    /// more for each 200 keys. A `put` takes two, a counter two or three.
    #[must_use]
    pub fn exchange_timeout(mut self, limit: Duration) -> Self {
        self.limits.exchange = limit;
        self
    }

    /// Sets the most bytes of a value, for writes (a larger one is refused before it is sent,
    /// because the server would drop the old value with it) and for reads (a larger one is an
    /// error, and no memory is reserved for it).
    ///
    /// Default: 1 MiB less 512 bytes, which is what a server takes that was started without `-I`.
    /// More than 1 GiB counts as that.
    #[must_use]
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.limits.value = bytes;
        self
    }

    /// Sets how long a lease lasts at least, whatever a cache asks for. Whole seconds, rounded up,
    /// and no less than the default: 2 s.
    #[must_use]
    pub fn lease(mut self, least: Duration) -> Self {
        self.lease = least;
        self
    }

    /// Has this process tell others of its writes, and hear of theirs:
    /// [`Tier::invalidations`](cache_core::tier::Tier::invalidations). Default: not.
    ///
    /// Each write of a key that is no fill also stores an empty item, a tombstone, for 60 seconds,
    /// in the same exchange. A thread for each server listens to the server's log of mutations
    /// (`watch mutations`) on its own connection, as long as something has subscribed. Once a
    /// second it asks the server for its statistics: a hung server says nothing on a watch, and
    /// lines of the log that were dropped are counted there. If the log is silent, one of all
    /// processes stores an empty item each 50 to 100 ms, because the server looks at its log the
    /// less often the less there is in it: others hear of a write after 1 ms on a busy server, and
    /// after some 10 ms on a quiet one.
    ///
    /// A write is told as [`Event::Key`](cache_core::tier::Event::Key), with the key or with the
    /// name of the counter. What is heard is a hint: lines are lost when many are written, and then
    /// everything in memory is dropped ([`Event::Lost`](cache_core::tier::Event::Lost)). A server
    /// that forbids `watch`, as managed services do, is told by [`Memcached::hearing`]. All
    /// processes that write must be built with this option.
    #[must_use]
    pub fn watch(mut self) -> Self {
        self.watching = Watching::On;
        self
    }

    /// Sets the clock of the circuit breakers. For tests: time limits of exchanges run in real
    /// time.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes the tier. It connects to nothing, and fails for nothing: what is wrong with an option
    /// is told by [`Tier::check`](cache_core::tier::Tier::check), which the builder of a tiered
    /// cache calls.
    #[must_use]
    pub fn build(self) -> Memcached {
        let wrong = self.check().err();
        let servers = self.servers.into_iter().map(|address| {
            let address = Address::new(address);
            Arc::new(Known { address, outages: Outages::default() })
        });
        let limits = Limits {
            connect: self.limits.connect.min(LONGEST),
            exchange: self.limits.exchange.min(LONGEST),
            value: self.limits.value.min(MOST_VALUE_SIZE),
        };
        let config = Config {
            space: Namespace::new(&self.namespace),
            servers: servers.collect(),
            limits,
            clock: self.clock,
            watching: self.watching,
        };
        let first = Process::new(&config);
        Memcached { shared: Arc::new(Shared { config, lease: self.lease, wrong, first }) }
    }

    fn check(&self) -> Result<(), String> {
        if self.servers.is_empty() {
            return Err("a memcached tier has no server: add one by \
                        `Memcached::builder().server(\"host:port\")`"
                .into());
        }
        let mut names = BTreeSet::new();
        for name in &self.servers {
            Address::new(name.clone()).check()?;
            if !names.insert(name) {
                return Err(format!("the memcached server `{name}` is named twice: name it once"));
            }
        }
        let limits = [
            ("connect_timeout", self.limits.connect.is_zero(), "every connection would fail"),
            ("exchange_timeout", self.limits.exchange.is_zero(), "every call would fail"),
            ("max_value_size", self.limits.value == 0, "no value would be stored"),
        ];
        for (option, is_zero, consequence) in limits {
            if is_zero {
                return Err(format!(
                    "the {option} of a memcached tier is zero, so {consequence}: give more, or \
                     leave it out"
                ));
            }
        }
        Namespace::check(&self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use cache_core::tier::{Tier, TierError};

    use super::*;

    fn told(builder: &MemcachedBuilder) -> String {
        builder.clone().build().check().expect_err("something is wrong")
    }

    #[test]
    fn what_is_wrong_is_told_by_check() {
        let right = Memcached::builder().server("cache1:11211").server("cache2:11211");
        right.clone().namespace("app").build().check().expect("right");
        assert!(told(&Memcached::builder()).contains("add one"));
        assert!(told(&right.clone().server("cache3")).contains("write `host:port`"));
        assert!(told(&right.clone().server("cache1:11211")).contains("name it once"));
        assert!(told(&right.clone().namespace("a b")).contains("`a b`"));
        let zero = |option: &str| format!("the {option} of a memcached tier is zero");
        let told_of_zero = told(&right.clone().connect_timeout(Duration::ZERO));
        assert!(told_of_zero.starts_with(&zero("connect_timeout")), "{told_of_zero}");
        let told_of_zero = told(&right.clone().exchange_timeout(Duration::ZERO));
        assert!(told_of_zero.starts_with(&zero("exchange_timeout")), "{told_of_zero}");
        assert!(told(&right.max_value_size(0)).starts_with(&zero("max_value_size")));
    }

    #[test]
    fn limits_without_end_are_limits() {
        let tier = Memcached::builder()
            .server("127.0.0.1:1")
            .connect_timeout(Duration::MAX)
            .exchange_timeout(Duration::MAX)
            .max_value_size(usize::MAX)
            .lease(Duration::MAX)
            .build();
        assert_eq!(tier.check(), Ok(()));
        assert!(tier.get(b"key").is_err());
    }

    #[test]
    fn a_tier_that_is_wrong_fails_each_call_and_does_not_panic() {
        for tier in [Memcached::builder().build(), Memcached::connect(["cache1"])] {
            let failed = tier.get(b"key").expect_err("no server");
            assert!(matches!(failed, TierError::Unreachable(_)), "{failed}");
            assert!(tier.get_many(&[b"a", b"b"]).iter().all(Result::is_err));
        }
    }
}
