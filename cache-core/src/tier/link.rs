//! The seam between a cache and what several processes share: traits over bytes.
//!
//! Their operations are those of memcached's meta commands, because what a second tier needs to be
//! right is there: a miss that gives one caller a *lease*, and a store that succeeds only while the
//! lease holds. A tier over another store has to have both.

use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use super::error::TierError;
use super::invalidations::Invalidations;

/// What is stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierItem {
    /// The bytes.
    pub value: Vec<u8>,
    /// How much longer the tier keeps it; `None`: without end.
    pub life: Option<Duration>,
    /// If the server was out of reach, when that ended: what was stored before may be older than
    /// an invalidation that did not reach the server.
    pub distrusted_before: Option<SystemTime>,
}

impl TierItem {
    /// Makes an item that is kept without end, of a server that was never out of reach.
    #[must_use]
    pub fn new(value: Vec<u8>) -> Self {
        TierItem { value, life: None, distrusted_before: None }
    }
}

/// The right to store the value of a key, until the key is written, removed or flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(NonZeroU64);

impl Lease {
    /// Makes a lease of the tier's number for it.
    #[must_use]
    pub fn new(number: NonZeroU64) -> Self {
        Lease(number)
    }

    /// Returns the tier's number for it.
    #[must_use]
    pub fn number(self) -> NonZeroU64 {
        self.0
    }
}

/// What a caller wants that may be about to load a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseTerms {
    /// For how long nobody else is to get a lease. Tiers round it up to what they can count, and to
    /// no less than two seconds.
    pub lease: Duration,
    /// An item with no more than this left to live is given out with a lease, to one caller.
    pub refresh_within: Option<Duration>,
}

impl LeaseTerms {
    /// Makes terms of a lease for a missing key.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        LeaseTerms { lease, refresh_within: None }
    }

    /// Also asks for a lease on an item with no more than this left to live.
    #[must_use]
    pub fn refresh_within(mut self, window: Duration) -> Self {
        self.refresh_within = Some(window);
        self
    }
}

/// What such a caller finds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leased {
    /// An item. With a lease if this caller is the one to refresh it.
    Found {
        /// The item.
        item: TierItem,
        /// The lease, if this caller has won it.
        lease: Option<Lease>,
        /// The item was marked by [`Tier::mark_stale`].
        is_stale: bool,
    },
    /// No item. This caller is the one to load it.
    Won(Lease),
    /// No item. Another caller has the lease.
    Lost,
}

/// What became of a value that was stored under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filled {
    /// It is stored.
    Stored,
    /// The lease was dead: the key has been written, removed or flushed since, or another caller
    /// has a newer lease. Nothing was stored, and the value must not be kept elsewhere either.
    Refused,
}

/// What a tier can say of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierHealth {
    /// How often a server's breaker has opened.
    pub breaker_openings: u64,
    /// Servers whose breaker is open at present.
    pub servers_out: u64,
    /// How often the way to hear of others' writes was lost.
    pub hearing_losses: u64,
}

/// A cache that several processes share, as a thread sees it: keys and values are bytes.
///
/// Implementors bound each call by a time limit of their own, keep no connection that a call has
/// left in the middle of an exchange, share none with a forked child, and let no write that arrives
/// when its call has long failed replace a later one. Keys may be any bytes, up to
/// [`max_key_len`](Self::max_key_len) of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no remote tier",
    label = "no `Tier`",
    note = "a tier is a `Memcached` of cache-memcached, a `Chain`, a `FakeTier`, your own, or an \
            `Arc` or a `&'static` reference of one; of a `LazyLock` write `&*TIER`"
)]
pub trait Tier: Send + Sync + 'static {
    /// Returns the item of a key.
    ///
    /// # Errors
    /// If the tier could not be asked.
    fn get(&self, key: &[u8]) -> Result<Option<TierItem>, TierError>;

    /// Returns the items of keys, in their order. A server that fails fails its own keys only.
    fn get_many(&self, keys: &[&[u8]]) -> Vec<Result<Option<TierItem>, TierError>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Returns the item of a key or, to one caller, a lease.
    ///
    /// # Errors
    /// If the tier could not be asked.
    fn lease(&self, key: &[u8], terms: LeaseTerms) -> Result<Leased, TierError>;

    /// Stores what was loaded under a lease, if that still holds. `life`: for how long; `None`:
    /// without end.
    ///
    /// # Errors
    /// If the tier could not be asked, or if it is not known whether it has stored the value.
    fn fill(
        &self,
        key: &[u8],
        lease: Lease,
        value: &[u8],
        life: Option<Duration>,
    ) -> Result<Filled, TierError>;

    /// Stores a value, whatever is there. Ends a lease of the key.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    fn put(&self, key: &[u8], value: &[u8], life: Option<Duration>) -> Result<(), TierError>;

    /// Removes a key, and ends its lease. Returns `true` if there was an item.
    ///
    /// # Errors
    /// If it is not known whether the tier has removed it.
    fn remove(&self, key: &[u8]) -> Result<bool, TierError>;

    /// Marks the item of a key as stale: for `life` it is still given out, with a lease to one
    /// caller. Returns `true` if there was an item.
    ///
    /// # Errors
    /// If it is not known whether the tier has marked it.
    fn mark_stale(&self, key: &[u8], life: Duration) -> Result<bool, TierError>;

    /// Returns the counter of this name. If there is none, makes it first: it begins at
    /// `if_absent`, which is no lower than any counter of the past (Unix milliseconds).
    ///
    /// # Errors
    /// If the tier could not be asked.
    fn generation(&self, name: &[u8], if_absent: u64) -> Result<u64, TierError>;

    /// Raises the counter of this name, by one or to `at_least`, whichever is more; returns it.
    ///
    /// # Errors
    /// If it is not known whether the tier has raised it.
    fn bump(&self, name: &[u8], at_least: u64) -> Result<u64, TierError>;

    /// Returns the most bytes a key may have.
    fn max_key_len(&self) -> usize {
        250
    }

    /// Returns how a cache can hear of other processes' writes, if it can.
    fn invalidations(&self) -> Option<&dyn Invalidations> {
        None
    }

    /// Returns what the tier can say of itself.
    fn health(&self) -> TierHealth {
        TierHealth::default()
    }

    /// Checks the tier's configuration. Reaches for no server.
    ///
    /// # Errors
    /// What is wrong, and what to do: the text of a [`BuildError`](crate::BuildError) of the cache
    /// that is built over it.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A future of an [`AsyncTier`].
pub type TierFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Tier`] as a task sees it. Each operation means what it means there.
///
/// A future may be dropped at any time. The tier then discards the connection.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no remote tier for tasks",
    label = "no `AsyncTier`",
    note = "an asynchronous tier is a `Memcached` of cache-memcached with the feature `tokio`, a \
            `FakeTier`, your own, or an `Arc` or a `&'static` reference of one; give one for \
            threads, such as a `Chain`, by `tier`"
)]
pub trait AsyncTier: Send + Sync + 'static {
    /// See [`Tier::get`].
    fn get<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<Option<TierItem>, TierError>>;

    /// See [`Tier::get_many`].
    fn get_many<'a>(
        &'a self,
        keys: &'a [&'a [u8]],
    ) -> TierFuture<'a, Vec<Result<Option<TierItem>, TierError>>> {
        Box::pin(async move {
            let mut items = Vec::with_capacity(keys.len());
            for key in keys {
                items.push(self.get(key).await);
            }
            items
        })
    }

    /// See [`Tier::lease`].
    fn lease<'a>(
        &'a self,
        key: &'a [u8],
        terms: LeaseTerms,
    ) -> TierFuture<'a, Result<Leased, TierError>>;

    /// See [`Tier::fill`].
    fn fill<'a>(
        &'a self,
        key: &'a [u8],
        lease: Lease,
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<Filled, TierError>>;

    /// See [`Tier::put`].
    fn put<'a>(
        &'a self,
        key: &'a [u8],
        value: &'a [u8],
        life: Option<Duration>,
    ) -> TierFuture<'a, Result<(), TierError>>;

    /// See [`Tier::remove`].
    fn remove<'a>(&'a self, key: &'a [u8]) -> TierFuture<'a, Result<bool, TierError>>;

    /// See [`Tier::mark_stale`].
    fn mark_stale<'a>(
        &'a self,
        key: &'a [u8],
        life: Duration,
    ) -> TierFuture<'a, Result<bool, TierError>>;

    /// See [`Tier::generation`].
    fn generation<'a>(
        &'a self,
        name: &'a [u8],
        if_absent: u64,
    ) -> TierFuture<'a, Result<u64, TierError>>;

    /// See [`Tier::bump`].
    fn bump<'a>(&'a self, name: &'a [u8], at_least: u64) -> TierFuture<'a, Result<u64, TierError>>;

    /// See [`Tier::max_key_len`].
    fn max_key_len(&self) -> usize {
        250
    }

    /// See [`Tier::invalidations`].
    fn invalidations(&self) -> Option<&dyn Invalidations> {
        None
    }

    /// See [`Tier::health`].
    fn health(&self) -> TierHealth {
        TierHealth::default()
    }

    /// See [`Tier::check`].
    ///
    /// # Errors
    /// As there.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
