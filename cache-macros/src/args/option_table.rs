//! The options that there are. A new one that configures the cache is one row here and one method
//! of `Settings` in cache-core, and of `TieredSettings` or a rule that it does not go with `tier`;
//! a new one that says something of calls is a row, a field of `Options`, and what `plan.rs` makes
//! of it.

use super::options::{Options, Setting};
use super::raw_option::RawOption;
use super::values;
use Group::{Cache, Calls, Tier};
use Reader::{Field, Value};

/// How an option is read.
pub(super) enum Reader {
    /// As a value for the method of that name in the runtime's `Settings`.
    Value(fn(RawOption) -> syn::Result<Setting>),
    /// As a field of `Options`.
    Field(fn(&mut Options, RawOption) -> syn::Result<()>),
}

/// What an option is about.
pub(super) enum Group {
    /// It configures the cache; rejected together with `cache = ..`.
    Cache,
    /// It is about what stands behind the cache; nothing without `tier = ..`.
    Tier,
    /// It says what calls of the function do.
    Calls,
}

/// Each option: its word, what it is about, and how it is read.
pub(super) const OPTIONS: [(&str, Group, Reader); 28] = [
    ("ttl", Cache, Value(values::time)),
    ("ttl_from", Cache, Value(|raw| values::function(raw, "|value| duration", 1))),
    ("tti", Cache, Value(values::time)),
    ("jitter", Cache, Value(values::jitter)),
    ("negative_ttl", Cache, Value(values::time)),
    ("refresh_after", Cache, Value(values::time)),
    ("stale_while_revalidate", Cache, Value(values::time)),
    ("stale_if_error", Cache, Value(values::time)),
    ("max_capacity", Cache, Value(values::max_capacity)),
    ("weigher", Cache, Value(|raw| values::function(raw, "|key, value| weight", 2))),
    ("cache_if", Cache, Value(|raw| values::function(raw, "|value| condition", 1))),
    ("name", Cache, Field(|to, raw| put(&mut to.name, values::name(raw)))),
    ("tier", Tier, Field(|to, raw| put(&mut to.tier, values::assigned(raw, "&*TIER")))),
    ("schema", Tier, Value(values::schema)),
    ("l1_ttl", Tier, Value(values::time)),
    ("codec", Tier, Field(|to, raw| put(&mut to.codec, values::assigned(raw, "Postcard")))),
    ("key", Calls, Field(|to, raw| put(&mut to.key, values::key(raw)))),
    ("skip", Calls, Field(|to, raw| put(&mut to.skip, values::skip(raw)))),
    ("many", Calls, Field(|to, raw| put(&mut to.many, values::argument(raw)))),
    ("cache", Calls, Field(|to, raw| put(&mut to.cache, values::assigned(raw, "&CACHE")))),
    ("thread_local", Calls, Field(|to, raw| set(&mut to.thread_local, values::flag(&raw)))),
    ("cache_errors", Calls, Field(|to, raw| set(&mut to.cache_errors, values::flag(&raw)))),
    ("cache_none", Calls, Field(|to, raw| set(&mut to.cache_none, values::flag(&raw)))),
    ("single_flight", Calls, Field(|to, raw| set(&mut to.unshared, values::is_off(&raw)))),
    ("bypass", Calls, Field(|to, raw| put(&mut to.bypass, values::assigned(raw, "condition")))),
    (
        "refresh_if",
        Calls,
        Field(|to, raw| put(&mut to.refresh_if, values::assigned(raw, "condition"))),
    ),
    ("companion", Calls, Field(|to, raw| set(&mut to.companion, values::companion(raw)))),
    ("crate", Calls, Field(|to, raw| put(&mut to.crate_path, values::crate_path(raw)))),
];

fn set<T>(field: &mut T, value: syn::Result<T>) -> syn::Result<()> {
    value.map(|value| *field = value)
}

fn put<T>(field: &mut Option<T>, value: syn::Result<T>) -> syn::Result<()> {
    set(field, value.map(Some))
}
