//! What other caches call an option, and what does the same here.
//!
//! The words are those of the crates cached and memoize, of moka and Caffeine, of Python's
//! functools, cachetools, dogpile.cache and Django, and of Spring. A row says what the option
//! *does* there: of two options of the same name the meaning counts. A word that stands for
//! something that happens here anyway is to be left out.

/// What a foreign word stands for here.
#[derive(Clone, Copy)]
pub(super) enum Remedy {
    /// The option of this name, with a value of the same meaning.
    Same(&'static str),
    /// Something else, said in words.
    Say(&'static str),
}

use Remedy::{Same, Say};

/// The remedy for a foreign word.
///
/// Input: `max_size`. Output: the option `max_capacity`.
pub(super) fn remedy(word: &str) -> Option<Remedy> {
    TABLE.iter().find(|(words, _)| words.contains(&word)).map(|(_, remedy)| *remedy)
}

/// All foreign words.
#[cfg(test)]
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|(words, _)| words.iter().copied())
}

const RENEWED_BY_USE: &str = "to begin the time anew with each hit, say `tti = ..` in place of \
                              the time to live";

const SHARED_RUNS: &str = "leave it out: calls that miss a key at the same time share one run of \
                           the body anyway, and others do not wait";

const NO_LOCK: &str = "leave it out: a hit takes no lock, and shards are chosen by the cache";

const OWN_CACHE: &str = "say `cache = ..` to use a cache that you have built";

const OVER_ARGUMENTS: &str = "a condition over the arguments is `bypass = ..`, under which a call \
                              does not use the cache; one over the value is `cache_if = |value| \
                              ..`, under which it is kept";

const TABLE: [(&[&str], Remedy); 38] = [
    // How long a value is kept.
    (&["time", "time_to_live", "expire", "timeout", "lifetime"], Same("ttl")),
    (&["expire_after_write", "expiration_time", "max_age", "TimeToLive"], Same("ttl")),
    (&["ttl_secs", "ttl_seconds", "time_seconds"], Same("ttl")),
    (&["ttl_millis", "time_millis"], Say("say `ttl = \"500ms\"`, with a unit")),
    (
        &["expires", "expire_after", "expiry", "per_value_expiry"],
        Say("the value's own time to live is `ttl_from = |value| ..`"),
    ),
    (&["time_to_idle", "idle", "expire_after_access"], Same("tti")),
    (&["refresh", "time_refresh", "ttl_refresh", "refresh_on_hit"], Say(RENEWED_BY_USE)),
    (&["ttl_jitter"], Same("jitter")),
    (&["refresh_after_write"], Same("refresh_after")),
    (
        &["force_refresh", "force", "ignore_cache"],
        Say(
            "say `refresh_if = condition` over the arguments, and `skip(..)` for an argument that \
             says nothing else",
        ),
    ),
    (
        &["result_fallback", "fallback", "fail_safe"],
        Say("say `stale_if_error = ..`, for how long after its end an old value may stand in"),
    ),
    // How much is kept.
    (&["size", "max_size", "capacity", "max_entries", "Capacity"], Same("max_capacity")),
    (&["maximum_size", "cache_size", "limit"], Same("max_capacity")),
    (
        &["maxsize"],
        Say("say `max_capacity = N`, or for `None`, no bound, `max_capacity = u64::MAX`"),
    ),
    (&["unbound", "unbounded"], Say("say `max_capacity = u64::MAX`; the default is 10 000")),
    (&["weight", "getsizeof"], Same("weigher")),
    // What the key is made of.
    (
        &["convert", "key_builder", "key_fn", "keyfunc"],
        Say("what stands for the arguments is `key(name: Type = expression)`"),
    ),
    (&["ignore", "exclude", "Ignore", "ignored"], Say("say `skip(argument)`")),
    (&["typed"], Say("leave it out: each argument has one type")),
    (&["batch", "keys"], Same("many")),
    (
        &["in_impl", "noself"],
        Say("say what `self` means: `skip(self)` leaves it out of the key, as there"),
    ),
    // Which results are kept.
    (&["result"], Say("leave it out: only `Ok` is kept anyway")),
    (&["option"], Say("leave it out: only `Some` is kept anyway")),
    (&["cache_err", "cache_error"], Same("cache_errors")),
    (&["should_cache_fn", "keep_if", "store_if"], Same("cache_if")),
    (&["unless"], Say("say the opposite over the value: `cache_if = |value| ..`")),
    (&["condition", "when"], Say(OVER_ARGUMENTS)),
    // The caller that runs the body.
    (&["sync_writes", "sync", "lock", "sync_writes_buckets"], Say(SHARED_RUNS)),
    (&["sync_lock", "unsync_reads", "shards"], Say(NO_LOCK)),
    // Where the cache is.
    (&["ty", "type", "create", "store", "CustomHasher", "HasherInit", "hasher"], Say(OWN_CACHE)),
    (&["SharedCache"], Say("leave it out: all threads share the cache anyway")),
    (
        &["redis", "disk", "remote", "l2", "cache_prefix_block", "disk_dir", "durable"],
        Say("a store behind the one in memory is a `tier = ..`: memcached, or a `Tier` of yours"),
    ),
    (&["map_error"], Say("leave it out: a cache cannot fail, and a `tier` that does is a miss")),
    (&["memory_time_to_live", "memory_ttl"], Same("l1_ttl")),
    (&["version"], Same("schema")),
    // What is told of it.
    (
        &["with_cached_flag", "info"],
        Say("leave it out: `f::get_with_status(..)` returns the value and how it was obtained"),
    ),
    (&["stats", "record_stats"], Say("leave it out: `f::stats()` counts anyway")),
    (
        &["companions_vis"],
        Say("leave it out: what stands beside the function is as visible as it is"),
    ),
];
