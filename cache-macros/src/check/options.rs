//! How the options go together, whatever the function.

use crate::args::{KeyItem, OF_CACHE, Options, Time};
use crate::errors::Errors;
use std::time::Duration;
use syn::Ident;

/// Runs the checks.
pub(super) fn check(options: &Options, errors: &mut Errors) {
    key_excludes_skip(options, errors);
    errors_exclude_none(options, errors);
    names_differ(options, errors);
    name_is_not_empty(options, errors);
    own_cache_has_its_own_settings(options, errors);
    stale_values_need_single_flights(options, errors);
    what_is_stale_has_expired(options, errors);
    jitter_needs_a_time_to_live(options, errors);
    refresh_comes_before_the_end(options, errors);
    negative_values_live_shorter(options, errors);
    weights_need_a_bound(options, errors);
}

/// `key` lists all there is, so there is nothing left to skip.
fn key_excludes_skip(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(skip)) = (&options.key, &options.skip) {
        errors.push(
            &skip.word,
            "`skip` and `key` exclude each other: what `key` does not name is left out anyway",
        );
    }
}

/// No return type is both.
fn errors_exclude_none(options: &Options, errors: &mut Errors) {
    if let (Some(_), Some(at)) = (options.cache_errors, options.cache_none) {
        errors.push_span(
            at,
            "`cache_errors` and `cache_none` exclude each other: one is for `Result`, the other \
             for `Option`",
        );
    }
}

/// Nothing is named twice within `skip` or `key`.
fn names_differ(options: &Options, errors: &mut Errors) {
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
fn name_is_not_empty(options: &Options, errors: &mut Errors) {
    if let Some(name) = options.name.as_ref().filter(|name| name.value().is_empty()) {
        errors.push(name, "an empty name; leave `name` out for the path of the function");
    }
}

/// A cache of the user's is built already.
fn own_cache_has_its_own_settings(options: &Options, errors: &mut Errors) {
    if options.cache.is_none() {
        return;
    }
    for word in OF_CACHE.iter().filter_map(|word| options.given(word)) {
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

/// A refresh is what single flights are for: one caller makes it, the others are served.
fn stale_values_need_single_flights(options: &Options, errors: &mut Errors) {
    if options.single_flight {
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

/// Only what expires can be stale.
fn what_is_stale_has_expired(options: &Options, errors: &mut Errors) {
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

/// Jitter shortens something.
fn jitter_needs_a_time_to_live(options: &Options, errors: &mut Errors) {
    let lives = ["ttl", "ttl_from", "negative_ttl", "cache"];
    if let Some(word) = options.given("jitter")
        && lives.iter().all(|life| options.given(life).is_none())
    {
        errors.push(
            word,
            "`jitter` without a time to live, of which it takes a part; add `ttl = ..`",
        );
    }
}

fn known(time: Option<&Time>) -> Option<Duration> {
    match time {
        Some(Time::Known(duration)) => Some(*duration),
        _ => None,
    }
}

/// A value that has expired is not refreshed.
fn refresh_comes_before_the_end(options: &Options, errors: &mut Errors) {
    if let (Some(refresh), Some(live)) =
        (known(options.refresh_after.as_ref()), known(options.ttl.as_ref()))
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
fn negative_values_live_shorter(options: &Options, errors: &mut Errors) {
    if let (Some(negative), Some(live)) =
        (known(options.negative_ttl.as_ref()), known(options.ttl.as_ref()))
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
fn weights_need_a_bound(options: &Options, errors: &mut Errors) {
    if let Some(word) = options.given("weigher")
        && options.given("max_capacity").is_none()
    {
        errors.push(
            word,
            "`weigher` without `max_capacity`, which says what the weights may add up to",
        );
    }
}
