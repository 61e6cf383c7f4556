//! How the options go together, independent of the function.

use crate::args::{KeyItem, Options};
use crate::errors::Errors;
use syn::Ident;

/// `key` lists the whole key, so nothing is left to skip.
pub(super) fn key_excludes_skip(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(skip)) = (&options.key, &options.skip) {
        errors.push(
            &skip.word,
            "`skip` and `key` exclude each other: what `key` does not name is left out anyway",
        );
    }
}

/// No return type is both.
pub(super) fn errors_exclude_none(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(at)) = (options.cache_errors, options.cache_none) {
        errors.push_span(
            at,
            "`cache_errors` and `cache_none` exclude each other: one is for `Result`, the other \
             for `Option`",
        );
    }
}

/// Nothing is named twice within `skip` or `key`.
pub(super) fn names_differ(options: &Options, errors: &mut Errors) {
    let skip = options.skip.iter().flat_map(|skip| &skip.names);
    let key = options.key.iter().flatten().filter_map(|item| match item {
        KeyItem::Named { name, .. } => Some(name),
        KeyItem::Bare(_) => None,
    });
    for names in [skip.collect::<Vec<&Ident>>(), key.collect()] {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                errors.push(name, format!("`{name}` is named twice"));
            }
        }
    }
}

/// An empty name would be worse than the default one.
pub(super) fn name_is_not_empty(options: &Options, errors: &mut Errors) {
    if let Some(name) = options.name.as_ref().filter(|name| name.value().is_empty()) {
        errors.push(name, "an empty name; leave `name` out for the path of the function");
    }
}

/// The user has built that cache.
pub(super) fn own_cache_has_its_own_settings(options: &Options, errors: &mut Errors) {
    if options.cache.is_none() {
        return;
    }
    for word in options.given_for_cache().filter(|_| options.tier.is_none()) {
        errors.push(
            word,
            format!(
                "`cache` and `{word}` exclude each other: the cache is there already\n  = note: \
                 say it to the builder of that cache"
            ),
        );
    }
    if let Some(at) = options.thread_local {
        errors.push_span(
            at,
            "`cache` and `thread_local` exclude each other: the cache is somewhere already",
        );
    }
}

/// A refresh is a single flight: one caller makes it, the others are served meanwhile.
pub(super) fn stale_values_need_single_flights(options: &Options, errors: &mut Errors) {
    if !options.unshared {
        return;
    }
    for word in ["refresh_after", "stale_while_revalidate", "stale_if_error"] {
        if let Some(word) = options.given(word) {
            errors.push(
                word,
                format!(
                    "`{word}` and `single_flight = false` exclude each other: one caller \
                     refreshes, and the others are served meanwhile"
                ),
            );
        }
    }
}

/// Only a value that expires can be stale.
pub(super) fn what_is_stale_has_expired(options: &Options, errors: &mut Errors) {
    if ["ttl", "ttl_from", "tti", "negative_ttl", "cache"]
        .iter()
        .any(|word| options.given(word).is_some())
    {
        return;
    }
    for word in ["stale_while_revalidate", "stale_if_error"] {
        if let Some(word) = options.given(word) {
            errors.push(
                word,
                format!("`{word}` without a time to live: no value expires; add `ttl = ..`"),
            );
        }
    }
}

/// Jitter shortens a time to live.
pub(super) fn jitter_needs_a_time_to_live(options: &Options, errors: &mut Errors) {
    let lives = ["ttl", "ttl_from", "negative_ttl", "cache", "tier"];
    if let Some(word) = options.given("jitter")
        && lives.iter().all(|life| options.given(life).is_none())
    {
        errors.push(
            word,
            "`jitter` without a time to live, of which it takes a part; add `ttl = ..`",
        );
    }
}

/// An expired value is not refreshed.
pub(super) fn refresh_comes_before_the_end(options: &Options, errors: &mut Errors) {
    if options.given("tier").is_some() {
        // It is about the value in memory, which has another life.
        return;
    }
    if let (Some(refresh), Some(live)) =
        (options.duration("refresh_after"), options.duration("ttl"))
        && refresh >= live
        && let Some(word) = options.given("refresh_after")
    {
        errors.push(
            word,
            format!(
                "a value expires, after {live:?}, before its refresh is due, after {refresh:?}\n  \
                 = note: give less than `ttl`; for refreshes after that there is \
                 `stale_while_revalidate`"
            ),
        );
    }
}

/// The earliest deadline counts.
pub(super) fn negative_values_live_shorter(options: &Options, errors: &mut Errors) {
    if options.given("tier").is_some() {
        // Where the absence of a value is no value.
        return;
    }
    if let (Some(negative), Some(live)) =
        (options.duration("negative_ttl"), options.duration("ttl"))
        && negative >= live
        && let Some(word) = options.given("negative_ttl")
    {
        errors.push(
            word,
            format!(
                "`negative_ttl` says nothing that `ttl` does not say: no value lives longer than \
                 {live:?}; give less"
            ),
        );
    }
}

/// A number of entries is no sum of weights.
pub(super) fn weights_need_a_bound(options: &Options, errors: &mut Errors) {
    if let Some(word) = options.given("weigher")
        && options.given("max_capacity").is_none()
    {
        errors.push(
            word,
            "`weigher` without `max_capacity`, which says what the weights may add up to",
        );
    }
}
